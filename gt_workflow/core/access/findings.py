"""What a preflight can find: one table of codes, each with its meaning and its cure.

Codes never change their meaning; a new one takes a new number. Words in capitals in a cure are
filled in from what was found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "ok"]

_EMBEDDED: Final = "label on your own machine instead: --backend embedded"
_CALLER: Final = (
    "have what `python -m gt_workflow iam` prints as the caller's policy attached to you"
)
_PLACE: Final = re.compile(r"\b[A-Z]{3,}\b")


@dataclass(frozen=True, slots=True)
class Rule:
    """One code: how bad it is, what it means, how to mend it ("" if nothing is to mend)."""

    code: str
    severity: Severity
    meaning: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check told, in one line; `cure` says what to do, and is "" if all is well."""

    code: str
    severity: Severity
    message: str
    cure: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the form that `--json` prints."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "cure": self.cure,
        }


def finding(code: str, message: str, **values: Any) -> Finding:
    """Return a finding of a known code; `values` fill the cure's words in capitals."""
    rule = RULES[code]
    cure = _PLACE.sub(lambda word: str(values.get(word[0].lower(), word[0])), rule.cure)
    return Finding(code, rule.severity, " ".join(message.split()), cure)


def table() -> str:
    """Return the codes that ask for something to be done, as a Markdown table."""
    rows = [
        f"| {rule.code} | {rule.severity} | {rule.meaning} | {rule.cure} |"
        for rule in RULES.values()
        if rule.severity != "ok"
    ]
    head = ["| code | | meaning | cure |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def _rules(*rules: Rule) -> MappingProxyType[str, Rule]:
    return MappingProxyType({rule.code: rule for rule in rules})


RULES: Final = _rules(
    # The account.
    Rule("GT100", "ok", "The credentials are good"),
    Rule(
        "GT101",
        "error",
        "There are no credentials",
        f"name a profile with --profile, or sign in with `aws configure`; or {_EMBEDDED}",
    ),
    Rule(
        "GT102",
        "error",
        "The credentials have expired",
        "sign in again, for instance with `aws sso login`, and repeat the command",
    ),
    Rule(
        "GT103",
        "error",
        "AWS does not know the credentials",
        "make a new access key, or name another profile with --profile",
    ),
    Rule(
        "GT104",
        "error",
        "The profile or the region of the credentials is missing",
        "name one of `aws configure list-profiles` with --profile, and the region with --region",
    ),
    Rule(
        "GT105",
        "error",
        "AWS cannot be reached",
        f"look at the network and its proxy; without one, {_EMBEDDED}",
    ),
    Rule(
        "GT106",
        "error",
        "The machine's clock is wrong, so AWS refuses what is signed by it",
        "set the clock, and repeat the command",
    ),
    Rule("GT110", "ok", "The region has Ground Truth, and the account is admitted"),
    Rule(
        "GT111",
        "error",
        "The region has no Ground Truth",
        "use one of REGIONS with --region; buckets and work team must be there too",
    ),
    Rule(
        "GT112",
        "error",
        "The account is not admitted to Ground Truth, closed to new customers on 2026-07-30",
        f"{_EMBEDDED}; or use an account that had labeling jobs before that day",
    ),
    Rule("GT113", "error", "You may not use Ground Truth's API", _CALLER),
    # Buckets.
    Rule("GT200", "ok", "The bucket is there, in the job's region"),
    Rule(
        "GT201",
        "error",
        "The bucket does not exist",
        "create it: aws s3 mb s3://BUCKET --region REGION; or name another one",
    ),
    Rule(
        "GT202",
        "error",
        "You have no access to the bucket",
        f"{_CALLER}; the bucket BUCKET may also be another account's",
    ),
    Rule(
        "GT203",
        "error",
        "The bucket is in another region than the job",
        "use a bucket in REGION, or launch in THERE with --region",
    ),
    Rule("GT210", "ok", "Browsers may read the images of the bucket (CORS)"),
    Rule(
        "GT211",
        "error",
        "The bucket has no CORS rule for the worker page: its images would fail",
        "add it, beside the rules there are: python -m gt_workflow doctor --fix",
    ),
    Rule(
        "GT212",
        "error",
        "The CORS rule could not be added",
        "have an owner of BUCKET allow GET from origin * and expose Access-Control-Allow-Origin",
    ),
    Rule("GT213", "ok", "The CORS rule was added"),
    # The execution role.
    Rule("GT300", "ok", "The execution role is there, and SageMaker may take it on"),
    Rule(
        "GT301",
        "error",
        "No execution role is named",
        "name one with --role, or make one: python -m gt_workflow iam --create --role NAME",
    ),
    Rule(
        "GT302",
        "error",
        "The execution role does not exist",
        "make it: python -m gt_workflow iam --create --role ROLE; or name another with --role",
    ),
    Rule(
        "GT303",
        "error",
        "SageMaker may not take the role on",
        "let SageMaker assume ROLE: `python -m gt_workflow iam` prints the trust policy",
    ),
    Rule(
        "GT304",
        "error",
        "The role is another account's",
        "name a role of account ACCOUNT with --role",
    ),
    Rule(
        "GT305",
        "error",
        "The role has another ARN than the one named",
        "name ROLE with --role",
    ),
    Rule("GT310", "ok", "The role has the permissions that the job needs"),
    Rule(
        "GT311",
        "error",
        "The role lacks permissions",
        "add the execution policy that `python -m gt_workflow iam` prints to the role ROLE",
    ),
    Rule(
        "GT312",
        "error",
        "The role may not pass itself on, which automated labeling needs",
        "add the statement PassRoleToSelf that `python -m gt_workflow iam` prints to the role ROLE",
    ),
    Rule(
        "GT313",
        "warning",
        "Permissions hang on a bucket's or key's own policy, which no simulation sees",
        "make sure that the policy of RESOURCE allows them to ROLE",
    ),
    Rule("GT314", "warning", "The role's permissions cannot be checked", _CALLER),
    Rule(
        "GT315",
        "warning",
        "Permissions hang on conditions that no simulation can know",
        "make sure that the conditions in the policies of ROLE hold for SageMaker",
    ),
    # The work team.
    Rule("GT400", "ok", "The work team is there"),
    Rule(
        "GT401",
        "error",
        "No work team is named",
        "name one with --workteam; `python -m gt_workflow teams list` shows them, `teams create` "
        "makes one",
    ),
    Rule(
        "GT402",
        "error",
        "The work team does not exist",
        "make it with `python -m gt_workflow teams create`, or name another one with --workteam",
    ),
    Rule(
        "GT403",
        "error",
        "The work team is in another region than the job",
        "use a work team of REGION, or launch in THERE with --region",
    ),
    Rule(
        "GT404",
        "error",
        "What is named is no work team",
        "name arn:aws:sagemaker:REGION:ACCOUNT:workteam/private-crowd/NAME with --workteam",
    ),
    Rule(
        "GT405",
        "error",
        "The vendor's work team is not subscribed to",
        "subscribe to the vendor in AWS Marketplace, or use a private work team",
    ),
    Rule(
        "GT406",
        "error",
        "The public workforce closed on 2026-09-30",
        "use a private or a vendor's work team; --public-anyway tries all the same",
    ),
    Rule(
        "GT407",
        "error",
        "The work team is of another account or kind than its ARN says",
        "name FOUND with --workteam",
    ),
    Rule(
        "GT408",
        "warning",
        "The public workforce closed on 2026-09-30; it is tried all the same",
        "use a private or a vendor's work team",
    ),
    # Keys.
    Rule("GT500", "ok", "The KMS key can be used"),
    Rule(
        "GT501",
        "error",
        "The KMS key does not exist in the region",
        "name a key of REGION by its id, ARN or alias/NAME",
    ),
    Rule(
        "GT502",
        "error",
        "The KMS key is not enabled",
        "enable it, or cancel its deletion: aws kms enable-key --key-id KEY; or name another key",
    ),
    Rule(
        "GT503",
        "error",
        "The KMS key is in another region than the job",
        "name a key of REGION",
    ),
    Rule(
        "GT504",
        "error",
        "The KMS key cannot encrypt data",
        "name a symmetric key for encryption and decryption",
    ),
    Rule(
        "GT505",
        "warning",
        "A volume key is named without automated labeling, and not used",
        "leave out auto-label.volume-kms-key, or add --auto-label",
    ),
    # Names.
    Rule("GT600", "ok", "The job's name is free"),
    Rule(
        "GT601",
        "error",
        "A labeling job has the name already (capitals make no difference, none is ever deleted)",
        "take another name with --name",
    ),
    Rule("GT602", "ok", "The launch's own job is there already, and is gone on with"),
    # The request and the data.
    Rule("GT700", "ok", "The request is within Ground Truth's limits"),
    Rule(
        "GT701",
        "error",
        "The request is outside Ground Truth's limits",
        "change FIELD as the message says",
    ),
    Rule(
        "GT702",
        "warning",
        "The request says what its author may not mean",
        "look at FIELD; it is allowed",
    ),
    Rule("GT710", "ok", "The photographs are within Ground Truth's limits"),
    Rule(
        "GT711",
        "error",
        "A manifest line or an image is outside Ground Truth's limits",
        "mend or leave out PLACE",
    ),
    Rule(
        "GT712",
        "error",
        "There are too few, or too many, data objects",
        "change the number of photographs, or leave out --auto-label if they are too few for it",
    ),
    Rule(
        "GT713",
        "warning",
        "Automated labeling is worth little below 5,000 objects",
        "add photographs, or leave out --auto-label",
    ),
    Rule(
        "GT714",
        "warning",
        "A photograph is left out",
        "mend it, or leave it out yourself",
    ),
    Rule(
        "GT715",
        "error",
        "The photographs cannot be planned with",
        "do what the message says, and repeat the command",
    ),
    # Checks that could not be made.
    Rule(
        "GT801",
        "error",
        "A check could not be made",
        "repeat the command; if it stays so, ask AWS Support about the message",
    ),
    Rule("GT802", "warning", "A check was not allowed", _CALLER),
    # Our own service.
    Rule("GT900", "ok", "Our own service has all it needs"),
    Rule(
        "GT901",
        "error",
        "The service's folder cannot be written",
        "make FOLDER writable, or name another with --root",
    ),
    Rule(
        "GT902",
        "error",
        "The service's folder is held by a process that does not answer",
        "end the process that holds FOLDER, or name another with --root",
    ),
    Rule(
        "GT903",
        "warning",
        "The service's usual port is taken, so its address will be another one",
        "end what listens on port PORT, or give workers the new links",
    ),
    Rule(
        "GT904",
        "warning",
        "The disk is nearly full",
        "free some space, or name a folder elsewhere with --root",
    ),
)
