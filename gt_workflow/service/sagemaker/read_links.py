"""Links that let a browser read one object for a while, as the filter `grant_read_access` gives.

They are S3's own presigned addresses (Signature Version 4), so whatever answers S3 honours them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from gt_workflow.service.faults import invalid

LINK_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Signer:
    """Credentials to sign with; where none are configured, any will do."""

    access_key: str = "local"
    secret_key: str = "local"  # noqa: S105 - stands for "no secret": nothing is verified then
    region: str = "us-east-1"


def read_links(address: str, signer: Signer) -> Callable[[str], str]:
    """Return a function from an S3 URI to a presigned address at this service."""

    def link(uri: str) -> str:
        # botocore is slow to import, and nothing but a preview needs this.
        from botocore.auth import S3SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not bucket or not key:
            raise invalid(f"grant_read_access needs an S3 URI (s3://bucket/key), not {uri!r}.")
        request = AWSRequest("GET", f"{address}/{bucket}/{quote(key)}")
        credentials = Credentials(signer.access_key, signer.secret_key)
        S3SigV4QueryAuth(credentials, "s3", signer.region, expires=LINK_SECONDS).add_auth(request)
        return str(request.url)

    return link
