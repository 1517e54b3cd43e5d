"""What this machine offers to our own service; looking leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import closing
from pathlib import Path


def unwritable(folder: Path) -> str:
    """Return why nothing can be written in a folder that may not be there yet; "" if it can."""
    place = nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        return f"{place}: {error.strerror or error}"


def free_bytes(folder: Path) -> int:
    """Return the room on the folder's disk that this user may fill."""
    return shutil.disk_usage(nearest(folder)).free


def nearest(folder: Path) -> Path:
    """Return the folder, or the lowest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if os.path.lexists(path))


def port_taken(port: int) -> bool:
    """Tell whether a program listens on a port of this machine."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def held(lock: Path) -> bool:
    """Tell whether a process holds a lock file."""
    from filelock import FileLock, Timeout

    if not lock.is_file():
        return False
    try:
        with FileLock(lock).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may not be written is told by itself
        return False
