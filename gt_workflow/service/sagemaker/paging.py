"""NextToken: where a List operation goes on, readable by nobody but this service.

A token is good for the same operation, region and filters that it was given for, whatever
MaxResults says; anything else, a token made by hand too, is a ValidationException.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gt_workflow.service.faults import invalid
from gt_workflow.service.sagemaker.registry import without

_DEFAULT_PAGE = 10
_OFFSET_BYTES = 8

Item = dict[str, Any]


class Pages:
    """Cuts lists into pages."""

    def __init__(self, secret: bytes) -> None:
        """`secret` signs the tokens; those of another secret are refused."""
        self._secret = secret

    def cut(
        self,
        key: str,
        question: tuple[str, str, Mapping[str, Any]],
        fetch: Callable[[int, int], Sequence[Item]],
        *,
        size: int = _DEFAULT_PAGE,
    ) -> dict[str, Any]:
        """Return one page under `key`, with a NextToken if there is more.

        `question` is operation, region and parameters; `fetch(offset, limit)` returns items.
        """
        operation, region, parameters = question
        size = parameters.get("MaxResults", size)
        context = msgspec.json.encode(
            [operation, region, without(parameters, "NextToken", "MaxResults")], order="sorted"
        )
        offset = self._offset(parameters.get("NextToken"), context)
        items = fetch(offset, size + 1)
        page: dict[str, Any] = {key: list(items[:size])}
        if len(items) > size:
            page["NextToken"] = self._token(offset + size, context)
        return page

    def _token(self, offset: int, context: bytes) -> str:
        head = offset.to_bytes(_OFFSET_BYTES, "big")
        return urlsafe_b64encode(head + self._digest(head, context)).decode()

    def _offset(self, token: str | None, context: bytes) -> int:
        if not token:
            return 0
        try:
            raw = urlsafe_b64decode(token)
        except (ValueError, binascii.Error):
            raw = b""
        head, digest = raw[:_OFFSET_BYTES], raw[_OFFSET_BYTES:]
        if not hmac.compare_digest(digest, self._digest(head, context)):
            raise invalid(
                "Invalid pagination token: NextToken must be the one that the last answer to the "
                "same request gave."
            )
        return int.from_bytes(head, "big")

    def _digest(self, head: bytes, context: bytes) -> bytes:
        return hmac.digest(self._secret, head + context, "sha256")


def slices(items: Sequence[Item]) -> Callable[[int, int], Sequence[Item]]:
    """Let `Pages.cut` fetch from a list that is there as a whole."""
    return lambda offset, limit: items[offset : offset + limit]
