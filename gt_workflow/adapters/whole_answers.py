"""Answers that were cut off on their way are asked for again; botocore takes them for whole.

botocore switches urllib3's check of Content-Length off, and reads what JSON it cannot parse as an
answer without members: a job that was created has no ARN then, a refusal no code. Here the length
is compared before anybody reads the answer, for a client's every operation but downloads, whose
bodies are read, and checked, by `s3_storage`.
"""

from __future__ import annotations

from typing import Any, Final

ATTEMPTS: Final = 5


def demand_whole(client: Any) -> None:
    """Make a boto3 client compare lengths; asking twice is asking once.

    An answer that is short is asked for again at once, as the SDK does for other faults of the
    network, 5 times at the most, and is then `botocore.exceptions.IncompleteReadError`.
    """
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(
        f"needs-retry.{service}", _again, unique_id="gt-workflow-whole-answers"
    )


def _again(*, response: Any, attempts: int, operation: Any, **_rest: Any) -> float | None:
    """Return seconds to wait before another attempt, or None if botocore is to decide."""
    if response is None or response[0] is None:
        return None
    answer = response[0]
    downloads = operation.has_streaming_output and answer.status_code < 300
    promised = answer.headers.get("Content-Length", "")
    if downloads or operation.http.get("method") == "HEAD" or not str(promised).isdigit():
        return None
    expected, came = int(promised), len(answer.content)
    if came >= expected:
        return None
    if attempts < ATTEMPTS:
        return 0.0
    from botocore.exceptions import IncompleteReadError

    raise IncompleteReadError(actual_bytes=came, expected_bytes=expected)
