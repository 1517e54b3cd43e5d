from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import select

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.service.faults import Fault
from gt_workflow.service.portal.workers import Worker, Workers
from gt_workflow.service.store import Store, worker_tokens

TEAM = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/default"
OTHER = "arn:aws:sagemaker:us-east-1:123456789012:workteam/private-crowd/other"


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path}/service.sqlite")
    yield store
    store.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def workers(store, clock) -> Workers:
    numbers = count(1)
    return Workers(store=store, clock=clock, new_token=lambda: f"token-{next(numbers)}")


def test_adding_a_worker_twice_is_adding_once(workers):
    first = workers.add("Ada", team_arns=[TEAM])
    assert workers.add("Ada", team_arns=[TEAM]) == first
    assert workers.list() == [Worker(id=first, name="Ada", teams=(TEAM,))]


def test_adding_again_joins_more_teams_and_leaves_none(workers):
    worker = workers.add("Ada", team_arns=[OTHER])
    workers.add("Ada", team_arns=[TEAM])
    workers.add("Ada")
    assert workers.list() == [Worker(id=worker, name="Ada", teams=(TEAM, OTHER))]


def test_an_id_has_the_form_of_a_private_workforce_and_follows_from_the_name(workers, tmp_path):
    worker = workers.add("Ada")
    region, digest = worker.removeprefix("private.").rsplit(".", 1)
    assert (region, len(digest)) == ("us-east-1", 16)
    assert workers.add("Bob") != worker
    elsewhere = Store(f"sqlite:///{tmp_path}/other.sqlite")
    assert Workers(store=elsewhere, clock=ManualClock(), new_token=str).add("Ada") == worker
    elsewhere.close()


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\nb", "a\x00b"])
def test_a_name_that_is_no_name_is_refused(workers, name):
    with pytest.raises(Fault, match="1 to 64 printable") as caught:
        workers.add(name)
    assert caught.value.code == "ValidationException"
    assert workers.list() == []


def test_a_token_lets_its_worker_in_and_nobody_else(workers):
    ada, bob = workers.add("Ada", team_arns=[TEAM]), workers.add("Bob")
    token = workers.invite("Ada")
    assert workers.authenticate(token) == Worker(id=ada, name="Ada", teams=(TEAM,))
    found = workers.authenticate(workers.invite("Bob"))
    assert found is not None
    assert found.id == bob


@pytest.mark.parametrize(
    "token", ["", "token-2", "TOKEN-1", "token-1 ", "' OR 1=1 --", "x" * 100_000, "\ud800"]
)
def test_what_is_no_token_lets_nobody_in(workers, token):
    workers.add("Ada")
    workers.invite("Ada")
    assert workers.authenticate(token) is None


def test_the_hash_of_a_token_is_no_token(workers, store):
    workers.add("Ada")
    workers.invite("Ada")
    with store.read() as connection:
        digest = connection.execute(select(worker_tokens.c.token_sha256)).scalar_one()
    assert workers.authenticate(digest) is None


def test_the_database_does_not_know_the_token(workers, store, tmp_path):
    workers.add("Ada")
    token = workers.invite("Ada")
    store.close()
    assert token.encode() not in (tmp_path / "service.sqlite").read_bytes()


def test_a_token_expires_after_thirty_days(workers, clock):
    workers.add("Ada")
    token = workers.invite("Ada")
    clock.sleep(timedelta(days=30).total_seconds() - 1)
    assert workers.authenticate(token) is not None
    clock.sleep(1)
    assert workers.authenticate(token) is None


def test_expired_tokens_are_dropped_when_new_ones_are_made(workers, store, clock):
    workers.add("Ada")
    workers.invite("Ada", life=timedelta(seconds=1))
    clock.sleep(2)
    workers.invite("Ada")
    with store.read() as connection:
        assert len(connection.execute(select(worker_tokens)).all()) == 1


def test_a_second_invitation_leaves_the_first_good(workers):
    workers.add("Ada")
    first, second = workers.invite("Ada"), workers.invite("Ada")
    assert first != second
    assert workers.authenticate(first) is not None
    assert workers.authenticate(first) == workers.authenticate(second)


def test_revoking_shuts_out_one_worker(workers):
    workers.add("Ada")
    workers.add("Bob")
    tokens = [workers.invite("Ada"), workers.invite("Ada")]
    bobs = workers.invite("Bob")
    assert workers.revoke("Ada") == 2
    assert [workers.authenticate(token) for token in tokens] == [None, None]
    assert workers.authenticate(bobs) is not None


@pytest.mark.parametrize("act", ["invite", "revoke"])
def test_an_unknown_worker_is_said_to_be_unknown(workers, act):
    with pytest.raises(Fault, match="no worker named 'Eve'") as caught:
        getattr(workers, act)("Eve")
    assert caught.value.code == "ResourceNotFound"


def test_workers_and_tokens_survive_a_restart(workers, store, clock, tmp_path):
    worker = workers.add("Ada", team_arns=[TEAM])
    token = workers.invite("Ada")
    store.close()
    reopened = Store(f"sqlite:///{tmp_path}/service.sqlite")
    again = Workers(store=reopened, clock=clock, new_token=lambda: "unused")
    assert again.authenticate(token) == Worker(id=worker, name="Ada", teams=(TEAM,))
    reopened.close()
