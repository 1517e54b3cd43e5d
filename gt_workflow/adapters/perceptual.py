"""What an image looks like, in 64 bits: pHash, the signs of its lowest frequencies.

The picture is reduced to 32 x 32 gray values; of their two-dimensional cosine transform the lowest
8 x 8 coefficients are taken, and each bit tells whether one of them is above their median. As in
C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), and in the
package imagehash; that one would bring SciPy and PyWavelets along for these few lines.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL.Image import Image

_GRAY: Final = 32
_LOW: Final = 8
_FLAT: Final = 3.0
"""Gray levels; an image that varies less (standard deviation) is told apart by noise alone."""


def perceptual_hash(image: Image) -> str:
    """Return a decoded image's hash as 16 hexadecimal digits, "" for one that is all but flat."""
    import numpy as np
    from PIL.Image import Resampling

    width, height = image.size
    # A mean over whole blocks first: it is quick, and leaves the filter below little to read.
    block = max(1, min(width, height) // (4 * _GRAY))
    small = image.reduce(block) if block > 1 else image
    gray = small.convert("L").resize((_GRAY, _GRAY), Resampling.BOX)
    pixels = np.asarray(gray, dtype=np.float64)
    if pixels.std() < _FLAT:
        return ""
    basis = _cosines()
    low = (basis @ pixels @ basis.T).ravel()
    return f"{int.from_bytes(np.packbits(low > np.median(low)).tobytes(), 'big'):016x}"


@cache
def _cosines() -> Any:
    """Return the 8 lowest rows of the cosine transform (DCT-II) of 32 values."""
    import numpy as np

    places = np.pi * (2 * np.arange(_GRAY) + 1) / (2 * _GRAY)
    return np.cos(np.arange(_LOW)[:, None] * places[None, :])
