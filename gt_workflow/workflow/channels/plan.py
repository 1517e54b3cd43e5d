"""What `convert` is asked, what it will do and what it did: settings, plan, receipt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict, replace

from gt_workflow.config import FORMS, Form
from gt_workflow.core.near_duplicates import FURTHEST, NEAR, OFF, Alike
from gt_workflow.core.split import SIDES, Side
from gt_workflow.errors import UsageError
from gt_workflow.workflow.channels import receipts
from gt_workflow.workflow.channels.labels import ChannelClass
from gt_workflow.workflow.channels.samples import Rules
from gt_workflow.workflow.channels.survey import SideCounts, Survey, side_of


def check_distance(bits: int) -> None:
    """Raise `UsageError` for a distance at which nothing can be told to be alike."""
    if not (bits == OFF or 0 <= bits <= FURTHEST):
        raise UsageError(
            f"distance: from 0 to {FURTHEST} bits of a perceptual hash, or {OFF} for no "
            f"near-duplicates, not {bits}"
        )


class Source(Struct, frozen=True):
    """A manifest to convert; all its lines are of the `side`, if there is one."""

    uri: str
    side: Side | None = None


class ConvertSettings(Struct, frozen=True):
    """What to convert, into what, and what to do with what does not fit.

    `manifest` and `out` are paths or `s3://` addresses. `attribute` is needed only where several
    jobs labelled the same lines. `validation` is the share of origins, `salt` makes another split;
    photographs whose perceptual hashes differ in at most `distance` bits are on one side (-1: each
    by itself). With `held_out`, a second manifest, no side is drawn: its lines are validation, and
    those of `manifest` train.
    `classes` fixes names and order of the classes, so that their ids stay what an older model has
    learnt. Lines and images that cannot be used stop the run, or are left out and reported.
    `keep_empty="validation"` keeps images with nothing on them there, in RecordIO alone.
    `min_side` is in pixels, at least 1. `other_modes="pass"` packs CMYK, 16-bit and transparent
    images as they are; MXNet makes three channels of them. `images="trust"` writes manifests
    without looking at the images that they name; the other forms read theirs in any case.
    `upload_to` is where a local `out` will be copied, for the request blocks.
    """

    manifest: str
    out: str
    attribute: str | None = None
    forms: tuple[Form, ...] = FORMS
    validation: float = 0.2
    salt: str = ""
    distance: int = NEAR
    classes: tuple[str, ...] | None = None
    on_bad_line: Literal["stop", "skip"] = "stop"
    keep_empty: Literal["drop", "validation"] = "drop"
    min_side: float = 1.0
    order: Literal["shuffled", "manifest"] = "shuffled"
    other_modes: Literal["refuse", "pass"] = "refuse"
    images: Literal["check", "trust"] = "check"
    upload_to: str | None = None
    held_out: str | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense; UsageError names the setting."""
        if not self.out.rstrip("/"):
            raise UsageError("out: name a folder or an s3:// prefix")
        if not self.forms or len(set(self.forms)) < len(self.forms) or set(self.forms) - set(FORMS):
            raise UsageError(f"forms: choose from {', '.join(FORMS)}, each once")
        if not 0 < self.validation < 1:
            raise UsageError("validation: a share between 0 and 1; training needs both channels")
        check_distance(self.distance)
        if not self.min_side >= 1:
            raise UsageError("min_side: at least 1 pixel; detectors drop smaller boxes unseen")
        if self.classes is not None and (
            not self.classes or len(set(self.classes)) < len(self.classes)
        ):
            raise UsageError("classes: name at least one, each once")
        if self.upload_to is not None and not self.upload_to.startswith("s3://"):
            raise UsageError("upload_to: an s3:// address")

    @property
    def folder(self) -> str:
        """`out` without a slash at its end."""
        return self.out.rstrip("/")

    @property
    def manifests(self) -> dict[Side, str]:
        """The manifest of each side, where each has one."""
        if self.held_out is None:
            return {}
        return {"train": self.manifest, "validation": self.held_out}

    @property
    def sources(self) -> tuple[Source, ...]:
        """The manifest, or both."""
        found = tuple(Source(uri, side) for side, uri in self.manifests.items())
        return found or (Source(self.manifest),)

    def rules(self, source: Source, *, moved: Mapping[str, Side], alike: Alike) -> Rules:
        """Return what decides about a line, once it is known which origins change sides."""
        share = self.validation if source.side is None else float(source.side == "validation")
        return Rules(
            min_side=self.min_side,
            keep_empty=self.keep_empty == "validation",
            order=self.order,
            salt=self.salt,
            side_of=partial(side_of, moved=moved, validation=share, salt=self.salt, alike=alike),
            manifest=None if source.side is None else source.uri,
        )

    @property
    def base(self) -> str:
        """The address under which a training job will read the channels."""
        if self.upload_to is not None:
            return self.upload_to.rstrip("/")
        return self.folder if self.out.startswith("s3://") else receipts.PLACEHOLDER


