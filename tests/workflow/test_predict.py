"""A manifest gets pre-labels from an endpoint or a batch transform, whole or not at all."""

from __future__ import annotations

import json
import threading

import pytest
from trainings import StillClock

from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.core.manifest import read, split_lines
from gt_workflow.errors import DataError, ServiceError, TransientError, UsageError
from gt_workflow.workflow.parts import PART
from gt_workflow.workflow.training import predict
from gt_workflow.workflow.training.answers import Asked, Transformed, find_cut
from gt_workflow.workflow.training.predict import PredictSettings

IN, OUT, TRANSFORM = "s3://b/in.manifest", "s3://b/out.manifest", "s3://b/transform/"
ANSWER = json.dumps({"prediction": [[1, 0.9, 0, 0, 0.5, 0.5], [0, 0.1, 0, 0, 1, 1]]}).encode()


class Sizes:
    """Images of one size; what is empty is none."""

    def read_size(self, file):
        if not file.read():
            raise DataError("the object is no JPEG and no PNG", uri="the image")
        return 200, 100


class Detector:
    """Answers the same to every image; `refuse` are errors by image."""

    def __init__(self, refuse=None, *, stop_after=None):
        self.refuse = refuse or {}
        self.asked = []
        self._stop_after = stop_after
        self._lock = threading.Lock()

    def detect(self, image):
        with self._lock:
            self.asked.append(image)
            if self._stop_after is not None and len(self.asked) > self._stop_after:
                raise KeyboardInterrupt
        if image in self.refuse:
            raise self.refuse[image]
        return ANSWER


def stored(count=3, *, transform=True):
    storage = MemoryStorage()
    lines = []
    for number in range(count):
        ref = f"s3://b/images/{number % 2}/{number}.jpg"
        storage.objects[ref] = str(number).encode()
        lines.append(json.dumps({"source-ref": ref, "note": f" {number} "}).encode())
        if transform:
            storage.objects[f"{TRANSFORM}{number % 2}/{number}.jpg.out"] = ANSWER
    storage.objects[IN] = b"\n".join(lines) + b"\n"
    return storage


def settings(**members):
    members = {"source": TRANSFORM, "classes": ("degu", "wheel")} | members
    return PredictSettings(manifest=IN, out=OUT, **members)


def run(storage, chosen, *, detector=None, told=None):
    planned = predict.plan(chosen, storage=storage)
    if detector is None:
        answers = Transformed(chosen.source, planned.cut, storage, Sizes(), chosen.size)
    else:
        answers = Asked(detector, chosen.source, storage, Sizes(), chosen.size)
    return predict.run(
        planned,
        answers=answers,
        storage=storage,
        clock=StillClock(),
        progress=lambda *now: told.append(now) if told is not None else None,
    )


def labels(storage, uri=OUT):
    with storage.open(uri) as file:
        return [
            record.label for record in read(split_lines(file), uri=uri, attribute="predictions")
        ]


def test_transform_output_becomes_labels():
    storage = stored()
    receipt = run(storage, settings())
    assert (receipt.counts.answered, receipt.counts.missing, receipt.counts.boxes) == (3, 0, 3)
    found = labels(storage)
    assert [one.annotations[0].label for one in found] == ["wheel"] * 3
    assert (found[0].width, found[0].annotations[0].box.width) == (200, 100)
    before = storage.objects[IN].splitlines()
    after = storage.objects[OUT].splitlines()
    assert all(new.startswith(old[:-1]) for old, new in zip(before, after, strict=True))
    assert [uri for uri in storage.objects if ".part-" in uri] == []


def test_endpoint_is_asked_once_an_image():
    storage, detector, told = stored(50, transform=False), Detector(), []
    receipt = run(storage, settings(source="degu"), detector=detector, told=told)
    assert receipt.counts.answered == 50
    assert len(detector.asked) == 50
    assert told[-1] == ("predicting", 50, 50)
    assert labels(storage)[0].job_name == "degu"


def test_both_ways_give_the_same_labels():
    asked, transformed = stored(), stored()
    run(asked, settings(source="transform"), detector=Detector())
    run(transformed, settings())
    assert asked.objects[OUT] == transformed.objects[OUT]


def test_threshold_and_size():
    storage = stored(1)
    for key in [uri for uri in storage.objects if uri.endswith(".jpg")]:
        storage.objects[key] = b""  # not looked at
    run(storage, settings(threshold=0.05, size=(400, 300)))
    (label,) = labels(storage)
    assert len(label.annotations) == 2
    assert (label.width, label.height) == (400, 300)


def test_an_interrupted_run_goes_on():
    count = 2 * PART + 50
    storage, first = stored(count, transform=False), Detector(stop_after=PART + 60)
    chosen = settings(source="degu")
    with pytest.raises(KeyboardInterrupt):
        run(storage, chosen, detector=first)
    assert OUT not in storage.objects
    second = Detector()
    receipt = run(storage, chosen, detector=second)
    assert receipt.counts.answered == count
    assert len(second.asked) == count - PART
    whole = stored(count, transform=False)
    run(whole, chosen, detector=Detector())
    assert storage.objects[OUT] == whole.objects[OUT]
    # Other settings take nothing over from it.
    assert run(
        storage, chosen, detector=Detector(refuse={b"0": DataError("no", uri="x")})
    ).unchanged


