"""The frame in which a job's own worker template runs, rendered for one task.

The template is its owner's, what it shows may be anybody's: so it runs in a sandbox without an
origin. From there it reaches neither the page around it nor tokens, cookies or the network; it
loads this service's elements and the images that it was given links to, and tells its answer to
the page, which submits it. AWS's script is replaced by our elements; all else is left as it is.

A job's template is read once: as on AWS, what is put in its place later changes nothing. Its first
rendering happens in a process of its own, with limits on time and memory (`sagemaker.preview`);
those that follow here take microseconds, and no more than their budget (`sagemaker.budget`).
"""

from __future__ import annotations

import json
import re
import threading
from datetime import datetime, timedelta
from html import escape
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gt_workflow.errors import ObjectNotFoundError, StorageError, UsageError
from gt_workflow.ports import Clock, Storage
from gt_workflow.service.faults import Fault, invalid
from gt_workflow.service.labeling.jobs import Jobs, Task
from gt_workflow.service.portal.image_links import ImageLinks, Seal
from gt_workflow.service.sagemaker.preview import render_ui_template
from gt_workflow.service.sagemaker.templates import Grant, Problem, TemplateError, render

# `UiTemplate.Content` of the API reference, with four bytes for each character at most.
MAX_CHARACTERS: Final = 128_000
_KNOWN_TEMPLATES: Final = 64
_PAUSE: Final = timedelta(minutes=1)  # until what took too long is tried with another task
_ELEMENTS: Final = "/_/static/crowd/crowd-html-elements.js"
_AWS_SCRIPT: Final = re.compile(
    r"(?:https?:)?//assets\.crowd\.aws/crowd-html-elements[\w.-]*\.js(?:\?[^\s\"'<>]*)?"
)
# No <html> or <head>: the parser adds them, and takes a template's own into them.
_HEAD: Final = """<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="gt-task" content="{task}">
<title>Task</title>
<link rel="stylesheet" href="/_/static/crowd/frame.css">
<script type="module" src="/_/static/crowd/elements.js"></script>
"""
_PROBLEM: Final = """<section class="gt-problem" role="alert">
<h1>This task cannot be shown</h1>
<p>The worker template of this job has an error, which its owner has to mend:</p>
<pre>{message}</pre>
<p>You can decline or return the task above.</p>
</section>
"""
_HOST: Final = re.compile(r"[\w.-]+(:\d+)?|\[[\da-fA-F:]+\](:\d+)?")
# A template's own scripts are a part of it, and run with the rights of the sandbox: none.
_POLICY: Final = (
    "sandbox allow-scripts allow-forms; default-src 'none'; "
    "script-src {own} 'unsafe-inline'; style-src {own} 'unsafe-inline'; "
    "img-src {own} data: blob:; font-src data:; media-src data:; connect-src 'none'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


class Frames:
    """Renders templates for the workers who hold their tasks."""

    def __init__(self, *, jobs: Jobs, storage: Storage, links: ImageLinks, clock: Clock) -> None:
        """`links` checks who may see what, and makes the links of `grant_read_access`."""
        self._clock = clock
        self._jobs = jobs
        self._storage = storage
        self._links = links
        self._templates: dict[str, str] = {}
        self._tried: set[str] = set()
        self._first: dict[str, threading.Lock] = {}
        self._dear: dict[str, tuple[datetime, Problem]] = {}  # what went wrong, until when

    async def serve(self, request: Request) -> Response:
        """Answer with the frame of the task that a good link names."""
        seal = Seal.of(request.query_params)
        page = await run_in_threadpool(self._page, request.path_params["task_id"], seal)
        return HTMLResponse(page, headers=_headers(request.headers.get("host", "")))

    def _page(self, task_id: str, seal: Seal) -> str:
        self._links.check(task_id=task_id, seal=seal)
        task = self._jobs.task(seal.worker_id, task_id)
        image = self._links.same(task_id=task_id, seal=seal)

        def grant(uri: str) -> str:
            if uri == task.object_uri:
                return image
            if not re.fullmatch(r"s3://[^/]+/.+", uri, re.DOTALL):
                raise invalid(f"grant_read_access needs an S3 URI (s3://bucket/key), not {uri!r}.")
            return self._links.other(task_id=task_id, seal=seal, uri=uri)

        told = {"kind": task.kind, "image": image, "width": task.width, "height": task.height}
        try:
            body = _AWS_SCRIPT.sub(_ELEMENTS, self._rendered(task, grant))
        except TemplateError as error:
            body = _PROBLEM.format(message=escape(str(error)))
        except Fault as fault:
            body = _PROBLEM.format(message=escape(fault.message))
        return _HEAD.format(task=escape(json.dumps(told))) + body

    def _rendered(self, task: Task, grant: Grant) -> str:
        content = self._template(task)
        task_input = input_of(task)
        if task.job_arn in self._tried:
            return render(content, task_input=task_input, grant=grant)
        # A job whose template takes long keeps no other waiting.
        with self._first.setdefault(task.job_arn, threading.Lock()):
            if task.job_arn in self._tried:  # while this thread waited
                return render(content, task_input=task_input, grant=grant)
            return self._first_rendered(task.job_arn, content, task_input, grant)

    def _first_rendered(
        self, job_arn: str, content: str, task_input: dict[str, Any], grant: Grant
    ) -> str:
        until, problem = self._dear.get(job_arn, (None, None))
        if until is not None and problem is not None and self._clock.now() < until:
            raise TemplateError(problem)
        answer = render_ui_template(
            {"UiTemplate": {"Content": content}, "Task": {"Input": json.dumps(task_input)}},
            grant=grant,
            patient=True,
        )
        for error in answer["Errors"]:
            problem = Problem(error["Code"], error["Message"])
            if problem.code == "TemplateLimitExceeded":
                # Else everybody who opens a task of the job would pay for it once more.
                self._dear[job_arn] = (self._clock.now() + _PAUSE, problem)
            raise TemplateError(problem)
        self._tried.add(job_arn)
        return str(answer["RenderedContent"])

    def _template(self, task: Task) -> str:
        known = self._templates.get(task.job_arn)
        if known is not None:
            return known
        try:
            with self._storage.open(task.template_uri) as file:
                content = file.read(4 * MAX_CHARACTERS + 1).decode()
        except (ObjectNotFoundError, UsageError):
            raise _missing(f"there is no object {task.template_uri}") from None
        except StorageError as error:
            raise _missing(f"{task.template_uri} cannot be read: {error}") from error
        except UnicodeDecodeError:
            raise _missing(f"{task.template_uri} is not text in UTF-8") from None
        if len(content) > MAX_CHARACTERS:
            raise _missing(
                f"{task.template_uri} is longer than {MAX_CHARACTERS:,} characters, which is the "
                "most that a template may have"
            )
        if len(self._templates) >= _KNOWN_TEMPLATES:
            self._templates.clear()
        self._templates[task.job_arn] = content
        return content


def input_of(task: Task) -> dict[str, Any]:
    """Return what a template sees as `task.input`.

    As from Ground Truth's own functions before a box task; `manifestLine` is there for every kind
    of job.
    """
    line = json.loads(task.line)
    return {"taskObject": task.object_uri, "labels": list(task.labels), "manifestLine": line}


def _headers(host: str) -> dict[str, str]:
    """Return the headers of a frame at this host.

    The host is named since to some browsers `'self'` in a sandbox is nobody.
    """
    own = f"'self' http://{host}" if _HOST.fullmatch(host) else "'self'"
    return {
        "Content-Security-Policy": _POLICY.format(own=own),
        "X-Frame-Options": "SAMEORIGIN",
        "Cache-Control": "no-store",
    }


def _missing(message: str) -> TemplateError:
    return TemplateError(Problem("InvalidTemplate", message))
