"""`launch`: plan, carry out, follow, convert, and tell what came of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gt_workflow import wiring
from gt_workflow.adapters.account import AwsAccount
from gt_workflow.cli import augment, findings, show
from gt_workflow.cli.options import read_instructions, require_source
from gt_workflow.config import Settings
from gt_workflow.core.cost import dollars
from gt_workflow.errors import (
    DataError,
    InterruptedByUserError,
    JobFailedError,
    StorageError,
    UsageError,
)
from gt_workflow.workflow import contributions, convert, follow, templates
from gt_workflow.workflow import launch as stage
from gt_workflow.workflow.preflight import doctor, prepare
from gt_workflow.workflow.specify import MODEL_PREFIX

if TYPE_CHECKING:
    from gt_workflow.core.truth import Truth


def write_settings_file(path: Path, filled: Callable[[str], str], *, as_json: bool) -> None:
    """Write the commented settings file, `filled` with the flags; never over one that is there."""
    text = filled(templates.load(templates.SETTINGS))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already; nothing was written") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    show.note(f"wrote {path}; edit it, then: python -m gt_workflow launch")
    if as_json:
        show.data({"settings": str(path)})


def dry_run(settings: Settings, *, as_json: bool) -> None:
    """Print the plan; nothing is created."""
    augment.check(settings)
    with show.Narrator() as narrator, wiring.local(settings, writes=False) as wired:
        planned = plan(settings, wired, narrator)
    originals = sum(not one.variant for one in planned.ingest.photographs)
    grows = augment.of_launch(settings, originals)
    if as_json:
        show.data(planned.to_dict() | ({} if grows is None else {"augment": grows}))
        return
    _tell_photographs(planned)
    for job in planned.jobs:
        show.line(f"labeling job {job.name} (not created): {show.count(job.count, 'object')}")
    show.line(
        f"channels: {wired.path(planned.channels_uri)} ({', '.join(settings.channels.forms)})"
    )
    if grows is not None:
        show.line(
            f"augmentation: {show.count(grows['variants-of-each'], 'variant')} of each labelled "
            f"photograph on the train side, about {show.count(grows['images-about'], 'image')}"
        )
    show.line(f"cost: {_cost(settings, planned)}")
    show.line("request:")
    show.data(planned.request)


def launch(settings: Settings, *, waits: bool, as_json: bool) -> None:
    """Carry the main job out, or as much of it as has not been done yet."""
    augment.check(settings)
    with show.Narrator() as narrator, wiring.local(settings) as wired:
        planned = plan(settings, wired, narrator)
        _tell_photographs(planned)
        stage.check_channels(planned.channels_uri, storage=wired.storage)
        simulated = settings.workers.kind == "simulated"
        known = wiring.truth(settings, wired=wired) if simulated else None
        with wiring.backend(settings) as running:
            new = _create(settings, planned, wired, running, narrator)
            if not waits:
                _tell_created(settings, planned, new=new, as_json=as_json)
                return
            try:
                ends = [
                    _follow(settings, planned, at, wired, running, narrator, known)
                    for at in range(len(planned.jobs))
                ]
            except KeyboardInterrupt:
                raise InterruptedByUserError(
                    f"interrupted; labeling job {planned.name} is kept with all its answers. Go on "
                    "with the same command" + ("" if running.address == "" else _or_serve(settings))
                ) from None
        names = running.worker_names()
        end = stage.together(planned, ends)
        converting, result, grown = _finish(settings, wired, planned, ends, narrator)
        by_worker = _contributions(ends, names, wired)
    summary = {"job": end.to_dict(), "workers": by_worker, "channels": show.receipt(result)}
    if as_json:
        show.data(summary | ({} if grown is None else {"augment": grown.to_dict()}))
        return
    _tell_end(end, ends, by_worker, wired)
    if grown is not None:
        augment.tell(grown)
    show.channels(result, wired.path, lines=converting.survey.lines)
    if grown is not None:
        augment.tell_place(converting.settings)


def _create(
    settings: Settings,
    planned: stage.LaunchPlan,
    wired: wiring.Local,
    running: wiring.Backend,
    narrator: show.Narrator,
) -> bool:
    """Create what is not there, once its cost is agreed to; return whether anything is new."""
    if settings.backend == "aws" and stage.missing(
        planned, storage=wired.storage, ground_truth=running.ground_truth
    ):
        _preflight(settings, planned, wired)
        _agree(settings, planned)
    new = stage.run(
        planned,
        storage=wired.storage,
        engine=wired.engine,
        images=wired.images,
        folders=wired.folders,
        ground_truth=running.ground_truth,
        progress=narrator,
    )
    _tell_report(planned, wired)
    for job in planned.jobs:
        now = follow.look(job.name, ground_truth=running.ground_truth, clock=wired.clock)
        there = "was done already" if now.over else "was there; going on with it"
        show.note(f"labeling job {job.name} {'created' if new else there}")
    return new


def _preflight(settings: Settings, planned: stage.LaunchPlan, wired: wiring.Local) -> None:
    """Ask the account for everything that would break the jobs; nothing is created meanwhile."""
    account = AwsAccount(wiring.account(settings))
    found = doctor.check(prepare.of_launch(planned, settings, wired.place), account=account)
    for text in findings.lines(one for one in found if one.severity != "ok"):
        show.note(text)
    doctor.refuse(found)


def _agree(settings: Settings, planned: stage.LaunchPlan) -> None:
    """Tell the cost; above the limit, a person at the terminal may agree, and nobody else."""
    show.note(f"cost: {_cost(settings, planned)}")
    if not settings.cost.max:
        return
    most = dollars(settings.cost.max, setting="--max-cost (cost.max)")
    if planned.cost.total <= most:
        return
    refusal = (
        f"the launch may cost {planned.cost.total} USD, more than --max-cost {most}; nothing was "
        "created"
    )
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(refusal)
    show.note(f"that is more than --max-cost {most}. Create it all the same? Type yes:")
    if sys.stdin.readline().strip().lower() != "yes":
        raise UsageError(refusal)


def _cost(settings: Settings, planned: stage.LaunchPlan) -> str:
    if settings.backend == "embedded":
        return (
            f"{show.count(planned.cost.tasks, 'task')}, {planned.cost.total} USD (your own service)"
        )
    return (
        f"{planned.cost.total} USD: {planned.cost.service} for "
        f"{show.count(planned.cost.objects, 'object')}, {planned.cost.workers} for "
        f"{show.count(planned.cost.tasks, 'task')} (prices: [cost] in gt.toml)"
    )


def _or_serve(settings: Settings) -> str:
    return f", or let workers go on with: {show.command(settings)}"


def plan(settings: Settings, wired: wiring.Local, narrator: show.Narrator) -> stage.LaunchPlan:
    """Plan a launch, with what lies behind the settings' names; tell its warnings."""
    require_source(settings.photographs)
    begun = settings.auto_label.start_from
    if begun and not begun.startswith(MODEL_PREFIX):
        with wiring.backend(settings) as running:
            model = stage.model_of(begun, running.ground_truth)
        automation = msgspec.structs.replace(settings.auto_label, start_from=model)
        settings = msgspec.structs.replace(settings, auto_label=automation)
    planned = stage.plan(
        settings,
        place=wired.place,
        instructions=read_instructions(settings.job.instructions),
        storage=wired.storage,
        engine=wired.engine,
        images=wired.images,
        folders=wired.folders,
        progress=narrator,
    )
    for warning in planned.warnings:
        show.note(f"warning: {warning}")
    return planned