class ConvertPlan(Struct, frozen=True):
    """What a run will do; counts are of the manifest, before any image has been looked at."""

    settings: ConvertSettings
    manifest_sha256: str
    attribute: str
    survey: Survey
    warnings: tuple[str, ...]
    held_out_sha256: str = ""

    @property
    def classes(self) -> tuple[ChannelClass, ...]:
        """The channel's classes, in the order of their ids."""
        return self.survey.classes

    @property
    def label_width(self) -> int:
        """Floats of the widest label on either side."""
        return receipts.label_width(self.survey.sides.values())

    def counts(self, side: Side) -> SideCounts:
        """Return what one side's channel will hold."""
        counts = self.survey.sides[side]
        keeps = self.settings.keep_empty == side and "recordio" in self.settings.forms
        return counts if keeps else replace(counts, without_boxes=0)

    @property
    def hashes(self) -> int | None:
        """Images whose perceptual hashes were compared, None if none were to be."""
        drawn = self.settings.held_out is None and self.settings.distance != OFF
        return self.survey.alike.compared if drawn else None

    def counts_of_lines(self) -> dict[str, Any]:
        """Give the counts of lines and boxes for JSON."""
        return self.survey.to_dict() | {"perceptual_hashes": self.hashes}

    def rules(self, source: Source) -> Rules:
        """Return what decides about a line of a source."""
        return self.settings.rules(source, moved=self.survey.moved, alike=self.survey.alike)

    @property
    def sources(self) -> tuple[tuple[Source, str], ...]:
        """The manifests, with the SHA-256 of each."""
        digests = (self.manifest_sha256, self.held_out_sha256)
        return tuple(zip(self.settings.sources, digests, strict=False))

    def inputs(self) -> dict[str, str]:
        """Name the manifests and their digests, for reports and receipts."""
        found = {"manifest": self.settings.manifest, "manifest_sha256": self.manifest_sha256}
        if self.settings.held_out is not None:
            found["validation_manifest"] = self.settings.held_out
            found["validation_manifest_sha256"] = self.held_out_sha256
        return found

    def recorded_settings(self) -> dict[str, Any]:
        """Give the settings that decide about what a channel holds."""
        settings = asdict(self.settings)
        drawn = self.settings.held_out is None
        for name in ("manifest", "out", "forms", "upload_to", "held_out"):
            del settings[name]
        if not drawn or self.settings.distance == NEAR:  # as it was before there was a choice
            del settings["distance"]
        if not drawn:
            del settings["validation"]
        return settings

    def digest(self, form: Form) -> str:
        """Hash what decides about a form's bytes."""
        held_out = {"held_out": self.held_out_sha256} if self.held_out_sha256 else {}
        return receipts.digest_of(
            {
                **self.recorded_settings(),
                "form": form,
                "base": self.settings.base,
                "manifest": self.manifest_sha256,
                **held_out,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the plan for JSON."""
        return {
            **self.inputs(),
            "attribute": self.attribute,
            "forms": list(self.settings.forms),
            "out": self.settings.folder,
            "classes": [entry.to_dict() for entry in self.classes],
            "lines": self.counts_of_lines(),
            **{side: self.counts(side).to_dict(self.classes) for side in SIDES},
            "label_width": self.label_width,
            "warnings": list(self.warnings),
        }


class ConvertReceipt(Struct, frozen=True):
    """What a run did: each form's `channel.json`, and which forms stood already."""

    out: str
    channels: tuple[dict[str, Any], ...]
    unchanged: tuple[Form, ...]
    report: str | None
    warnings: tuple[str, ...]
    refused: int = 0
    left_out: int = 0  # entries of the report: lines, boxes and images
    near_duplicates: int = 0  # photographs kept on one side with others that look like them
    leaks_prevented: int = 0  # those of them that would be validated beside one in train
    hashes: int | None = None  # perceptual hashes compared, None if none was to be

    def to_dict(self) -> dict[str, Any]:
        """Give the receipt for JSON; `report` is absent if nothing had to be done."""
        found = {
            "out": self.out,
            "channels": {
                channel["form"]: receipts.receipt_uri(self.out, channel["form"])
                for channel in self.channels
            },
            "images": {
                channel["form"]: {side: channel[side]["images"] for side in SIDES}
                for channel in self.channels
            },
            "unchanged": list(self.unchanged),
            "images_refused": self.refused,
            "near_duplicates": self.near_duplicates,
            "leaks_prevented": self.leaks_prevented,
            "perceptual_hashes": self.hashes,
            "warnings": list(self.warnings),
        }
        return found if self.report is None else {**found, "report": self.report}
