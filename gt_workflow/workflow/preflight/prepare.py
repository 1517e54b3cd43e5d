"""What a launch touches, read from its plan or, before there is one, from the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gt_workflow.config import Settings
from gt_workflow.core import limits
from gt_workflow.core.access.touched import ANY_JOB, Access, access_of
from gt_workflow.core.access.touched import folders as folders_of
from gt_workflow.core.problems import Problem
from gt_workflow.ports import Folders, Storage
from gt_workflow.workflow.launch import LaunchPlan
from gt_workflow.workflow.preflight.checks.asked import Preflight
from gt_workflow.workflow.sources import gather, is_manifest
from gt_workflow.workflow.specify import Place


def in_place(source: str, *, storage: Storage, folders: Folders) -> tuple[str, ...]:
    """Return the `s3://` folders of photographs that a job may read where they are.

    Raises `DataError` and `StorageError` for a source that is a manifest and cannot be read.
    """
    if is_manifest(source):
        found = gather(
            source,
            storage=storage,
            folders=folders,
            exclude=(),
            looks_like_photograph=lambda _name: True,
        )
        uris = (candidate.where for candidate in found.candidates)
        return folders_of(uri for uri in uris if uri.startswith("s3://"))
    return (f"{source.rstrip('/')}/",) if source.startswith("s3://") else ()


def of_settings(
    settings: Settings,
    place: Place,
    *,
    photographs: Sequence[str] = (),
    jobs: Sequence[str] = (),
    training: bool = False,
) -> Preflight:
    """Return what launches with these settings touch; `jobs` narrows it to jobs of these names.

    `photographs` are folders of photographs that stay where they are. `place` may name the role
    and the team instead of giving their ARNs. With `training`, training jobs run as the role,
    too: they read the channels and write models.
    """
    base = place.base
    own = (f"{base}images/",)
    images = (*own, *photographs)
    files = tuple(f"{base}jobs/{name}/" for name in jobs) or (f"{base}jobs/",)
    output = tuple(f"{base}output/{name}/" for name in jobs) or (f"{base}output/",)
    channels = tuple(_channels(settings, base, jobs))
    models = tuple(_models(settings, channels)) if training else ()
    return Preflight(
        access=Access(
            region=place.region,
            account=place.account,
            role_arn=place.role_arn,
            reads=tuple(sorted({*images, *files, *(channels if training else ())})),
            writes=(*output, *models),
            uploads=(*own, *files, *models),
            channels=channels,
            workteam_arn=place.workteam_arn,
            job_names=tuple(jobs) or (ANY_JOB,),
            output_kms_key=settings.job.kms_key,
            volume_kms_key=settings.auto_label.volume_kms_key,
            training_kms_key=settings.training.kms_key if training else "",
            auto_label=settings.auto_label.enabled,
            vpc=bool(settings.auto_label.subnets),
            tags=bool(settings.job.tags),
            training=training,
            mend=settings.aws.fix,
        ),
        images=images,
        public_anyway=settings.aws.public_anyway,
        adopts=True,
        fix=settings.aws.fix,
    )


def of_launch(planned: LaunchPlan, settings: Settings, place: Place) -> Preflight:
    """Return what one launch touches, and what is known of its photographs."""
    seen = planned.ingest
    requests = tuple(job.request for job in planned.jobs)
    images = tuple(sorted({photograph.uri for photograph in seen.photographs}))
    own = (f"{seen.settings.images.rstrip('/')}/", f"{planned.record_uri.rpartition('/')[0]}/")
    return Preflight(
        access=access_of(
            requests,
            images=images,
            uploads=own,
            channels=_channels(settings, place.base, (planned.name,)),
            account=place.account,
            mend=settings.aws.fix,
        ),
        images=images,
        requests=requests,
        objects=tuple(job.count for job in planned.jobs),
        problems=tuple(_too_large(planned, automated=settings.auto_label.enabled)),
        left_out=tuple(Problem("photograph", one.name, one.reason) for one in seen.rejected),
        public_anyway=settings.aws.public_anyway,
        adopts=True,
        fix=settings.aws.fix,
    )


def _too_large(planned: LaunchPlan, *, automated: bool) -> Iterator[Problem]:
    """Yield what is wrong with the images as they will be stored."""
    for image in planned.ingest.photographs:
        for problem in limits.check_image(
            size=image.size, width=image.width, height=image.height, automated=automated
        ):
            yield Problem(problem.code, image.photograph, problem.message)


def _channels(settings: Settings, base: str, jobs: Iterable[str]) -> Iterator[str]:
    """Yield where channels go, if that is in the account."""
    if settings.channels.out.startswith("s3://"):
        yield f"{settings.channels.out.rstrip('/')}/"
    elif not settings.channels.out:
        yield from ([f"{base}channels/{name}/" for name in jobs] or [f"{base}channels/"])


def _models(settings: Settings, channels: Iterable[str]) -> Iterator[str]:
    """Yield where training jobs write: where the settings want it, else beside the channels."""
    if settings.training.output:
        yield f"{settings.training.output.rstrip('/')}/"
    else:
        yield from channels
