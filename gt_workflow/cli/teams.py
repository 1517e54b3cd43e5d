"""`teams` and `workers`: parse is over, so wire, make one call into a stage, and print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from gt_workflow import wiring
from gt_workflow.cli import following, show
from gt_workflow.config import Settings
from gt_workflow.ports import WorkTeams
from gt_workflow.workflow import contributions
from gt_workflow.workflow import teams as stage


def list_teams(settings: Settings, *, members: bool, as_json: bool) -> None:
    """Print one's own teams and the vendors'."""
    wiring.require_root(settings)
    with _teams(settings) as (teams, _):
        own, vendors = list(teams.list()), list(teams.subscribed())
        inside = {team.name: list(teams.members(team)) for team in own} if members else {}
    if as_json:
        listed = [
            {
                "name": team.name,
                "arn": team.arn,
                "workforce": "vendor" if team in vendors else "private",
                "description": team.description,
                "title": team.title or None,
                "seller": team.seller or None,
                "portal": team.portal or None,
            }
            | (
                {
                    "members": [
                        {"name": one.name, "id": one.id, "status": one.status or None}
                        for one in inside[team.name]
                    ]
                }
                if team in own and members
                else {}
            )
            for team in (*own, *vendors)
        ]
        show.data({"teams": listed})
        return
    for team in own:
        show.line(f"{team.name}  private  {team.description}")
        for one in inside.get(team.name, ()):
            show.line(f"  {one.name}{f'  ({one.status})' if one.status else ''}")
    for team in vendors:
        show.line(f"{team.title or team.name}  vendor  {team.seller}  {team.arn}")
    if not own and not vendors:
        show.note("there are no work teams yet; make one with: teams create NAME")


def create(
    settings: Settings,
    name: str,
    *,
    description: str,
    members: Sequence[str],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Create a team and let its first members in."""
    if dry_run:
        wiring.require_root(settings)  # a look at it must not make one
    with _teams(settings) as (teams, unserved):
        planned = stage.plan_create(name, description=description, members=members, teams=teams)
        _carry_out(planned, teams, dry_run=dry_run, unserved=unserved, as_json=as_json)


def add(
    settings: Settings, name: str, members: Sequence[str], *, dry_run: bool, as_json: bool
) -> None:
    """Let people in."""
    wiring.require_root(settings)
    with _teams(settings) as (teams, unserved):
        planned = stage.plan_add(name, members=members, teams=teams)
        _carry_out(planned, teams, dry_run=dry_run, unserved=unserved, as_json=as_json)


def remove(
    settings: Settings, name: str, members: Sequence[str], *, dry_run: bool, as_json: bool
) -> None:
    """Take people out."""
    wiring.require_root(settings)
    with _teams(settings) as (teams, unserved):
        planned = stage.plan_remove(name, members=members, teams=teams)
        _carry_out(planned, teams, dry_run=dry_run, unserved=unserved, as_json=as_json)


@contextmanager
def _teams(settings: Settings) -> Iterator[tuple[WorkTeams, str]]:
    """Open the backend's work teams; the text says how to serve them, if nobody does yet."""
    with wiring.backend(settings) as running:
        yield wiring.work_teams(running), show.command(settings) if running.hosting else ""


def _carry_out(
    planned: stage.TeamPlan, teams: WorkTeams, *, dry_run: bool, unserved: str, as_json: bool
) -> None:
    """Do what is planned, or say what it would be."""
    if dry_run:
        _tell_plan(planned, as_json=as_json)
        return
    done = stage.run(planned, teams=teams)
    if as_json:
        show.data(done.to_dict())
    else:
        _tell(done, planned)
    if unserved and done.added:
        show.note(f"nobody serves this folder yet: {unserved}")


def _tell_plan(planned: stage.TeamPlan, *, as_json: bool) -> None:
    if as_json:
        show.data(planned.to_dict())
        return
    if planned.workforce:
        show.line("would make the region's private workforce, with a Cognito user pool")
    if planned.team is None:
        show.line(f"would create the work team {planned.name}: {planned.description}")
    for member in planned.add:
        again = ", who is in it already" if member in planned.already else ""
        show.line(f"would add {member} to {planned.name}{again}")
    for member in planned.remove:
        show.line(f"would take {member} out of {planned.name}")


