"""What an image is called in a channel: plain ASCII, one stem one image, no dot but the last.

The container pairs `train/a.jpg` with `train_annotation/a.json` by the stem, so that `a.jpg` and
`a.png`, or `x/a.jpg` and `y/a.jpg`, would share one annotation; and it is Python 2 inside, which
is no friend of other letters. A name that has to be changed gets eight hex digits of its address
behind it, so that it does not depend on the other images.
"""

from __future__ import annotations

import hashlib
import re

_LONGEST = 80
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


class Names:
    """Hands out stems, none twice, whatever the case of their letters."""

    def __init__(self) -> None:
        """Begin with none taken."""
        self._taken: set[str] = set()

    def stem(self, source_ref: str, *, line: int) -> str:
        """Name the image at this address, as line `line` (from 1) of the manifest has it."""
        base = source_ref.rstrip("/").rpartition("/")[2]
        stem = base.rpartition(".")[0] or base
        plain = _OTHER.sub("_", stem)[:_LONGEST]
        if plain and plain == stem and self._take(plain):
            return plain
        digest = hashlib.sha256(source_ref.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        marked = f"{plain.strip('_') or 'image'}-{digest}"
        if self._take(marked):
            return marked
        # The same address on several lines, or a name made to look like ours.
        unique = f"{marked}-{line}"
        while not self._take(unique):
            unique += "-"
        return unique

    def _take(self, stem: str) -> bool:
        key = stem.lower()
        if key in self._taken:
            return False
        self._taken.add(key)
        return True
