"""Links to a task's image and frame: signed, short-lived, good for one worker and one task.

Neither an `<img>` nor an `<iframe>` can send a bearer token, so its address has to carry the right
to be read. The address names the task, never the object: no bucket, key or path can be put into
one. It is signed with HMAC-SHA256 over task, worker and expiry under the service's secret. An
image and its frame share one seal: the frame shows nothing but the image, and hands its own seal
on, so that no link outlives the one that led to it.

Other objects, which a worker template asks for with `grant_read_access`, get links of their own,
signed over the object's URI too: only what a job's template names can be read.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from gt_workflow.ports import Clock
from gt_workflow.service.faults import forbidden

# Long enough for a slow line; the page gets a new link with every look at the task.
LINK_LIFE = timedelta(minutes=15)
SECRET_SIZE = 16  # bytes at least


@dataclass(frozen=True, slots=True)
class Seal:
    """What a link carries behind its '?'."""

    worker_id: str
    expires: str
    signature: str

    def query(self) -> dict[str, str]:
        """Return the seal as a link carries it; `of` reads it back."""
        return {"worker": self.worker_id, "expires": self.expires, "signature": self.signature}

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Seal:
        """Read a link's query; what is missing is empty, and refused by `check`."""
        return cls(query.get("worker", ""), query.get("expires", ""), query.get("signature", ""))


class ImageLinks:
    """Makes links and checks them."""

    def __init__(self, *, secret: bytes, clock: Clock) -> None:
        """`secret` is the service's own, 16 bytes or more; another secret voids all links."""
        if len(secret) < SECRET_SIZE:
            raise ValueError(f"the secret that signs image links needs {SECRET_SIZE} bytes or more")
        self._secret = secret
        self._clock = clock

    def link(self, *, task_id: str, worker_id: str, lease_until: datetime) -> str:
        """Return the address, relative to the service's root, of the image of a held task."""
        return self._address("image", task_id, self._seal(task_id, worker_id, lease_until))

    def frame(self, *, task_id: str, worker_id: str, lease_until: datetime) -> str:
        """Return the address of the page in which the job's worker template runs for the task."""
        return self._address("frame", task_id, self._seal(task_id, worker_id, lease_until))

    def same(self, *, task_id: str, seal: Seal) -> str:
        """Return the address of the image that a checked seal lets its worker see."""
        return self._address("image", task_id, seal)

    def other(self, *, task_id: str, seal: Seal, uri: str) -> str:
        """Return the address of another object, good as long as the seal that is handed on."""
        signature = self._sign(task_id, seal.worker_id, seal.expires, uri)
        link = Seal(seal.worker_id, seal.expires, signature)
        return (
            f"/_/frame/{quote(task_id, safe='')}/object?{urlencode({**link.query(), 'uri': uri})}"
        )

    def _seal(self, task_id: str, worker_id: str, lease_until: datetime) -> Seal:
        expires = str(int(min(lease_until, self._clock.now() + LINK_LIFE).timestamp()))
        return Seal(worker_id, expires, self._sign(task_id, worker_id, expires))

    @staticmethod
    def _address(what: str, task_id: str, seal: Seal) -> str:
        return f"/_/{what}/{quote(task_id, safe='')}?{urlencode(seal.query())}"

    def check(self, *, task_id: str, seal: Seal, uri: str | None = None) -> None:
        """Refuse a link that is forged, changed or expired with a `Fault` (403)."""
        named = () if uri is None else (uri,)
        expected = self._sign(task_id, seal.worker_id, seal.expires, *named)
        if not hmac.compare_digest(expected.encode(), seal.signature.encode()):
            raise forbidden("This image link is not valid.")
        # Signed by us, so it is the number that `link` wrote.
        if int(seal.expires) <= self._clock.now().timestamp():
            raise forbidden("This image link has expired; open the task again.")

    def _sign(self, *signed: str) -> str:
        # Lengths in front keep two different lists from reading the same.
        parts = (f"{len(part)}:{part}" for part in ("image", *signed))
        message = "".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
