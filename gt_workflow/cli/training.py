"""`train` and `tune`: plan, create or adopt the job, follow it, say where the model is."""

from __future__ import annotations

from dataclasses import dataclass

from gt_workflow import wiring
from gt_workflow.adapters.training import SageMakerTraining
from gt_workflow.cli import show
from gt_workflow.config import FORMS, Form, Settings
from gt_workflow.errors import InterruptedByUserError, JobFailedError, UsageError
from gt_workflow.workflow.training import follow
from gt_workflow.workflow.training import train as stage
from gt_workflow.workflow.training.train import TuneSettings

__all__ = ["Job", "TuneSettings", "dry_run", "form_of", "train", "tune"]


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asked for."""

    settings: Settings
    channel: str
    form: Form | None
    model: str | None = None
    tune: TuneSettings | None = None


def form_of(text: str | None) -> Form | None:
    """Return a form by its name."""
    if text is None:
        return None
    found = next((form for form in FORMS if form == text), None)
    if found is None:
        raise UsageError(f"--form is {', '.join(FORMS)}, not {text!r}")
    return found


def dry_run(job: Job, *, as_json: bool) -> None:
    """Print the plan; nothing is created."""
    if job.model is None or job.model.startswith("s3://"):
        with wiring.local(job.settings, writes=False) as wired:
            planned = _plan(job, wired, job.model)
    else:
        with wiring.local(job.settings) as wired, wiring.backend(job.settings) as running:
            planned = _plan(job, wired, stage.model_of(job.model, training=_training(running)))
    _tell_plan(planned, job.settings)
    if as_json:
        show.data(planned.to_dict())
        return
    kind = "tuning" if planned.is_tuning else "training"
    show.line(f"{kind} job {planned.name} (not created)")
    show.line("request:")
    show.data(planned.request)


def train(job: Job, *, again: bool, waits: bool, as_json: bool) -> None:
    """Create the training job, or adopt it, and follow it."""
    with wiring.local(job.settings) as wired, wiring.backend(job.settings) as running:
        planned, started, training = _start(job, wired, running, again=again)
        if not waits:
            _tell_started(started, planned, as_json=as_json)
            return
        teller = _Teller()
        try:
            end = follow.wait(
                started.name,
                training=training,
                clock=wired.clock,
                told=teller.training,
                trouble=show.note,
            )
        except KeyboardInterrupt:
            raise _interrupted("training", started.name) from None
    if as_json:
        show.data({**end.to_dict(), "new": started.new, "record": started.record_uri})
    else:
        told = "" if end.final_map is None else f", mAP {end.final_map:.4f}"
        show.line(f"training job {end.name}: {end.status}{told}")
        if end.model_uri:
            show.line(f"model: {end.model_uri}")
            show.line(f"its classes: {started.record_uri}")
    if end.status == "Stopped":
        raise JobFailedError(f"training job {end.name} was stopped; --again trains anew")


def tune(job: Job, *, again: bool, waits: bool, as_json: bool) -> None:
    """Create the tuning job, or adopt it, follow it, and write down what its best model learnt."""
    with wiring.local(job.settings) as wired, wiring.backend(job.settings) as running:
        planned, started, training = _start(job, wired, running, again=again)
        if not waits:
            _tell_started(started, planned, as_json=as_json)
            return
        try:
            end = follow.wait_tuning(
                started.name,
                training=training,
                clock=wired.clock,
                told=_Teller().tuning,
                trouble=show.note,
            )
        except KeyboardInterrupt:
            raise _interrupted("hyper-parameter-tuning", started.name) from None
        model = None
        if end.best:
            model = stage.record_best(planned, end.best, end.best_parameters, storage=wired.storage)
    if as_json:
        show.data({**end.to_dict(), "model": model, "new": started.new})
        return
    show.line(f"tuning job {end.name}: {end.status}")
    if end.best:
        score = "" if end.best_map is None else f", mAP {end.best_map:.4f}"
        show.line(f"best training: {end.best}{score}")
        for name, value in end.best_parameters.items():
            show.line(f"  {name} = {value}")
        show.line(f"model: {model}")


def _plan(job: Job, wired: wiring.Local, model: str | None) -> stage.TrainPlan:
    return stage.plan(
        job.settings,
        job.channel,
        place=wired.place,
        storage=wired.storage,
        form=job.form,
        model=model,
        tune=job.tune,
    )


def _start(
    job: Job, wired: wiring.Local, running: wiring.Backend, *, again: bool
) -> tuple[stage.TrainPlan, stage.Started, SageMakerTraining]:
    training = _training(running)
    model = None if job.model is None else stage.model_of(job.model, training=training)
    planned = _plan(job, wired, model)
    _tell_plan(planned, job.settings)
    if job.settings.backend == "embedded":
        show.note(
            "warning: your own service takes the request and trains nothing; --backend aws does"
        )
    started = stage.run(planned, storage=wired.storage, training=training, again=again)
    done = "created" if started.new else "is there; following it"
    show.note(f"{'tuning' if planned.is_tuning else 'training'} job {started.name} {done}")
    return planned, started, training


def _training(running: wiring.Backend) -> SageMakerTraining:
    return SageMakerTraining(running.client("sagemaker"), running.client("logs"))


def _tell_plan(planned: stage.TrainPlan, settings: Settings) -> None:
    """Say what will be trained on what, and how long it may cost."""
    channel, chosen = planned.channel, settings.training
    show.note(
        f"{channel.form} channel, {show.count(channel.samples, 'training image')}, classes: "
        f"{', '.join(channel.classes)}"
    )
    show.note(
        f"{chosen.instance_count} x {chosen.instance_type}, at most {chosen.max_runtime / 3600:g} h"
        f"{' on spot capacity' if chosen.spot else ''}{' each' if planned.is_tuning else ''}"
    )
    for warning in planned.warnings:
        show.note(f"warning: {warning}")


def _tell_started(started: stage.Started, planned: stage.TrainPlan, *, as_json: bool) -> None:
    if as_json:
        show.data({"name": started.name, "new": started.new, "record": started.record_uri})
    else:
        show.line(f"{started.name}: models go to {planned.output}")


def _interrupted(kind: str, name: str) -> InterruptedByUserError:
    return InterruptedByUserError(
        f"interrupted; job {name} goes on and is paid for. The same command follows it again; to "
        f"end it: aws sagemaker stop-{kind}-job --{kind}-job-name {name}"
    )


class _Teller:
    """Tells what is new since the last look."""

    def __init__(self) -> None:
        self._steps = 0
        self._epochs = 0
        self._counts = ""

    def training(self, now: follow.Trained) -> None:
        """Tell new steps and epochs of a training."""
        for step in now.steps[self._steps :]:
            show.note(f"{step.status}{f': {step.message}' if step.message else ''}")
        for place, epoch in enumerate(now.epochs[self._epochs :], self._epochs):
            number = place if epoch.number is None else epoch.number
            show.note(f"epoch {number}: mAP {epoch.mean_average_precision:.4f}")
        self._steps, self._epochs = len(now.steps), len(now.epochs)

    def tuning(self, now: follow.Tuned) -> None:
        """Tell how many trainings of a tuning are where, if that has changed."""
        counts = ", ".join(f"{count} {status}" for status, count in now.counts.items() if count)
        best = "" if now.best_map is None else f"; best mAP so far {now.best_map:.4f}"
        if counts and counts + best != self._counts:
            show.note(f"trainings: {counts}{best}")
            self._counts = counts + best