@contextmanager
def _labelers(
    settings: Settings,
    wired: wiring.Local,
    running: wiring.Backend,
    name: str,
    known: Truth | None,
) -> Iterator[Any]:
    """Let simulated workers begin, or tell people where to; yields what raises their errors."""
    if known is None:
        if not follow.look(name, ground_truth=running.ground_truth, clock=wired.clock).over:
            where = (
                running.page("me", role="admin") if running.address else "your work team's portal"
            )
            show.note(f"draw the boxes here: {where}")
            show.note("Ctrl-C is safe: the job stays, and the same command goes on with it")
        yield lambda: None
        return
    halted = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(
            wiring.simulate,
            settings,
            known=known,
            wired=wired,
            running=running,
            job_name=name,
            halted=halted,
        )
        try:
            yield lambda: work.result() if work.done() else None
        finally:
            halted.set()


def _follow(  # noqa: PLR0917 - the ports of a launch
    settings: Settings,
    planned: stage.LaunchPlan,
    at: int,
    wired: wiring.Local,
    running: wiring.Backend,
    narrator: show.Narrator,
    known: Truth | None,
) -> follow.Snapshot:
    """Wait for a job's end; simulated workers do it meanwhile, if there are any."""
    name, number = planned.jobs[at].name, len(planned.jobs)
    which = f"job {at + 1} of {number}" if number > 1 else ""
    with _labelers(settings, wired, running, name, known) as check:

        def told(now: follow.Snapshot, left: Any) -> None:
            check()
            narrator.job(now, left, which=which)

        return follow.wait(
            name,
            ground_truth=running.ground_truth,
            clock=wired.clock,
            told=told,
            said=show.note,
            longest=2.0 if running.address else 60.0,
        )