def _tell(done: stage.TeamReceipt, planned: stage.TeamPlan) -> None:
    if done.created:
        show.line(f"created the work team {done.team.arn}")
    for one in done.added:
        again = " again" if one.member in planned.already else ""
        if one.page:
            show.line(f"added {one.member}{again}; a personal link to the worker page: {one.page}")
        else:
            show.line(f"added {one.member}{again}")
    if done.team.portal and any(not one.page for one in done.added):
        show.note(f"who is new gets an e-mail with a password, and signs in at {done.team.portal}")
    for member in done.removed:
        show.line(f"took {member} out of {done.team.name}")
    for member in done.absent:
        show.note(f"{member} was not in {done.team.name}")


def workers(settings: Settings, jobs: Sequence[str], *, names: bool, as_json: bool) -> None:
    """Print each worker's share of one or several jobs."""
    wiring.require_root(settings)
    with (
        show.Narrator() as narrator,
        wiring.local(settings, writes=False) as wired,
        wiring.backend(settings) as running,
    ):
        described = [
            running.ground_truth.describe(job)
            for job in jobs or [following.newest(running.ground_truth)]
        ]
        shares = contributions.report(
            [contributions.source(one) for one in described],
            storage=wired.storage,
            engine=wired.engine,
            progress=narrator,
        )
        golden = _gold([running.gold(one["LabelingJobArn"]) for one in described])
        known = running.worker_names()
        if names:
            known |= _members(described, wiring.work_teams(running))
    called = {one.worker: known.get(one.worker) or known.get(one.subject) for one in shares}
    shares.sort(key=lambda one: (-one.tasks, called[one.worker] or one.worker))
    if as_json:
        show.data(
            {
                "jobs": [one["LabelingJobName"] for one in described],
                "workers": [
                    {"name": called[one.worker]}
                    | show.hyphened(asdict(one))
                    | _gold_json(golden.get(one.worker))
                    for one in shares
                ],
            }
        )
        return
    for one in shares:
        told = [*_share(one)]
        if one.worker in golden:
            answered, accuracy = golden[one.worker]
            told.append(f"{accuracy:.0%} right on {show.count(answered, 'gold question')}")
        show.line(f"{called[one.worker] or one.worker}: {'; '.join(told)}")
    if not shares:
        show.note("there are no answers yet; they are written batch by batch")


def _gold(by_job: Sequence[Mapping[str, tuple[int, float]]]) -> dict[str, tuple[int, float]]:
    """Put the gold questions of several jobs together, by worker id."""
    found: dict[str, tuple[int, float]] = {}
    for one in by_job:
        for worker, (answered, accuracy) in one.items():
            before, mean = found.get(worker, (0, 0.0))
            total = before + answered
            found[worker] = total, (before * mean + answered * accuracy) / total
    return found


def _gold_json(known: tuple[int, float] | None) -> dict[str, Any]:
    return {} if known is None else {"gold": {"answered": known[0], "accuracy": round(known[1], 4)}}


def _share(one: contributions.Share) -> Iterator[str]:
    """Say what one worker did, as far as it is known."""
    boxes = "1 box" if one.boxes == 1 else f"{one.boxes} boxes"
    yield f"{boxes} on {show.count(one.tasks, 'photograph')}"
    if one.median_seconds is not None and one.per_hour is not None:
        yield f"median {one.median_seconds:.1f} s, {one.per_hour:.0f} photographs an hour"
    if one.mean_iou is not None and one.matched is not None and one.found is not None:
        yield (
            f"IoU {one.mean_iou:.3f} to the label, {one.matched:.0%} of the boxes matched, "
            f"{one.found:.0%} of the label's found"
        )


def _members(described: Sequence[Mapping[str, Any]], teams: WorkTeams) -> dict[str, str]:
    """Return the names of the jobs' private teams' members by the id in their answers."""
    found: dict[str, str] = {}
    for arn in {str(one["HumanTaskConfig"]["WorkteamArn"]) for one in described}:
        team = teams.find(arn.rpartition("/")[2])
        if team is not None and team.arn == arn:
            found |= {member.id: member.name for member in teams.members(team)}
    return found
