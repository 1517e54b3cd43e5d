from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from portal_house import GIVEN, HEIGHT, REGION, WIDTH, House

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.adapters.simulated import Tally, load_truth, run_simulated
from gt_workflow.adapters.storage import LocalFiles
from gt_workflow.adapters.task_client import TaskClient, UnreachableError
from gt_workflow.core.boxes import Box
from gt_workflow.core.simulate import Noise
from gt_workflow.core.truth import Truth
from gt_workflow.errors import DataError, ServiceError
from gt_workflow.service.server import Server

OUTPUT = "s3://bucket/output/{}/manifests/output/output.manifest"
CAT, DOG = Box(5, 6, 20, 10), Box(30, 20, 20, 15)
TRUTH: Truth = {
    "photo 0": (("cat", CAT),),
    "photo 1": (("cat", CAT), ("dog", DOG)),
    "photo 2": (),
    "photo 3": (("dog", DOG), ("wolf", CAT)),
}
EXACT = Noise()
SLOPPY = Noise(position=0.1, miss=0.2, false_box=0.3, wrong_class=0.2)


@contextmanager
def open_house(folder: Path) -> Iterator[tuple[House, str]]:
    folder.mkdir(parents=True, exist_ok=True)
    house = House(folder)
    with Server() as server:
        server.start(house.app)
        try:
            yield house, server.address
        finally:
            house.close()


@pytest.fixture
def service(tmp_path) -> Iterator[tuple[House, str]]:
    with open_house(tmp_path / "house") as service:
        yield service


class Over:
    """Drives the jobs as the host does, and tells when the named one has ended."""

    def __init__(self, house: House, name: str = "cats") -> None:
        self._house = house
        self._name = name
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        with self._lock:
            self._house.settle()
            found = self._house.jobs.describe(region=REGION, name=self._name)
            return found["LabelingJobStatus"] in {"Completed", "Failed", "Stopped"}


def run(
    house: House, address: str, *, names=("Ada", "Bob", "Cy"), job: str = "cats", **more
) -> Tally:
    settings = {
        "truth": TRUTH,
        "noise": EXACT,
        "seed": 7,
        "stop": Over(house, job),
        "clock": ManualClock(),
        "tokens": [house.worker(name) for name in names],
    }
    return run_simulated(address=address, **(settings | more))


def output(house: House, name: str = "cats") -> list[dict]:
    house.settle()
    return [json.loads(line) for line in house.storage.objects[OUTPUT.format(name)].splitlines()]


def labels(line: dict, attribute: str = "boxes") -> list[tuple]:
    names = line[f"{attribute}-metadata"]["class-map"]
    return [
        (names[str(one["class_id"])], one["left"], one["top"], one["width"], one["height"])
        for one in line[attribute]["annotations"]
    ]


def test_exact_workers_reproduce_the_truth(service):
    house, address = service
    house.job(objects=4, workers=3)
    tally = run(house, address)
    assert tally.tasks == {"Ada": 4, "Bob": 4, "Cy": 4}
    assert tally.boxes == {"Ada": 4, "Bob": 4, "Cy": 4}
    assert tally.lost == 0
    cat, dog = ("cat", 5, 6, 20, 10), ("dog", 30, 20, 20, 15)
    # What the job does not ask for (a wolf) is not drawn.
    assert [labels(line) for line in output(house)] == [[cat], [cat, dog], [], [dog]]


def test_the_output_follows_from_the_seed_alone(tmp_path):
    seen = []
    for folder, names, seed in (
        ("a", ("Ada", "Bob", "Cy"), 7),
        ("b", ("Cy", "Ada", "Bob"), 7),
        ("c", ("Ada", "Bob", "Cy"), 8),
    ):
        with open_house(tmp_path / folder) as (house, address):
            house.job(objects=4, workers=3)
            run(house, address, names=names, noise=SLOPPY, seed=seed)
            seen.append([labels(line) for line in output(house)])
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


def test_more_workers_than_asked_share_the_work(service):
    house, address = service
    house.job(objects=4, workers=2)
    tally = run(house, address, names=("Ada", "Bob", "Cy", "Di", "Ed"))
    assert tally.tasks.total() == 8


