"""The built page, out of the package: only files that are there, found by name and not by path."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

PACKAGED = Path(__file__).parent.parent / "static"
#: Vite writes the hash of its content into the name of a file: it never changes.
_HASHED = re.compile(r"assets/.+[-.][\w-]{8,}\.\w+")
#: Spelled out, because the table of the system may say that a script is plain text.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_MISSING = """\
The page of Trema is not built in this installation.

It is part of every released package: pip install --upgrade 'trema[server]'
In a checkout of the source, make web builds it (npm ci && npm run build, in the folder web).

The API answers below /api/ all the same.
"""


class StaticFiles:
    """The page and its assets."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = PACKAGED if folder is None else folder
        self._files = self._found()

    def serve(self, request: Request) -> Response:
        """A file by its name; ``/`` is the page."""
        name = request.path_params["path"] or "index.html"
        if name not in self._files:
            self._files = self._found()  # it may have been built since
        path = self._files.get(name)
        if path is None:
            if name == "index.html":
                return PlainTextResponse(_MISSING, 503, {"Cache-Control": "no-store"})
            return PlainTextResponse("There is no such file.\n", 404, {"Cache-Control": "no-store"})
        age = "public, max-age=31536000, immutable" if _HASHED.fullmatch(name) else "no-store"
        return FileResponse(path, media_type=_TYPES[path.suffix], headers={"Cache-Control": age})

    def _found(self) -> dict[str, Path]:
        """Files by their name in an address; a link could lead elsewhere and is left out."""
        return {
            path.relative_to(self._folder).as_posix(): path
            for path in sorted(self._folder.rglob("*"))
            if path.suffix in _TYPES and path.is_file() and not path.is_symlink()
        }
