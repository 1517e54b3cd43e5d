"""`launch --gold`: known images among the others, what workers are told, and who sees how well."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gt_workflow import config, wiring
from gt_workflow.adapters.task_client import TaskClient
from gt_workflow.core.manifest import read, split_lines

SCENES, QUESTIONS = 19, 6  # so many that even the last question, wherever it falls, has its turn
RATE = 0.25
NAME = len("scene-000")  # what a launch leaves of a photograph's name


def scenes(cli, count: int, questions: int) -> dict[str, Any]:
    """Draw photographs to label, and a few known ones in the bucket; return what is on them."""
    assert cli("demo", "demo", "--count", str(count + questions))[0] == 0
    known = Path("demo/truth.manifest").read_text().splitlines()
    place = Path("gt-data/lab/known")
    place.mkdir(parents=True)
    lines = []
    for text in known[:questions]:
        line = json.loads(text)
        Path("demo/photographs", line["source-ref"]).rename(place / line["source-ref"])
        lines.append(json.dumps(line | {"source-ref": f"s3://lab/known/{line['source-ref']}"}))
    Path("known.manifest").write_text("\n".join(lines) + "\n")
    return {json.loads(line)["source-ref"][:NAME]: json.loads(line)["truth"] for line in known}


def launch(cli, *flags):
    return cli(
        *("launch", "demo/photographs", "--labels", "degu,wheel"),
        *("--gold", "known.manifest", *flags),
    )


def answer(task: dict[str, Any], truth: dict[str, Any] | None) -> dict[str, Any]:
    """All that is there, or nothing."""
    boxes = [] if truth is None else truth["annotations"]
    sides = ("left", "top", "width", "height")
    return {
        "boundingBox": {
            "boundingBoxes": [
                {"label": ("degu", "wheel")[box["class_id"]]} | {side: box[side] for side in sides}
                for box in boxes
            ],
            "inputImageProperties": {key: task["image"][key] for key in ("width", "height")},
        }
    }


def work(client: TaskClient, truth: dict[str, Any] | None) -> tuple[list[str], list[dict]]:
    """Answer all there is; return the images in their order, and the feedback."""
    seen, told = [], []
    while (task := client.accept()) is not None:
        name = task["object"].rpartition("/")[2][:NAME]
        seen.append(task["object"])
        said = client._call(  # the whole acknowledgement
            "submit", "POST", f"tasks/{task['id']}/submit", answer(task, truth and truth[name])
        )
        told += [said["gold"]] if "gold" in said else []
    return seen, told


def test_gold_from_the_launch_to_the_figures(cli):
    truth = scenes(cli, SCENES, QUESTIONS)
    with wiring.backend(config.load(flags={})) as running:
        flags = ("--gold-rate", str(RATE), "--workers-per-object", "3")
        status, out, err = launch(cli, *flags, "--no-wait")
        assert status == 0, err
        job = out.strip()
        with (
            closing(TaskClient(running.address, running.token("careful"))) as careful,
            closing(TaskClient(running.address, running.token("calm"))) as calm,
            closing(TaskClient(running.address, running.token("hasty"))) as hasty,
        ):
            images, told = work(careful, truth)
            work(calm, truth)
            _, complaints = work(hasty, None)
        # Mixed in at the rate: one in every stretch of four, none twice, all of them in the end.
        places = [at for at, uri in enumerate(images) if "/known/" in uri]
        assert [at // round(1 / RATE) for at in places] == list(range(QUESTIONS))
        assert len({images[at] for at in places}) == QUESTIONS
        assert len(images) == SCENES + QUESTIONS
        # Told at once, to who was right and to who was not.
        assert [one["score"] for one in told] == [1.0] * QUESTIONS
        assert all(one["missed"] == one["extra"] == [] for one in told)
        assert [one["missed"] for one in complaints] == [one["known"] for one in complaints]
        assert all(one["known"] for one in complaints)

        status, out, err = launch(cli, *flags, "--json")
        assert status == 0, err
        told = json.loads(out)
        assert (told["job"]["status"], told["job"]["human"]) == ("Completed", SCENES)
        shares = json.loads(cli("workers", job, "--json")[1])["workers"]
        assert {one["name"]: one["gold"] for one in shares} == {
            "careful": {"answered": QUESTIONS, "accuracy": 1.0},
            "calm": {"answered": QUESTIONS, "accuracy": 1.0},
            "hasty": {"answered": QUESTIONS, "accuracy": 0.0},
        }
        # What they did on photographs is counted without the questions.
        assert {one["tasks"] for one in shares} == {SCENES}
        printed = cli("workers", job)[1]
        assert f"; 100% right on {QUESTIONS} gold questions\n" in printed
        assert f"; 0% right on {QUESTIONS} gold questions\n" in printed

    tree = [path for path in Path("gt-data").rglob("*") if path.is_file() and job in str(path)]
    output = next(path for path in tree if path.name == "output.manifest")
    with output.open("rb") as file:
        assert len(list(read(split_lines(file), uri="output"))) == SCENES
    for path in tree:
        # The launch's own copy is named by the job's request; nothing of it lies in the output.
        if "/output/" in str(path) or "/annotations/" in str(path):
            assert b"/known/" not in path.read_bytes(), path


def test_gold_is_another_job_and_the_same_command_finds_it_again(cli):
    scenes(cli, 2, 1)
    first = launch(cli, "--no-wait")[1]
    assert launch(cli, "--no-wait")[1] == first
    assert launch(cli, "--gold-rate", "0.3", "--no-wait")[1] != first


@pytest.mark.parametrize(
    ("change", "flags", "status", "message"),
    [
        (("s3://lab", "/lab"), (), 3, "known.manifest:1: source-ref: the image must be an s3://"),
        (('"wheel"', '"wolf"'), (), 3, "the label 'wolf' is none of the job's"),
        (("", ""), ("--gold-rate", "0.9"), 2, "--gold-rate (job.gold-rate)"),
        (("", ""), ("--gold", "nowhere.manifest"), 4, "nowhere.manifest"),
    ],
)
def test_gold_that_cannot_be_is_told_before_anything_is_launched(
    cli, change, flags, status, message
):
    scenes(cli, 2, 1)
    file = Path("known.manifest")
    file.write_text(file.read_text().replace(*change))
    got, out, err = launch(cli, *flags, "--no-wait")
    assert (got, out) == (status, ""), err
    assert message in err
    assert "no labeling jobs" in "".join(cli("list")[1:])