def test_adjusters_move_the_boxes_to_the_truth(service):
    house, address = service
    house.job(kind="adjust", objects=2)
    run(house, address, names=("Ada",))
    first, second = output(house)
    assert labels(first, "checked") == [("cat", 5, 6, 20, 10)]
    assert labels(second, "checked") == [("cat", 5, 6, 20, 10), ("dog", 30, 20, 20, 15)]
    assert first["checked-metadata"]["adjustment-status"] == "adjusted"


def test_an_adjuster_who_finds_all_right_says_so(service):
    house, address = service
    house.job(kind="adjust", objects=1)
    given = [(("cat", "dog")[one["class_id"]], one) for one in GIVEN]
    as_given = tuple(
        (name, Box(one["left"], one["top"], one["width"], one["height"])) for name, one in given
    )
    run(house, address, names=("Ada",), truth={"photo 0.jpg": as_given})
    assert output(house)[0]["checked-metadata"]["adjustment-status"] == "unadjusted"


def test_verifiers_tell_right_from_wrong(service):
    house, address = service
    house.job(kind="verify", objects=4, labels=("right", "wrong"))
    near = (("cat", Box(1, 2, 11, 12)), ("dog", Box(30, 21, 20, 10)))
    truth = {
        "photo 0": near,
        "photo 1": near[:1],
        "photo 2": (near[0], ("dog", Box(0, 30, 20, 10))),
        "photo 3": (("dog", near[0][1]), ("cat", near[1][1])),
    }
    run(house, address, names=("Ada",), truth=truth)
    verdicts = [line["checked-metadata"]["class-name"] for line in output(house)]
    assert verdicts == ["right", "wrong", "wrong", "wrong"]


def test_the_only_category_is_chosen(service):
    house, address = service
    house.job(kind="verify", objects=1, labels=("seen",))
    run(house, address, names=("Ada",))
    assert output(house)[0]["checked-metadata"]["class-name"] == "seen"


@pytest.mark.parametrize(
    "name", ["s3://bucket/cats/photo 0.jpg", "album/photo 0.jpg", "photo 0.jpg", "photo 0"]
)
def test_a_photograph_is_known_by_any_of_its_names(service, name):
    house, address = service
    house.job(objects=1)
    tally = run(house, address, names=("Ada",), truth={name: (("cat", CAT),)})
    assert tally.boxes == {"Ada": 1}


def test_the_full_address_goes_before_a_name_that_only_resembles(service):
    house, address = service
    house.job(objects=1)
    truth: Truth = {"photo 0": (), "s3://bucket/cats/photo 0.jpg": (("cat", CAT),)}
    assert run(house, address, names=("Ada",), truth=truth).boxes == {"Ada": 1}


def test_an_unknown_photograph_stops_everybody(service):
    house, address = service
    house.job(objects=4, workers=3)
    with pytest.raises(DataError, match="truth does not know this photograph") as told:
        run(house, address, truth={"photo 0": (("cat", CAT),)})
    assert told.value.uri.startswith("album/photo ")


def test_an_unknown_photograph_has_nothing_on_it_if_told_so(service):
    house, address = service
    house.job(objects=2)
    tally = run(
        house, address, names=("Ada",), truth={"photo 0": (("cat", CAT),)}, skip_unknown=True
    )
    assert (tally.tasks, tally.boxes) == ({"Ada": 2}, {"Ada": 1})


def test_work_goes_on_where_a_killed_run_stopped(service):
    house, address = service
    house.job(objects=2)
    token = house.worker("Ada")
    client = TaskClient(address, token)
    client.accept()
    client.accept()
    client.close()
    assert run(house, address, tokens=[token]).tasks == {"Ada": 2}


def test_workers_keep_to_the_job_they_are_given(service):
    house, address = service
    arn = house.job("cats", objects=2)
    house.job("dogs", objects=2)
    tally = run(house, address, names=("Ada",), job_arn=arn)
    assert tally.tasks == {"Ada": 2}
    assert house.counters("dogs")["HumanLabeled"] == 0


