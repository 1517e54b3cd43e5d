"""An AWS account for tests: moto's S3, IAM, STS and KMS, our own labeling API, and its faults.

IAM's policy simulator, which moto has not, is a small one here: identity policies only, as AWS's.
"""

from __future__ import annotations

import fnmatch
import json
import re
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace

import boto3
from moto import mock_aws

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.adapters.memory import MemoryStorage
from gt_workflow.core.labels import label_category_file
from gt_workflow.core.names import private_workteam_arn
from gt_workflow.core.requests.job import JobSpec, create_labeling_job
from gt_workflow.service.faults import Fault
from gt_workflow.service.labeling.jobs import Jobs
from gt_workflow.service.sagemaker.api import Api
from gt_workflow.service.sagemaker.teams import Teams
from gt_workflow.service.store import Store

REGION = "us-east-1"
ACCOUNT = "123456789012"
ROLE = "labeler"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
TEAM = private_workteam_arn(REGION, ACCOUNT, "default")
SERVICES = ("s3", "iam", "sts", "kms", "sagemaker")
PHOTOGRAPHS, WORK = "our-photographs", "our-work"
CORS = {
    "AllowedHeaders": [],
    "AllowedMethods": ["GET"],
    "AllowedOrigins": ["*"],
    "ExposeHeaders": ["Access-Control-Allow-Origin"],
}


def request(name="degus-1", **changes):
    spec = {
        "name": name,
        "attribute": "boxes",
        "kind": "label",
        "region": REGION,
        "manifest_uri": f"s3://{WORK}/jobs/{name}/input.manifest",
        "labels_uri": f"s3://{WORK}/jobs/{name}/labels.json",
        "template_uri": f"s3://{WORK}/jobs/{name}/template.liquid.html",
        "output_uri": f"s3://{WORK}/output",
        "role_arn": ROLE_ARN,
        "workteam_arn": TEAM,
        "title": "Draw boxes",
        "description": "Draw a box around every degu",
        "workers_per_object": 1,
        "task_time_limit": 300,
    }
    return create_labeling_job(JobSpec(**(spec | changes)))


class World:
    """Clients of one account, by service, as an adapter takes them."""

    def __init__(self, api, another):
        self.api = api
        self.refusals = {}
        self._another = another

    def __call__(self, service):
        return _client(service)

    def refuse(self, operation, code, message="no", status=400):
        """From now on an operation answers with an AWS error."""
        self.refusals[operation] = (
            SimpleNamespace(status_code=status),
            {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {}},
        )

    def fail(self, operation, error):
        """From now on an operation raises what botocore raises before AWS is met."""
        self.refusals[operation] = error

    def job(self, name):
        """Have a labeling job, in a service of its own: jobs are never deleted."""
        self.api = self._another()
        self("sagemaker").create_labeling_job(**request(name))

    def answer(self, model, context, **_others):
        refusal = self.refusals.get(model.name)
        if isinstance(refusal, Exception):
            raise refusal
        if refusal is not None:
            return refusal
        given = context.get("given", {})
        if model.name == "SimulatePrincipalPolicy":
            return SimpleNamespace(status_code=200), self._simulated(given)
        if model.service_model.service_name == "sagemaker":
            try:
                answer = self.api.handle(model.name, given, region=REGION)
            except Fault as fault:
                said = {"Code": fault.code, "Message": fault.message}
                return SimpleNamespace(status_code=400), {"Error": said, "ResponseMetadata": {}}
            return SimpleNamespace(status_code=200), answer
        return None

    def _simulated(self, given):
        role = given["PolicySourceArn"].rpartition("/")[2]
        iam = self("iam")
        statements = []
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            statements += policy["Statement"]
        context = {
            one["ContextKeyName"]: one["ContextKeyValues"] for one in given["ContextEntries"]
        }
        assert all("*" not in action for action in given["ActionNames"])
        missing = [
            key
            for one in statements
            for test in one.get("Condition", {}).values()
            for key in test
            if key not in context
        ]
        return {
            "EvaluationResults": [
                {
                    "ResourceSpecificResults": [{"MissingContextValues": missing}],
                    "EvalActionName": action,
                    "EvalResourceName": given["ResourceArns"][0],
                    "EvalDecision": _decide(statements, action, given["ResourceArns"][0], context),
                }
                for action in given["ActionNames"]
            ]
        }


@contextmanager
def labeling(folder):
    """Our own labeling API over a new database: one work team, no job."""
    with closing(Store(f"sqlite:///{folder / 'service.sqlite'}")) as store:
        yield _api(store)


@contextmanager
def account(folder, api):
    """An account in which a launch can go ahead: buckets and a work team; the role is `give`n."""
    with mock_aws(), ExitStack() as stack:
        world = World(api, lambda: stack.enter_context(labeling(Path(mkdtemp(dir=folder)))))
        for service in SERVICES:
            events = _client(service).meta.events
            events.register("before-call", world.answer, unique_id="world")
            stack.callback(events.unregister, "before-call", unique_id="world")
        for bucket in (PHOTOGRAPHS, WORK):
            world("s3").create_bucket(Bucket=bucket)
            world("s3").put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [CORS]})
        yield world


@cache
def _client(service):
    """Make a client once: that takes longer than a test."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client(service, region_name=REGION, **keys)
    client.meta.events.register("before-parameter-build", _note_parameters)
    return client


def _note_parameters(params, context, **_others):
    context["given"] = dict(params)


def _api(store):
    clock = ManualClock()
    storage = MemoryStorage()
    for name in ("degus-1", "DEGUS-1"):
        job = f"s3://{WORK}/jobs/{name}/"
        for key, data in (
            ("input.manifest", b'{"source-ref":"s3://our-photographs/a.jpg"}\n'),
            ("labels.json", label_category_file(["degu"])),
            ("template.liquid.html", b"<crowd-form></crowd-form>"),
        ):
            with storage.create(job + key) as file:
                file.write(data)
    teams = Teams(store=store, clock=clock)
    teams.ensure_default(REGION)
    jobs = Jobs(
        store=store,
        storage=storage,
        clock=clock,
        new_id=lambda: "id",
        read_size=lambda _file: (1, 1),
    )
    return Api(
        jobs=jobs,
        teams=teams,
        storage=storage,
        grant=lambda uri: uri,
        secret=b"sixteen bytes or so",
    )


def _decide(statements, action, resource, context):
    effects = {
        one["Effect"]
        for one in statements
        if any(fnmatch.fnmatchcase(action, pattern) for pattern in _many(one["Action"]))
        and any(_matches(resource, pattern) for pattern in _many(one["Resource"]))
        and all(
            set(_many(wanted)) & set(context.get(key, ()))
            for test in one.get("Condition", {}).values()
            for key, wanted in test.items()
        )
    }
    if "Deny" in effects:
        return "explicitDeny"
    return "allowed" if "Allow" in effects else "implicitDeny"


def _matches(resource, pattern):
    """Match as IAM does: `${*}` is a star, a bare star anything."""
    parts = re.split(r"(\$\{.\}|\*)", pattern)
    expression = "".join(
        ".*" if part == "*" else re.escape(part[2] if part.startswith("${") else part)
        for part in parts
    )
    return re.fullmatch(expression, resource, re.DOTALL) is not None


def _many(value):
    return value if isinstance(value, list) else [value]


def give(world, policy, *, role=ROLE, trust):
    """Have a role of this policy."""
    world("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    world("iam").put_role_policy(
        RoleName=role, PolicyName="gt-workflow", PolicyDocument=json.dumps(policy)
    )
