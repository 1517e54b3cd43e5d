"""The database: transactions whole or not at all, one writer at a time, readers undisturbed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, func, insert, select
from sqlalchemy.exc import IntegrityError

from gt_workflow.service.store import Store, tags, tasks


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/service.sqlite")
    yield opened
    opened.close()


def count(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(tags)).scalar_one()


def test_what_is_committed_is_there_after_opening_again(store, tmp_path):
    with store.write() as connection:
        connection.execute(insert(tags).values(arn="a", key="k", value="Zoë"))
    store.close()
    again = Store(f"sqlite:///{tmp_path}/service.sqlite")
    with again.read() as connection:
        assert connection.execute(select(tags.c.value)).scalar() == "Zoë"
    again.close()


def test_a_write_that_fails_leaves_nothing(store):
    def fails() -> None:
        with store.write() as connection:
            connection.execute(insert(tags).values(arn="a", key="k", value="v"))
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fails()
    assert count(store) == 0


def test_a_commit_that_fails_leaves_nothing_and_the_store_usable(store):
    def breaks(_: Connection) -> None:
        raise OSError("the disk is full")

    def write(value: str) -> None:
        with store.write() as connection:
            connection.execute(insert(tags).values(arn="a", key="k", value=value))

    event.listen(store._engine, "commit", breaks)
    with pytest.raises(OSError, match="the disk is full"):
        write("lost")
    event.remove(store._engine, "commit", breaks)
    assert count(store) == 0
    write("kept")
    assert count(store) == 1


def test_a_reader_sees_one_state_while_a_writer_commits(store):
    with store.read() as connection:
        query = select(func.count()).select_from(tags)
        assert connection.execute(query).scalar() == 0
        with store.write() as writer:
            writer.execute(insert(tags).values(arn="a", key="k", value="v"))
        assert connection.execute(query).scalar() == 0
    assert count(store) == 1


def test_writers_follow_one_another_from_threads_and_from_other_openings(store, tmp_path):
    other = Store(f"sqlite:///{tmp_path}/service.sqlite")

    def write(through: Store, name: str) -> None:
        for number in range(20):
            with through.write() as connection:
                held = connection.execute(select(func.count()).select_from(tags)).scalar_one()
                connection.execute(insert(tags).values(arn=name, key=str(number), value=str(held)))

    threads = [
        threading.Thread(target=write, args=(through, name))
        for through, name in ((store, "a"), (store, "b"), (other, "c"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        seen = sorted(int(value) for (value,) in connection.execute(select(tags.c.value)))
    assert seen == list(range(60)), "each saw all that was written before it"
    other.close()


def test_the_file_is_synced_at_every_commit_and_readers_do_not_wait(store):
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_the_database_itself_forbids_one_worker_two_tasks_on_an_object(store):
    def task(task_id: str, state: str) -> None:
        with store.write() as connection:
            connection.execute(
                insert(tasks).values(
                    id=task_id,
                    job_id=1,
                    idx=0,
                    iteration=1,
                    worker_id="w",
                    state=state,
                    accepted=0.0,
                    lease_until=1.0,
                )
            )

    task("t1", "returned")
    task("t2", "leased")
    with pytest.raises(IntegrityError):
        task("t3", "submitted")
    task("t4", "expired")


def add(store: Store, value: str) -> None:
    with store.write() as connection:
        connection.execute(insert(tags).values(arn="a", key=value, value=value))


def test_what_is_done_together_is_seen_inside_at_once_and_by_others_at_the_end(store):
    seen: list[int] = []
    with store.together():
        add(store, "one")
        add(store, "two")
        assert count(store) == 2
        other = threading.Thread(target=lambda: seen.append(count(store)))
        other.start()
        other.join()
    assert seen == [0]
    assert count(store) == 2


def test_of_what_is_done_together_a_write_that_fails_is_undone_alone(store):
    with store.together():
        add(store, "one")
        with pytest.raises(IntegrityError):
            add(store, "one")
        add(store, "two")
    assert count(store) == 2


def test_what_is_done_together_fails_together(store):
    def fails() -> None:
        with store.together():
            add(store, "one")
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fails()
    assert count(store) == 0
    add(store, "alone again")
    assert count(store) == 1