def test_a_job_stopped_in_between_loses_no_more_than_its_tasks(service):
    house, address = service
    house.job(objects=2)
    token = house.worker("Ada")
    client = TaskClient(address, token)
    client.accept()
    client.close()

    class Stopping(dict):
        """Truth that is looked up just before the job is stopped."""

        def get(self, key, default=None):
            house.jobs.stop(region=REGION, name="cats")
            return super().get(key, default)

    tally = run(house, address, tokens=[token], truth=Stopping(TRUTH))
    assert (tally.lost, tally.tasks) == (1, {})


def test_a_wrong_token_ends_the_run(service):
    house, address = service
    house.job()
    with pytest.raises(ServiceError, match="valid token"):
        run(house, address, tokens=["forged"])


def nowhere() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


class Impatient:
    """A service that is away: says stop at the third look."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> bool:
        self.looks += 1
        return self.looks == 3


def test_a_service_that_is_away_is_waited_for():
    stop, clock = Impatient(), ManualClock()
    start = clock.now()
    tally = run_simulated(
        address=nowhere(), tokens=["t"], truth=TRUTH, noise=EXACT, seed=1, stop=stop, clock=clock
    )
    assert tally == Tally()
    assert stop.looks == 3
    assert clock.now() > start


def test_a_run_without_workers_does_nothing():
    tally = run_simulated(
        address=nowhere(),
        tokens=[],
        truth=TRUTH,
        noise=EXACT,
        seed=1,
        stop=Impatient(),
        clock=ManualClock(),
    )
    assert tally == Tally()


VOC = """<annotation><filename>{name}</filename>
<size><width>64</width><height>48</height><depth>3</depth></size>
<object><name>cat</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>25</xmax><ymax>16</ymax></bndbox>
</object></annotation>"""


def test_truth_is_read_from_a_folder_of_voc_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.xml").write_text(VOC.format(name=f"{name}.jpg"))
    (tmp_path / "notes.txt").write_text("no annotation")
    for uri in (str(tmp_path), f"{tmp_path}/"):
        truth = load_truth(uri, storage=LocalFiles())
        assert truth["a.jpg"] == truth["b"] == (("cat", CAT),)


def test_truth_is_read_from_a_manifest(service):
    house, address = service
    house.job(objects=2)
    run(house, address, names=("Ada",))
    uri = OUTPUT.format("cats")
    truth = load_truth(uri, storage=MemoryStorage({uri: house.storage.objects[uri]}))
    assert truth["photo 0"] == (("cat", CAT),)


@pytest.mark.parametrize("content", [None, b"", b'{"source-ref": "s3://b/k.jpg"}\n'])
def test_a_truth_that_tells_nothing_is_an_error(content):
    objects = {} if content is None else {"s3://b/truth": content}
    with pytest.raises(DataError, match="holds no truth"):
        load_truth("s3://b/truth", storage=MemoryStorage(objects))


def test_the_raccoons_boxes_are_a_truth(shared):
    truth = load_truth(str(shared / "data/raccoons/annotations"), storage=LocalFiles())
    assert truth["raccoon-1.jpg"] == (("raccoon", Box(81, 88, 441, 320)),)


def test_boxes_are_whole_pixels_inside_the_raster(service):
    house, address = service
    house.job(objects=1)
    edge = (("cat", Box(0.4, 0.6, 63.5, 47.3)), ("dog", Box(63.2, 47.1, 0.3, 0.2)))
    run(house, address, names=("Ada",), truth={"photo 0": edge})
    boxes = labels(output(house)[0])
    assert boxes == [("cat", 0, 1, 64, 47), ("dog", 63, 47, 1, 1)]
    assert all(left + w <= WIDTH and top + h <= HEIGHT for _, left, top, w, h in boxes)


def test_a_service_that_never_comes_back_ends_the_run():
    with pytest.raises(UnreachableError, match="does not answer"):
        run_simulated(
            address=nowhere(),
            tokens=["t"],
            truth=TRUTH,
            noise=EXACT,
            seed=1,
            stop=lambda: False,
            clock=ManualClock(),
        )
