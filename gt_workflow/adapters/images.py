"""Pillow behind the `Images` port: every image becomes an upright JPEG or PNG of 3 x 8 bits.

    kept      JPEG (also the first picture of an MPO) and PNG with 3 x 8 bits, no alpha and no
              EXIF orientation: byte for byte
    converted EXIF orientation, grayscale, palette, alpha (laid over white), 16 bits, CMYK;
              BMP, TIFF (first page), WEBP, GIF: lossless sources to PNG, others to JPEG
    refused   empty, truncated, damaged, animated, above the limits (from the header, before a
              pixel is decoded), 32 bits a channel, any other format

A JPEG that must be written again keeps its chroma subsampling and quantises nowhere coarser than
it did, nor than quality 95. An ICC profile stays as long as it describes the pixels. Only these
six formats are ever tried, so that no other decoder of Pillow's sees hostile bytes.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from gt_workflow.adapters import perceptual
from gt_workflow.adapters.headers import jpeg_is_complete, png_depth, read_size, webp_is_lossless
from gt_workflow.core.objects import MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS
from gt_workflow.ports import Inspection

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY: Final = 95
_ORIENTATION: Final = 0x0112
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
_SIXTEEN_BITS: Final = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_LOSSY_TIFF: Final = frozenset({"jpeg", "tiff_jpeg", "webp"})

# Pillow tells of odd files by `warnings`, whose filters belong to the whole process: one thread
# at a time may change them. Work in parallel is for processes.
_LOCK: Final = threading.Lock()


class _RefusedError(Exception):
    """The image is no use; the text says why."""


@dataclass(frozen=True, slots=True)
class PillowImages:
    """Decodes and converts images up to these limits, which are Ground Truth's."""

    max_bytes: int = MAX_IMAGE_BYTES
    max_pixels: int = MAX_IMAGE_PIXELS

    def inspect(self, data: bytes) -> Inspection:
        """Decode an image in full and return what to store of it, or why it is no use."""
        from PIL.Image import DecompressionBombError

        try:
            self._check_bytes(data)
            with quiet():
                return self._inspect(data)
        except _RefusedError as refusal:
            return Inspection(reason=str(refusal))
        except DecompressionBombError:
            return Inspection(reason=self._too_many_pixels())
        except MemoryError:
            return Inspection(reason="decoding it needs more memory than there is")
        except Exception as error:  # noqa: BLE001 - decoders raise anything on hostile bytes
            return Inspection(reason=_damage(error))

    def read_size(self, file: BinaryIO) -> tuple[int, int]:
        """Read a JPEG's or PNG's width and height from its header; `DataError` otherwise."""
        return read_size(file)

    def _check_bytes(self, data: bytes) -> None:
        if not data:
            raise _RefusedError("the file is empty")
        if len(data) > self.max_bytes:
            raise _RefusedError(_too_big(len(data), self.max_bytes))

    def _too_many_pixels(self) -> str:
        return (
            f"it has more than {self.max_pixels / 1e6:g} million pixels, the most that a labeling "
            "job takes; scale it down"
        )

    def _inspect(self, data: bytes) -> Inspection:
        image = _open(data)
        form = "JPEG" if image.format == "MPO" else str(image.format)
        width, height = image.size
        if width * height > self.max_pixels:
            raise _RefusedError(self._too_many_pixels())
        if form in {"GIF", "WEBP", "PNG"} and getattr(image, "is_animated", False):
            raise _RefusedError("it is an animation; save the pictures you want as files")
        if form == "PNG":
            _open(data).verify()
        subsampling = _subsampling(image)
        image.load()
        if form == "JPEG" and not jpeg_is_complete(data):
            raise _RefusedError("it is truncated: the end of the image is missing")
        return self._normalise(data, image, form, subsampling)

    def _normalise(self, data: bytes, image: Image, form: str, subsampling: int) -> Inspection:
        """Bring a decoded image into the one form that every later reader sees alike."""
        notes = [] if form in {"JPEG", "PNG"} else [f"{form} converted"]
        if form == "TIFF" and getattr(image, "n_frames", 1) > 1:
            notes.append("first page of several")
        upright = _upright(image, notes)
        pixels = _three_channels(upright, notes, sixteen=form == "PNG" and png_depth(data) == 16)
        look = perceptual.perceptual_hash(pixels)
        if not notes:
            return Inspection(data, form, *image.size, perceptual_hash=look)
        lossy = (
            form == "JPEG"
            or (form == "WEBP" and not webp_is_lossless(data))
            or (form == "TIFF" and image.info.get("compression") in _LOSSY_TIFF)
        )
        profile = _profile(image, "RGB ")
        if lossy:
            tables = _tables(image) if form == "JPEG" else None
            exif = _other_exif(upright) if form == "JPEG" else b""
            stored = _jpeg(pixels, profile=profile, exif=exif, tables=tables, chroma=subsampling)
        else:
            stored = _png(pixels, profile=profile)
            if len(stored) > self.max_bytes:
                lossy = True
                notes.append(f"JPEG of quality {_QUALITY}, as a PNG would be too big")
                stored = _jpeg(pixels, profile=profile, exif=b"", tables=None, chroma=0)
        if len(stored) > self.max_bytes:
            raise _RefusedError(_too_big(len(stored), self.max_bytes))
        kind = "JPEG" if lossy else "PNG"
        return Inspection(stored, kind, *pixels.size, "; ".join(notes), perceptual_hash=look)


