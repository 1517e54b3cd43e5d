"""The page's files, and the headers under which a browser runs nothing but them.

The files are read once, at the start, from the package; a request can only name one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INDEX: Final = "index.html"
# The frame that a worker template runs in has nobody's origin, and yet loads scripts and styles
# from here. They are the same for everybody, so anybody may have them.
_PUBLIC: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'self'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guarded:
    """Sets the security headers on every answer of an application, but those that it has set."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an ASGI application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the answer back with the headers."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)


def page_routes() -> list[Route]:
    """Return the routes of the page and its files, relative to the portal's prefix."""
    loaded = _load()

    async def serve(request: Request) -> Response:
        name = request.path_params.get("name", _INDEX)
        if name not in loaded:
            raise HTTPException(404, "There is no such file.")
        content, media_type = loaded[name]
        # Asked again each time, answered in a few bytes: a new version is seen at once.
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Type": media_type}
        if name != _INDEX:
            headers |= _PUBLIC
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers)

    return [Route("/", serve), Route("/static/{name:path}", serve)]


def _load() -> dict[str, tuple[bytes, str]]:
    return dict(_files(files("gt_workflow.service.portal").joinpath("static"), ""))


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    for entry in folder.iterdir():
        media_type = _TYPES.get(f".{entry.name.rpartition('.')[2]}")
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        elif media_type is not None:
            yield prefix + entry.name, (entry.read_bytes(), media_type)
