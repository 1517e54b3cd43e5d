"""Harvest the labels of a job that ended without its output manifest.

Read, in this order of trust: the output manifest, if there is one; the answers of the
consolidation (`consolidation-response/iteration-N/`, a later iteration wins); what the model
labelled (`activelearning/N/.../auto_annotator_output.txt`); and for objects of which none of these
knows, the workers' own answers, which are consolidated here. Objects are known by their place in
the input manifest; where the consolidation's requests name their images, these must agree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gt_workflow.core.described import DescribedJob
from gt_workflow.core.label_schema import SUFFIX
from gt_workflow.core.labels import parse_label_category_file
from gt_workflow.core.manifest import labelled_line
from gt_workflow.core.matching import look
from gt_workflow.errors import DataError, JobFailedError, UsageError
from gt_workflow.ports import Storage
from gt_workflow.workflow.repair.alignment import LABELLED, Alignment, align, lines, put_once
from gt_workflow.workflow.repair.worker_labels import Made, label_of
from gt_workflow.workflow.spill import Spill

_CONSOLIDATED: Final = "annotations/consolidated-annotation"
_ITERATION: Final = re.compile(r"/iteration-(\d+)/")
_AUTOMATED: Final = re.compile(r"/activelearning/(\d+)/(?:.*/)?auto_annotator_output\.txt$")
_WORKERS: Final = re.compile(r"/worker-response/iteration-(\d+)/(\d+)/[^/]+$")


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where the labels of a recovered manifest come from; the other lines stand as in the input.

    `thin` of those `from_workers` have fewer answers than the job asked for. `unusable` objects
    have answers that no label could be made of. `verified` lines were compared with the images
    that the consolidation's requests name.
    """

    job: str
    out: str
    written: bool
    total: int
    from_output: int
    from_consolidation: int
    from_model: int
    from_workers: int
    thin: int
    unusable: int
    verified: int

    @property
    def labelled(self) -> int:
        """Lines with a label."""
        return self.from_output + self.from_consolidation + self.from_model + self.from_workers

    def to_dict(self) -> dict[str, Any]:
        """Return the form that `--json` prints."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return told | {"labelled": self.labelled, "untouched": self.total - self.labelled}


def recover(job: DescribedJob, *, out: str, storage: Storage) -> Recovered:
    """Write an output manifest of all that can be found; labelled lines as the job would write.

    Memory: 60 bytes a line and one batch; labels wait in a temporary file. Raises `UsageError`
    for a job that is not over or where something else is at `out`, `JobFailedError` if nothing is
    found, `DataError` for a file that cannot be what it should be.
    """
    if not job.over:
        raise UsageError(f"labeling job {job.name} is {job.status}; stop it, or wait for its end")
    aligned = align([job.input_uri], attribute=job.attribute, storage=storage)
    if storage.exists(job.output_uri):
        aligned.take(job.output_uri, start=0, storage=storage)
    from_output = aligned.states.count(LABELLED)
    with ExitStack() as stack:
        found = stack.enter_context(closing(Spill(len(aligned))))
        verified = _verify(job, storage)
        consolidated = _gather(found, consolidated_labels(job, storage=storage), aligned)
        automated = _gather(found, model_labels(job, storage=storage), aligned, over=False)
        workers, thin, unusable = _from_workers(job, found, aligned, storage)
        if not from_output + consolidated + automated + workers:
            raise JobFailedError(
                f"nothing to recover: labeling job {job.name} wrote no label below {job.root}"
            )

        def content() -> Iterator[bytes]:
            for i, raw in enumerate(aligned.merged(storage=storage)):
                label = found.get(i)
                if label is None:
                    yield raw
                    continue
                value, metadata = _pair(label)
                yield labelled_line(raw, attribute=job.attribute, value=value, metadata=metadata)

        written = put_once(out, content, storage=storage)
    return Recovered(
        job=job.name,
        out=out,
        written=written,
        total=len(aligned),
        from_output=from_output,
        from_consolidation=consolidated,
        from_model=automated,
        from_workers=workers,
        thin=thin,
        unusable=unusable,
        verified=verified,
    )


def paid_for(job: DescribedJob, *, storage: Storage) -> frozenset[int]:
    """Return the input lines for which a job's output folder has a label, or the makings of one.

    Workers' answers count for a job that failed; any other has consolidated all that it takes.
    """
    found = {index for index, _ in consolidated_labels(job, storage=storage)}
    found |= {index for index, _ in model_labels(job, storage=storage)}
    if job.status == "Failed" or not storage.exists(job.output_uri):
        found |= set(_worker_files(job, storage))
    return frozenset(found)


def consolidated_labels(job: DescribedJob, *, storage: Storage) -> Iterator[tuple[int, bytes]]:
    """Yield (input line from 0, label and metadata as JSON), iteration by iteration."""
    for uri in _numbered(job, "consolidation-response", storage):
        for entry in _entries(uri, storage):
            content = entry.get("consolidatedAnnotation", {}).get("content", {})
            index = _index(entry.get("datasetObjectId"), uri)
            if (label := _label(content, job.attribute)) is not None:
                yield index, label


def model_labels(job: DescribedJob, *, storage: Storage) -> Iterator[tuple[int, bytes]]:
    """Yield (input line from 0, label and metadata as JSON) of what a model labelled."""
    found = [
        (int(match[1]), stat.uri)
        for stat in storage.list(f"{job.root}/activelearning/")
        if (match := _AUTOMATED.search(stat.uri))
    ]
    for _, uri in sorted(found):
        for number, raw in lines(uri, storage=storage):
            name, _, text = raw.partition(b" ")
            try:
                content = json.loads(text)
            except ValueError as error:
                raise DataError(f"is no label: {error}", uri=uri, line=number) from None
            if isinstance(content, dict) and (label := _label(content, job.attribute)) is not None:
                yield _index(name.decode(errors="replace"), uri), label


def _gather(
    found: Spill, labels: Iterator[tuple[int, bytes]], aligned: Alignment, *, over: bool = True
) -> int:
    """Keep labels of lines that the output does not label; return of how many lines."""
    known: set[int] = set()
    for index, label in labels:
        if index >= len(aligned):
            raise DataError(
                f"there is a label for line {index + 1:,}, but the input has {len(aligned):,}; "
                "was it changed since?",
                uri=aligned.inputs[0],
            )
        if aligned.states[index] != LABELLED and (over or index in known or index not in found):
            found.put(index, label)
            known.add(index)
    return len(known)


def _from_workers(
    job: DescribedJob, found: Spill, aligned: Alignment, storage: Storage
) -> tuple[int, int, int]:
    """Consolidate answers of objects that have no label; return labels, thin ones, failures."""
    done = thin = unusable = 0
    files = {
        index: uris
        for index, uris in _worker_files(job, storage).items()
        if index < len(aligned) and index not in found and aligned.states[index] != LABELLED
    }
    if not files:
        return 0, 0, 0
    with closing(storage.open(job.labels_uri)) as file:
        labels = parse_label_category_file(file.read(), job.labels_uri, kind=job.kind)
    for index, uris in sorted(files.items()):
        made = _consolidated(job, uris, labels, storage)
        if made is None:
            unusable += 1
            continue
        pair = {job.attribute: made.value, job.attribute + SUFFIX: made.metadata}
        label = _label(pair, job.attribute)
        if label is not None:
            found.put(index, label)
            done += 1
            thin += made.answers < job.workers
    return done, thin, unusable


def _consolidated(
    job: DescribedJob, uris: list[str], labels: tuple[str, ...], storage: Storage
) -> Made | None:
    contents = [_content(uri, storage) for uri in uris]
    try:
        return label_of(contents, kind=job.kind, labels=labels, job_name=job.name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"is no worker response: {error!r}", uri=uris[-1]) from None


def _worker_files(job: DescribedJob, storage: Storage) -> dict[int, list[str]]:
    """Return the answers' files of every object in its last iteration."""
    last: dict[int, tuple[int, list[str]]] = {}
    for stat in storage.list(f"{job.root}/annotations/worker-response/"):
        if match := _WORKERS.search(stat.uri):
            iteration, index = int(match[1]), int(match[2])
            before = last.get(index, (0, []))
            if iteration > before[0]:
                last[index] = (iteration, [stat.uri])
            elif iteration == before[0]:
                before[1].append(stat.uri)
    return {index: uris for index, (_, uris) in last.items()}