def _too_big(size: int, limit: int) -> str:
    """Say that a file has more bytes than a labeling job takes."""
    return (
        f"it has {size / 1e6:.1f} MB, more than the {limit / 1e6:g} MB that a labeling job takes; "
        "save it smaller"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow's remarks on odd metadata to itself."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _open(data: bytes) -> Image:
    from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

    # Imported so that Pillow need not load all of its sixty plugins to know these two.
    del TiffImagePlugin, WebPImagePlugin
    try:
        return Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        raise _RefusedError(f"it is damaged, or none of {', '.join(_FORMATS)}") from None


def _damage(error: Exception) -> str:
    """Put a decoder's complaint into a sentence."""
    text = str(error).strip() or type(error).__name__
    word = "truncated" if "truncated" in text.lower() or isinstance(error, EOFError) else "damaged"
    return f"it is {word}: {text}"


def _upright(image: Image, notes: list[str]) -> Image:
    """Turn an image as its EXIF says (or its XMP, where there is no EXIF)."""
    from PIL import ImageOps
    from PIL.Image import Exif

    try:
        if block := image.info.get("exif"):
            Exif().load(block)  # raises what `getexif` has already swallowed at `open`
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - as in `inspect`: hostile bytes; the pixels are good
        notes.append("unreadable EXIF removed")
        return image
    if orientation is None or orientation == 1:
        return image
    if orientation not in range(2, 9):
        notes.append(f"meaningless EXIF orientation {orientation!r:.20} removed")
        return image
    notes.append(f"EXIF orientation {orientation} applied")
    return ImageOps.exif_transpose(image)


def _other_exif(image: Image) -> bytes:
    """Write the EXIF again without the orientation; better none than one that breaks the file."""
    try:
        exif = image.getexif()
        exif.pop(_ORIENTATION, None)
        written = exif.tobytes() if exif else b""
    except Exception:  # noqa: BLE001 - tags of wrong types; readers pass over them
        return b""
    return written if len(written) < 65_000 else b""  # a JPEG segment holds 65,533 bytes


def _three_channels(image: Image, notes: list[str], *, sixteen: bool) -> Image:
    """Return 8-bit RGB pixels; the very image if it has nothing else."""
    import PIL.Image

    mode = image.mode
    if sixteen and mode not in _SIXTEEN_BITS:
        notes.append("16 bits a channel reduced to 8")  # Pillow decodes them so
    if mode in {"I", "F"}:
        raise _RefusedError("it has 32 bits a channel and no stated range; save it with 8 bits")
    if mode in _SIXTEEN_BITS:
        notes.append("16-bit grayscale reduced to 8 bits and converted to RGB")
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L").convert("RGB")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        opaque = layers.getchannel("A").getextrema() == (255, 255)
        notes.append("opaque alpha channel removed" if opaque else "transparency laid over white")
        ground = PIL.Image.new("RGBA", layers.size, "white")
        return PIL.Image.alpha_composite(ground, layers).convert("RGB")
    if mode == "RGB":
        return image
    if mode == "CMYK":
        return _from_cmyk(image, notes)
    names = {"1": "black and white", "L": "grayscale", "P": "palette"}
    notes.append(f"{names.get(mode, mode)} converted to RGB")
    return image.convert("RGB")


def _from_cmyk(image: Image, notes: list[str]) -> Image:
    """Return the colours that the ICC profile means, or else a plain conversion's."""
    from PIL import ImageCms

    if profile := _profile(image, "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            rgb = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            rgb = None
        if rgb is not None:
            notes.append("CMYK converted to sRGB by its ICC profile")
            return rgb
    notes.append("CMYK converted to RGB")
    return image.convert("RGB")


def _profile(image: Image, space: str) -> bytes | None:
    """Return the ICC profile if it describes this colour space (four characters)."""
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and profile[16:20] == space.encode():
        return profile
    return None


def _subsampling(image: Image) -> int:
    """Return Pillow's number for a JPEG's chroma subsampling; -1 is the encoder's own choice."""
    from PIL import JpegImagePlugin

    return JpegImagePlugin.get_sampling(image)


def _tables(image: Image) -> list[list[int]]:
    """Return quantisation tables no coarser than the source's and than quality 95's.

    A turn by 90 degrees would swap a table's axes. Cameras' tables are all but symmetric, so the
    finer of both entries is taken.
    """
    import PIL.Image

    sample = PIL.Image.open(io.BytesIO(_jpeg(PIL.Image.new("RGB", (8, 8)))))
    best: Mapping[int, Any] = getattr(sample, "quantization", {})
    own: Mapping[int, Any] = getattr(image, "quantization", {})
    tables = []
    for index in (0, 1):
        table = list(own.get(index, best[index]))
        turned = [table[column * 8 + row] for row in range(8) for column in range(8)]
        tables.append([min(entries) for entries in zip(best[index], table, turned, strict=True)])
    return tables


def _jpeg(
    pixels: Image,
    *,
    profile: bytes | None = None,
    exif: bytes = b"",
    tables: list[list[int]] | None = None,
    chroma: int = -1,
) -> bytes:
    """Encode as a baseline JPEG; `tables` None is quality 95."""
    buffer = io.BytesIO()
    quality: dict[str, Any] = {"qtables": tables} if tables else {"quality": _QUALITY}
    _bare(pixels).save(
        buffer, "JPEG", subsampling=chroma, icc_profile=profile, exif=exif, **quality
    )
    return buffer.getvalue()


def _png(pixels: Image, *, profile: bytes | None) -> bytes:
    buffer = io.BytesIO()
    _bare(pixels).save(buffer, "PNG", icc_profile=profile)
    return buffer.getvalue()


def _bare(pixels: Image) -> Image:
    """Return the pixels without the metadata that Pillow would carry along by itself."""
    bare = pixels.copy()
    bare.info = {}
    return bare
