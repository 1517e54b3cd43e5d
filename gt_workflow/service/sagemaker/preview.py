"""RenderUiTemplate: renders a template of unknown origin in a process of its own.

A hostile template can make one filter work for hours or fill the memory, which no limit inside the
engine stops. So the rendering happens in a child (0.3 s to start) that may use 5 s of processor and
512 MB, and is killed after 20 s. The child learns nothing but template, input and links: it gets no
environment to speak of, and asks for links by naming their URIs and being started once more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from gt_workflow.service.faults import Fault, invalid
from gt_workflow.service.sagemaker.templates import Grant, Problem, TemplateError, render

_CPU_SECONDS = 5
_WALL_SECONDS = 20
_MEMORY = 512 * 1024 * 1024
_CHILDREN = threading.Semaphore(4)  # at once; a fifth must not keep a thread waiting

# Without these some systems do not find the interpreter's own libraries.
_KEPT = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

Answer = dict[str, Any]


def render_ui_template(
    parameters: Mapping[str, Any],
    *,
    grant: Grant,
    cpu_seconds: int = _CPU_SECONDS,
    patient: bool = False,
) -> Answer:
    """Answer RenderUiTemplate; a template that fails is reported in `Errors`, as AWS does.

    Where too many are rendered at once, a caller who is not `patient` is refused.
    """
    if "HumanTaskUiArn" in parameters or "UiTemplate" not in parameters:
        raise invalid(
            "Give UiTemplate.Content: this service has no human task UIs of its own "
            "(HumanTaskUiArn is for video, point cloud and text tasks)."
        )
    content, task_input = parameters["UiTemplate"]["Content"], parameters["Task"]["Input"]
    _check_input(task_input)
    request = {"content": content, "input": task_input, "links": {}, "cpu": cpu_seconds}
    answer = _in_child(request, patient=patient)
    if answer["asked"]:
        try:
            request["links"] = {uri: grant(uri) for uri in answer["asked"]}
        except Fault as fault:
            answer = _failed(Problem("InvalidTemplate", fault.message))
        else:
            answer = _in_child(request, patient=patient)
    return {"RenderedContent": answer["content"], "Errors": answer["errors"]}


def _check_input(text: str) -> None:
    """Refuse a task input that is no JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid("Task.Input must be a JSON object: what the template sees as task.input.")


def _in_child(request: Mapping[str, Any], *, patient: bool) -> Answer:
    """Render in a child process; `asked` lists the URIs that it wants links for."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(part for part in sys.path if part)
    environment["PYTHONUTF8"] = "1"
    if not _CHILDREN.acquire(blocking=patient):
        raise Fault("ThrottlingException", "Rate exceeded")
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [sys.executable, "-P", "-m", __name__],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=_WALL_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(Problem("TemplateLimitExceeded", "rendering took too long"))
    finally:
        _CHILDREN.release()
    if done.returncode < 0:  # killed by a signal: out of processor time or of stack
        return _failed(Problem("TemplateLimitExceeded", "rendering took too much time or memory"))
    if done.returncode > 0:
        raise RuntimeError(f"the template renderer does not run: {done.stderr.decode()[-2000:]}")
    answer: Answer = json.loads(done.stdout)
    return answer


def _failed(problem: Problem) -> Answer:
    errors = [{"Code": problem.code, "Message": problem.message}]
    return {"content": "", "errors": errors, "asked": []}


def _child() -> None:
    """Render what stands on the standard input; the answer goes to the standard output."""
    request = json.load(sys.stdin)
    _limit(request["cpu"])
    links: dict[str, str] = request["links"]
    asked: dict[str, None] = {}

    def grant(uri: str) -> str:
        if uri not in links:
            asked[uri] = None
        return links.get(uri, "")

    try:
        content = render(request["content"], task_input=json.loads(request["input"]), grant=grant)
        answer = {"content": content, "errors": [], "asked": [] if links else list(asked)}
    except TemplateError as error:
        answer = _failed(error.problem)
    except MemoryError:
        answer = _failed(Problem("TemplateLimitExceeded", "rendering took too much memory"))
    except Exception as error:  # noqa: BLE001 - whatever a template sets off is its author's to see
        answer = _failed(Problem("InvalidTemplate", f"{type(error).__name__}: {error}"))
    sys.stdout.write(json.dumps(answer))


def _limit(cpu_seconds: int) -> None:
    """Bound this process's time and memory, where the system can."""
    if sys.platform == "win32":
        return  # the parent's clock is all there is
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    if sys.platform != "darwin":  # macOS refuses to lower the address space
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


if __name__ == "__main__":
    _child()
