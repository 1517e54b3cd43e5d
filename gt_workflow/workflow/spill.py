"""Texts by number, in a temporary file: labels of a whole job do not have to fit in memory."""

from __future__ import annotations

import tempfile
from array import array


class Spill:
    """Holds up to `size` texts, numbered from 0; a later one takes the place of an earlier."""

    def __init__(self, size: int) -> None:
        """Make room for `size` places (16 bytes each); the file appears with the first text."""
        self._start = array("q", [-1]) * size
        self._length = array("q", [0]) * size
        self._end = 0
        # Removed by its own `close`, and by the system if this process is killed.
        self._file = tempfile.TemporaryFile(prefix="gt-workflow-")  # noqa: SIM115 - closed there

    def __contains__(self, index: int) -> bool:
        """Tell whether there is a text of this number."""
        return self._start[index] >= 0

    def put(self, index: int, text: bytes) -> None:
        """Keep a text."""
        self._file.seek(self._end)
        self._file.write(text)
        self._start[index], self._length[index] = self._end, len(text)
        self._end += len(text)

    def get(self, index: int) -> bytes | None:
        """Return a text, or None."""
        if index not in self:
            return None
        self._file.seek(self._start[index])
        return self._file.read(self._length[index])

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
