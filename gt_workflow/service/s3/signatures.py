"""Who signed a request and for which AWS service; whether the signature holds and is not too old.

Read from AWS's public descriptions of Signature Version 4 (headers, query, chunked payloads) and
Version 2 (headers and query of S3). With secrets configured every signature is computed anew and
compared in constant time. Without them, as on a loopback address, any access key is taken, and
only the expiry of a presigned address is enforced.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote

from gt_workflow.service.faults import Fault

_V4 = "AWS4-HMAC-SHA256"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_MAX_SKEW = timedelta(minutes=15)
_MAX_EXPIRY = 7 * 24 * 3600
_FIELDS = re.compile(r"(\w+)=([^,\s]+)")

# What Signature Version 2 counts as part of the resource.
_V2_QUERY = frozenset(
    {
        *("acl", "accelerate", "analytics", "cors", "delete", "inventory", "lifecycle"),
        *("location", "logging", "metrics", "notification", "object-lock", "partNumber"),
        *("policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment"),
        *("response-cache-control", "response-content-disposition", "response-expires"),
        *("response-content-encoding", "response-content-language", "response-content-type"),
        *("restore", "retention", "select", "tagging", "torrent", "uploadId", "uploads"),
        *("versionId", "versioning", "versions", "website"),
    }
)


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """The owner of a signature and what it is good for; Version 2 knows neither date nor region."""

    access_key: str
    date: str  # YYYYMMDD
    region: str
    service: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came: `path` and `query` still percent-encoded, header names lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    def parameters(self) -> dict[str, str]:
        """Return the decoded query; the last of equal names wins."""
        return dict(_pairs(self.query))


@dataclass(frozen=True, slots=True)
class Signature:
    """A verified signature; `chunks` verifies what follows it in a chunked body, if it can."""

    scope: CredentialScope
    presigned: bool
    chunks: ChunkSigner | None = None


class ChunkSigner:
    """Signs the chunks of a body one after the other; each signature enters the next one's."""

    def __init__(self, *, key: bytes, timestamp: str, scope: str, seed: str) -> None:
        """Start from the request's own signature."""
        self._key = key
        self._timestamp = timestamp
        self._scope = scope
        self._previous = seed

    def check_chunk(self, sha256: str, signature: str) -> None:
        """Refuse a chunk whose signature is not what its bytes (hexadecimal SHA-256) ask for."""
        self._check(f"{_V4}-PAYLOAD", f"{_EMPTY_SHA256}\n{sha256}", signature)

    def check_trailer(self, lines: bytes, signature: str) -> None:
        """Refuse trailing headers (`name:value`, each with a newline) that were not signed."""
        self._check(f"{_V4}-TRAILER", hashlib.sha256(lines).hexdigest(), signature)

    def _check(self, kind: str, rest: str, signature: str) -> None:
        text = f"{kind}\n{self._timestamp}\n{self._scope}\n{self._previous}\n{rest}"
        self._previous = _hex_hmac(self._key, text)
        if not hmac.compare_digest(self._previous.encode(), signature.encode()):
            raise _mismatch()


def scope_of(headers: Mapping[str, str], query: Mapping[str, str]) -> CredentialScope | None:
    """Return whom and what a request is signed for, or None if it is not signed.

    `headers` are looked up in lower case; `query` is decoded. Nothing is verified.
    """
    header = headers.get("authorization", "")
    if header.startswith("AWS "):
        return CredentialScope(header[4:].partition(":")[0].strip(), "", "", "s3")
    if header.startswith("AWS4-"):
        return _scope(dict(_FIELDS.findall(header)).get("Credential", ""))
    if "X-Amz-Credential" in query:
        return _scope(query["X-Amz-Credential"])
    if "AWSAccessKeyId" in query and "Signature" in query:
        return CredentialScope(query["AWSAccessKeyId"], "", "", "s3")
    return None


def verify(
    request: SignedRequest,
    *,
    now: datetime,
    secrets: Mapping[str, str] | None,
    body_sha256: str | None = None,
) -> Signature:
    """Return the signature of a request, or refuse it with a `Fault` of S3's codes.

    `secrets` maps access keys to secrets; None takes any key. `body_sha256` (hexadecimal) is
    needed where the request does not state it in `x-amz-content-sha256`.
    """
    query = request.parameters()
    scope = scope_of(request.headers, query)
    if scope is None:
        raise Fault("AccessDenied", "Access Denied", status=403)
    presigned = "authorization" not in request.headers
    if presigned:
        _check_expiry(query, now)
    if secrets is None:
        return Signature(scope, presigned)
    secret = secrets.get(scope.access_key)
    if secret is None:
        raise Fault(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
            status=403,
        )
    if not scope.date:
        _verify_v2(request, query, secret=secret, now=None if presigned else now)
        return Signature(scope, presigned)
    chunks = _verify_v4(
        request,
        query,
        scope=scope,
        secret=secret,
        now=None if presigned else now,
        body_sha256=body_sha256,
    )
    return Signature(scope, presigned, chunks)