def test_killed_before_the_receipt():
    storage = stored()
    run(storage, settings())
    planned = predict.plan(settings(), storage=storage)
    storage.objects.pop(f"{OUT}.receipt.json")
    lines = storage.objects[OUT].splitlines()
    parts = predict.Parts(OUT, planned.digest, storage)
    parts.write(0, [(line, predict.Counts(answered=1, boxes=1)) for line in lines])
    receipt = run(storage, settings())
    assert (receipt.counts.answered, receipt.unchanged) == (3, False)
    assert [uri for uri in storage.objects if ".part-" in uri] == []


def test_a_second_run_changes_nothing():
    storage = stored()
    run(storage, settings())
    for uri in [uri for uri in storage.objects if uri.startswith(TRANSFORM)][1:]:
        del storage.objects[uri]
    assert run(storage, settings()).unchanged


def test_an_output_that_is_there_is_not_written_over():
    storage = stored()
    storage.objects[OUT] = b"mine"
    with pytest.raises(UsageError, match="is there already"):
        run(storage, settings())
    assert storage.objects[OUT] == b"mine"


def test_labels_are_not_written_over():
    storage = stored(2)
    run(storage, settings())
    storage.objects[IN] = storage.objects[OUT]
    with pytest.raises(DataError, match=r"in\.manifest:1: has 'predictions' already"):
        predict.plan(settings(), storage=storage)


def test_an_image_without_an_answer():
    storage = stored()
    del storage.objects[f"{TRANSFORM}1/1.jpg.out"]
    with pytest.raises(DataError, match=r"in\.manifest:2: there is no .*1\.jpg\.out; --on-missing"):
        run(storage, settings())
    receipt = run(storage, settings(on_missing="skip"))
    assert (receipt.counts.answered, receipt.counts.missing) == (2, 1)
    assert labels(storage)[1] is None
    assert storage.objects[OUT].splitlines()[1] == storage.objects[IN].splitlines()[1]


def test_an_image_that_the_model_refuses():
    refused = ServiceError("cannot decode", operation="InvokeEndpoint", code="ModelError")
    storage = stored(transform=False)
    with pytest.raises(DataError, match=r"in\.manifest:2: InvokeEndpoint: cannot decode"):
        run(storage, settings(source="degu"), detector=Detector({b"1": refused}))
    receipt = run(
        storage, settings(source="degu", on_missing="skip"), detector=Detector({b"1": refused})
    )
    assert receipt.counts.missing == 1


@pytest.mark.parametrize(
    "error",
    [
        TransientError("busy", operation="InvokeEndpoint", code="ThrottlingException"),
        ServiceError("Endpoint degu not found", operation="InvokeEndpoint", code="ValidationError"),
        ServiceError("not allowed", operation="InvokeEndpoint", code="AccessDeniedException"),
    ],
)
def test_trouble_of_the_endpoint_is_no_missing_answer(error):
    storage = stored(transform=False)
    with pytest.raises(ServiceError):
        run(
            storage,
            settings(source="degu", on_missing="skip"),
            detector=Detector({b"0": error, b"1": error, b"2": error}),
        )
    assert OUT not in storage.objects


def test_a_missing_image_is_named_with_its_line():
    storage = stored(transform=False)
    del storage.objects["s3://b/images/1/1.jpg"]
    with pytest.raises(DataError, match=r"in\.manifest:2: the image s3://b/images/1/1.jpg"):
        run(storage, settings(source="degu"), detector=Detector())


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"threshold": 1.1}, "--threshold"),
        ({"size": (0, 100)}, "--size"),
        ({"attribute": "my_boxes"}, "--attribute"),
        ({"attribute": "source-ref"}, "--attribute"),
    ],
)
def test_settings_that_make_no_sense(members, reason):
    with pytest.raises(UsageError, match=reason):
        settings(**members)


def test_a_transform_of_other_images():
    storage = stored(transform=False)
    with pytest.raises(UsageError, match="no answer to any image"):
        predict.plan(settings(), storage=storage)


def test_an_empty_manifest():
    storage = stored(0)
    storage.objects[IN] = b"\n"
    with pytest.raises(DataError, match="no line"):
        predict.plan(settings(), storage=storage)


def test_what_an_answers_name_leaves_out_is_found():
    storage = MemoryStorage({"s3://b/o/x/1.jpg.out": b"", "s3://b/o/1.jpg.out": b""})
    assert find_cut("s3://b/o", ["s3://b/in/x/1.jpg"], storage=storage) == "in/"
    assert find_cut("s3://b/o", ["s3://b/no.jpg", "s3://b/in/1.jpg"], storage=storage) == "in/"
    assert find_cut("s3://b/o", ["s3://b/x/1.jpg"], storage=storage) == ""
    assert find_cut("s3://b/o", ["s3://b/none.jpg"], storage=storage) is None
    assert find_cut("s3://b/o", ["/home/me/in/x/1.jpg"], storage=storage) == "home/me/in/"
