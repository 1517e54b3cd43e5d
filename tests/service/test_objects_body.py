"""Framed bodies: however they are cut, the payload is the same, and nothing false passes."""

from __future__ import annotations

import hashlib
import hmac
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.service.faults import Fault
from gt_workflow.service.s3.body import ChunkedDecoder, Document, Intake
from gt_workflow.service.s3.signatures import ChunkSigner

KEY, STAMP, SCOPE = b"key", "20260101T000000Z", "20260101/us-east-1/s3/aws4_request"


def signer() -> ChunkSigner:
    return ChunkSigner(key=KEY, timestamp=STAMP, scope=SCOPE, seed="seed")


def frame(chunks: list[bytes], *, signed: bool = False, trailers: dict[str, str] | None = None):
    """Frame as the documentation says; written anew, not with the code under test."""
    previous, out = "seed", b""
    for data in [*chunks, b""]:
        line = f"{len(data):x}"
        if signed:
            text = "\n".join(
                [
                    "AWS4-HMAC-SHA256-PAYLOAD",
                    STAMP,
                    SCOPE,
                    previous,
                    hashlib.sha256(b"").hexdigest(),
                    hashlib.sha256(data).hexdigest(),
                ]
            )
            previous = hmac.new(KEY, text.encode(), "sha256").hexdigest()
            line += f";chunk-signature={previous}"
        out += line.encode() + b"\r\n" + data + (b"\r\n" if data else b"")
    lines = "".join(f"{name}:{value}\n" for name, value in (trailers or {}).items())
    out += lines.replace("\n", "\r\n").encode()
    if signed and trailers:
        digest = hashlib.sha256(lines.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256-TRAILER\n{STAMP}\n{SCOPE}\n{previous}\n{digest}"
        signature = hmac.new(KEY, text.encode(), "sha256").hexdigest()
        out += f"x-amz-trailer-signature:{signature}\r\n".encode()
    return out + b"\r\n"


def decode(decoder: ChunkedDecoder, pieces: list[bytes]) -> bytes:
    payload = b"".join(bytes(data) for piece in pieces for data in decoder.feed(piece))
    decoder.finish()
    return payload


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=4),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    signed=st.booleans(),
    trailers=st.dictionaries(st.sampled_from(["x-amz-a", "x-amz-b"]), st.sampled_from(["", "1="])),
)
def test_a_frame_is_undone_however_it_is_cut(chunks, cuts, signed, trailers):
    framed = frame(chunks, signed=signed, trailers=trailers)
    edges = [0, *sorted(min(cut, len(framed)) for cut in cuts), len(framed)]
    pieces = [framed[a:b] for a, b in pairwise(edges)]
    decoder = ChunkedDecoder(signer() if signed else None)
    assert decode(decoder, pieces) == b"".join(chunks)
    assert decoder.trailers == trailers


@given(st.binary(max_size=60))
def test_any_bytes_are_a_frame_or_refused(data):
    try:
        decode(ChunkedDecoder(None), [data])
    except Fault as refused:
        assert refused.code == "IncompleteBody"  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    "framed",
    [
        b"",
        b"5\r\nhello",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"\r\n0\r\n\r\n",
        b"11111111111111111\r\n",
        b"0\r\n\r\nmore",
        b"0;" + b"x" * 5000,
        b"0\r\n" + b"a:b\r\n" * 10_000,
    ],
)
def test_a_broken_frame_is_refused(framed):
    with pytest.raises(Fault) as refused:
        decode(ChunkedDecoder(None), [framed])
    assert refused.value.code == "IncompleteBody"


def test_the_empty_line_at_the_end_may_be_missing():
    assert decode(ChunkedDecoder(None), [b"5\r\nhello\r\n0\r\n"]) == b"hello"


@pytest.mark.parametrize(
    "change", [(b"hello", b"jello"), (b"signature=", b"signature=0"), (b"1=", b"2=")]
)
def test_a_signed_frame_cannot_be_changed(change):
    framed = frame([b"hello"], signed=True, trailers={"x-amz-a": "1="})
    assert decode(ChunkedDecoder(signer()), [framed]) == b"hello"
    with pytest.raises(Fault) as refused:
        decode(ChunkedDecoder(signer()), [framed.replace(*change, 1)])
    assert refused.value.code == "SignatureDoesNotMatch"


def test_a_signed_frame_needs_its_signatures():
    unsigned = frame([b"hello"])
    with pytest.raises(Fault):
        decode(ChunkedDecoder(signer()), [unsigned])
    framed = frame([b"hello"], signed=True)[:-2] + b"x-amz-a:1\r\n\r\n"
    with pytest.raises(Fault) as refused:
        decode(ChunkedDecoder(signer()), [framed])
    assert refused.value.code == "MalformedTrailerError"


def take(framed: bytes, **headers: str) -> tuple[bytes, dict[str, str]]:
    document = Document(1000)
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    intake = Intake(
        document, {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", **said}, None
    )
    intake.feed([framed])
    checksums = intake.finish()
    return bytes(document.data), checksums


def test_a_trailing_checksum_is_verified():
    name = "x-amz-checksum-crc32"
    options = {"x_amz_decoded_content_length": "5", "x_amz_trailer": name}
    good = frame([b"hello"], trailers={name: "NhCmhg=="})
    assert take(good, **options) == (b"hello", {"crc32": "NhCmhg=="})
    for framed, code in (
        (frame([b"jello"], trailers={name: "NhCmhg=="}), "BadDigest"),
        (frame([b"hello"]), "MalformedTrailerError"),
        (frame([b"hello!"], trailers={name: "NhCmhg=="}), "IncompleteBody"),
        (frame([b"hell"], trailers={name: "NhCmhg=="}), "IncompleteBody"),
    ):
        with pytest.raises(Fault) as refused:
            take(framed, **options)
        assert refused.value.code == code
    with pytest.raises(Fault) as refused:
        take(good, x_amz_decoded_content_length="5")
    assert refused.value.code == "MalformedTrailerError"


def test_a_trailing_checksum_that_cannot_be_verified_is_not_claimed():
    framed = frame([b"hello"], trailers={"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="})
    options = {"x_amz_decoded_content_length": "5", "x_amz_trailer": "x-amz-checksum-crc64nvme"}
    assert take(framed, **options) == (b"hello", {})