def _check_expiry(query: Mapping[str, str], now: datetime) -> None:
    try:
        if "X-Amz-Credential" in query:
            seconds = int(query["X-Amz-Expires"])
            if not 0 < seconds <= _MAX_EXPIRY:
                raise ValueError  # noqa: TRY301 - told the same way as what is no number
            signed = _timestamp(query["X-Amz-Date"])
            expires = signed + timedelta(seconds=seconds)
        else:
            signed = now
            expires = datetime.fromtimestamp(int(query["Expires"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        raise Fault(
            "AuthorizationQueryParametersError",
            "X-Amz-Date and X-Amz-Expires (1 to 604800 seconds), or Expires, must be given.",
        ) from None
    if now >= expires:
        raise Fault("AccessDenied", "Request has expired", status=403)
    if signed > now + _MAX_SKEW:
        raise Fault("AccessDenied", "Request is not yet valid", status=403)


def _verify_v4(
    request: SignedRequest,
    query: Mapping[str, str],
    *,
    scope: CredentialScope,
    secret: str,
    now: datetime | None,
    body_sha256: str | None,
) -> ChunkSigner:
    headers = request.headers
    stated = headers.get("x-amz-content-sha256")
    if "authorization" in headers:
        fields = dict(_FIELDS.findall(headers["authorization"]))
        algorithm = headers["authorization"].partition(" ")[0]
        timestamp = headers.get("x-amz-date", "")
        given, signed_names = fields.get("Signature", ""), fields.get("SignedHeaders", "")
        payload = stated or body_sha256 or _EMPTY_SHA256
    else:
        algorithm = query.get("X-Amz-Algorithm", "")
        timestamp = query["X-Amz-Date"]
        given, signed_names = query.get("X-Amz-Signature", ""), query.get("X-Amz-SignedHeaders", "")
        payload = stated or "UNSIGNED-PAYLOAD"
    if algorithm != _V4:
        raise Fault("NotImplemented", f"{algorithm} is not supported; sign with {_V4}.")
    if now is not None:
        _check_skew(timestamp, now)
    names = signed_names.split(";")
    if "host" not in names or not timestamp.startswith(scope.date):
        raise _mismatch()
    rest = "\n".join(
        [
            _canonical_query(request.query),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names),
            "",
            signed_names,
            payload,
        ]
    )
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed_scope = f"{scope.date}/{scope.region}/{scope.service}/aws4_request"
    # S3 encodes a path once. Most clients sign it as they send it; some encode more when signing.
    decoded = unquote(request.path, errors="surrogateescape")
    for path in (request.path, quote(decoded, safe="/~", errors="surrogateescape")):
        digest = hashlib.sha256(f"{request.method}\n{path}\n{rest}".encode()).hexdigest()
        expected = _hex_hmac(key, f"{_V4}\n{timestamp}\n{signed_scope}\n{digest}")
        if hmac.compare_digest(expected.encode(), given.encode()):
            return ChunkSigner(key=key, timestamp=timestamp, scope=signed_scope, seed=expected)
    raise _mismatch()


def _verify_v2(
    request: SignedRequest, query: Mapping[str, str], *, secret: str, now: datetime | None
) -> None:
    headers = request.headers
    if now is None:
        date, given = query.get("Expires", ""), query.get("Signature", "")
    else:
        _check_skew(headers.get("x-amz-date") or headers.get("date", ""), now)
        date = "" if "x-amz-date" in headers else headers.get("date", "")
        given = headers["authorization"].rpartition(":")[2].strip()
    amz = sorted((name, value) for name, value in headers.items() if name.startswith("x-amz-"))
    pairs = sorted((n, v) for n, v in _pairs(request.query) if n in _V2_QUERY)
    resource = request.path
    if pairs:
        resource += "?" + "&".join(n if not v else f"{n}={v}" for n, v in pairs)
    text = "\n".join(
        [
            request.method,
            headers.get("content-md5", ""),
            headers.get("content-type", ""),
            date,
            *(f"{name}:{value.strip()}" for name, value in amz),
            resource,
        ]
    )
    expected = b64encode(hmac.digest(secret.encode(), text.encode(), "sha1"))
    if not hmac.compare_digest(expected, given.encode()):
        raise _mismatch()


def _check_skew(text: str, now: datetime) -> None:
    try:
        signed = _timestamp(text) if text[:8].isdigit() else parsedate_to_datetime(text)
        skewed = abs(signed.astimezone(UTC) - now) > _MAX_SKEW
    except ValueError:
        raise Fault(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date", status=403
        ) from None
    if skewed:
        raise Fault(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            status=403,
        )


def _scope(credential: str) -> CredentialScope | None:
    # The access key may hold slashes; what follows it may not.
    parts = credential.rsplit("/", 4)
    if len(parts) == 5 and parts[4] == "aws4_request" and re.fullmatch(r"\d{8}", parts[1]):
        return CredentialScope(parts[0], parts[1], parts[2], parts[3])
    parts = credential.rsplit("/", 3)  # Version 4A names no region
    if len(parts) == 4 and parts[3] == "aws4_request" and re.fullmatch(r"\d{8}", parts[1]):
        return CredentialScope(parts[0], parts[1], "", parts[2])
    return None


def _timestamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for piece in query.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            yield unquote(name), unquote(value)


def _canonical_query(query: str) -> str:
    pairs = [
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in _pairs(query)
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _hex_hmac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _mismatch() -> Fault:
    return Fault(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        status=403,
    )
