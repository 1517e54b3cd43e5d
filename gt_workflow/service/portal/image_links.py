"""Links to a task's image: signed, short-lived, good for one worker while the task is theirs.

An `<img>` cannot send a bearer token, so its address has to carry the right to be read. The
address names the task, never the object: no bucket, key or path can be put into one. It is signed
with HMAC-SHA256 over task, worker and expiry under the service's secret.
"""

from __future__ import annotations

import hashlib
import hmac
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
        expires = str(int(min(lease_until, self._clock.now() + LINK_LIFE).timestamp()))
        query = urlencode(
            {
                "worker": worker_id,
                "expires": expires,
                "signature": self._sign(task_id, worker_id, expires),
            }
        )
        return f"/_/image/{quote(task_id, safe='')}?{query}"

    def check(self, *, task_id: str, seal: Seal) -> None:
        """Refuse a link that is forged, changed or expired with a `Fault` (403)."""
        expected = self._sign(task_id, seal.worker_id, seal.expires)
        if not hmac.compare_digest(expected.encode(), seal.signature.encode()):
            raise forbidden("This image link is not valid.")
        # Signed by us, so it is the number that `link` wrote.
        if int(seal.expires) <= self._clock.now().timestamp():
            raise forbidden("This image link has expired; open the task again.")

    def _sign(self, task_id: str, worker_id: str, expires: str) -> str:
        # Lengths in front keep two different triples from reading the same.
        parts = (f"{len(part)}:{part}" for part in ("image", task_id, worker_id, expires))
        message = "".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