def _finish(
    settings: Settings,
    wired: wiring.Local,
    planned: stage.LaunchPlan,
    ends: list[follow.Snapshot],
    narrator: show.Narrator,
) -> tuple[convert.ConvertPlan, convert.ConvertReceipt, augment.Done | None]:
    """Write the channels from the jobs' output, and the variants that they are to hold."""
    end = stage.together(planned, ends)
    outputs = [one.output_uri for one in ends if one.output_uri is not None]
    another = "begin another job with the same command and --name NEW"
    if len(outputs) < len(ends) or not end.human + end.machine:
        stopped = "was stopped before anything was labelled"
        ended = stopped if end.status == "Stopped" else "is over, and nothing was labelled"
        raise JobFailedError(f"labeling job {end.name} {ended}; {another}")
    try:
        chosen = convert.ConvertSettings(
            manifest=stage.merge(planned, outputs, storage=wired.storage),
            out=planned.channels_uri,
            attribute=settings.job.attribute,
            forms=settings.channels.forms,
            validation=settings.channels.validation,
            salt=settings.channels.salt,
            images=settings.channels.images,
            distance=settings.channels.distance,
        )
        converting = convert.plan(
            chosen, storage=wired.storage, progress=narrator, engine=wired.counting
        )
    except DataError as error:
        if end.status == "Stopped":
            raise JobFailedError(
                f"labeling job {end.name} was stopped with {end.human + end.machine} of "
                f"{end.total} labelled, too few for channels ({error.reason}); {another}"
            ) from None
        raise
    growing = augment.of_channels(
        settings, chosen.manifest, out=chosen.out, attribute=chosen.attribute
    )
    grown = None
    try:
        if growing is not None:
            grown = augment.before_channels(growing, wired, narrator, channels=chosen.folder)
            chosen = msgspec.structs.replace(chosen, manifest=grown.receipt.manifest)
            converting = convert.plan(
                chosen, storage=wired.storage, progress=narrator, engine=wired.counting
            )
        result = convert.run(
            converting, storage=wired.storage, progress=narrator, engine=wired.packing
        )
    except StorageError as error:
        raise StorageError(
            f"{error.reason}; the labels are safe, and the same command goes on from them, "
            "with another --out if need be",
            uri=error.uri,
        ) from error
    return converting, result, grown


def _tell_photographs(planned: stage.LaunchPlan) -> None:
    """Say what becomes of the photographs, with the reason for each that is left out."""
    counts = planned.ingest.counts()
    told = (
        (counts["converted"], f"{counts['converted']} of them converted"),
        (counts["in-place"], f"{counts['in-place']} labelled where they are"),
        (counts["duplicates"], show.count(counts["duplicates"], "duplicate")),
        (counts["rejected"], f"{counts['rejected']} rejected"),
        (counts["skipped"], f"{show.count(counts['skipped'], 'other file')} skipped"),
    )
    others = [text for number, text in told if number]
    show.note(", ".join((show.count(counts["photographs"], "photograph"), *others)))
    if any(entry.kept for entry in planned.ingest.duplicates):
        show.note("  duplicates are labelled like all others; --duplicates drop leaves them out")
    for entry in planned.ingest.rejected[:20]:
        show.note(f"  rejected {entry.name}: {entry.reason}")
    if len(planned.ingest.rejected) > 20:
        show.note(f"  and {len(planned.ingest.rejected) - 20} more, all in the report")


def _tell_report(planned: stage.LaunchPlan, wired: wiring.Local) -> None:
    """Name the report, if it tells more than that all is well."""
    counts = planned.ingest.counts()
    if counts["rejected"] or counts["converted"]:
        report = wired.path(planned.ingest.settings.report)
        show.note(f"what became of each photograph: {report}")


def _contributions(
    ends: list[follow.Snapshot], names: dict[str, str], wired: wiring.Local
) -> dict[str, dict[str, int]]:
    """Return tasks and boxes of each worker over all jobs, by name."""
    found: dict[str, dict[str, int]] = {}
    for end in ends:
        drawn = contributions.count(end.output_uri or "", storage=wired.storage)
        for worker, tasks in drawn.tasks.items():
            did = found.setdefault(names.get(worker, worker), {"tasks": 0, "boxes": 0})
            did["tasks"] += tasks
            did["boxes"] += drawn.boxes[worker]
    return dict(sorted(found.items()))


def _tell_created(
    settings: Settings, planned: stage.LaunchPlan, *, new: bool, as_json: bool
) -> None:
    names = [job.name for job in planned.jobs]
    if as_json:
        show.data({"job": planned.name, "jobs": names, "created": new})
    else:
        for name in names:
            show.line(name)
    if settings.backend == "embedded":
        show.note(f"people label with: {show.command(settings)}")
    show.note(f"follow with: {show.command(settings, 'status', names[0])}")


def _tell_end(
    end: follow.Snapshot,
    ends: list[follow.Snapshot],
    by_worker: dict[str, dict[str, int]],
    wired: wiring.Local,
) -> None:
    """Tell who labelled how much, and where the labels are."""
    simulated = any(worker.startswith("simulated-") for worker in by_worker)
    show.line(
        f"labeling job {end.name} {end.status}: {end.human} by "
        f"{'workers' if simulated else 'people'}, {end.machine} by machine, "
        f"{end.failed} failed, {end.left} not reached"
    )
    for one in ends:
        show.line(f"output manifest: {wired.path(one.output_uri or '')}")
    show.line(
        "boxes drawn: "
        + ", ".join(
            f"{worker} {did['boxes']} on {show.count(did['tasks'], 'photograph')}"
            for worker, did in by_worker.items()
        )
    )