def _verify(job: DescribedJob, storage: Storage) -> int:
    """Compare the images that consolidation requests name with the input's lines, by place.

    Raises `DataError` for an image that stands on another line of the input.
    """
    named = {
        _index(entry.get("datasetObjectId"), uri): image
        for uri in _numbered(job, "consolidation-request", storage)
        for entry in _entries(uri, storage)
        if isinstance(image := entry.get("dataObject", {}).get("s3Uri"), str)
    }
    images = set(named.values())
    verified, wrong, present = 0, [], set()
    for i, (number, raw) in enumerate(lines(job.input_uri, storage=storage) if named else ()):
        source = look(raw, attribute=job.attribute, uri=job.input_uri, line=number).source_ref
        verified += named.get(i) == source
        if named.get(i, source) != source:
            wrong.append((number, named[i]))
        if source in images:
            present.add(source)
    for number, image in wrong:
        if image in present:
            raise DataError(
                f"the job labelled {image} as this line; was the manifest changed since?",
                uri=job.input_uri,
                line=number,
            )
    return verified


def _numbered(job: DescribedJob, kind: str, storage: Storage) -> list[str]:
    """Return the files of all iterations, in the order of the numbers: 2 comes before 10."""
    found = [
        (int(match[1]), stat.uri)
        for stat in storage.list(f"{job.root}/{_CONSOLIDATED}/{kind}/")
        if stat.uri.endswith(".json") and (match := _ITERATION.search(stat.uri))
    ]
    return [uri for _, uri in sorted(found)]


def _entries(uri: str, storage: Storage) -> list[dict[str, Any]]:
    """Read a list of objects, as the consolidation's requests and responses are."""
    found = _content(uri, storage)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise DataError("is no list of annotations", uri=uri)
    return found


def _content(uri: str, storage: Storage) -> Any:
    with closing(storage.open(uri)) as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise DataError(f"is no JSON: {error}", uri=uri) from None


def _index(name: object, uri: str) -> int:
    """Read an object's id, which is its place in the input manifest."""
    if isinstance(name, int) or (isinstance(name, str) and name.isascii() and name.isdigit()):
        return int(name)
    raise DataError(f"{name!r} is no object's place in the input manifest", uri=uri)


def _label(content: object, attribute: str) -> bytes | None:
    """Return label and metadata as JSON; None where a response has none."""
    if not isinstance(content, dict) or content.get(attribute) is None:
        return None
    metadata = content.get(attribute + SUFFIX)
    if not isinstance(metadata, dict) or "type" not in metadata:
        return None
    return msgspec.json.encode([content[attribute], metadata])


_pair: Callable[[bytes], tuple[Any, Any]] = msgspec.json.Decoder(
    tuple[msgspec.Raw, msgspec.Raw]
).decode
