"""Call sites: which line of the user's code is running, captured cheaply and resolved later."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from functools import cache
from itertools import islice
from types import CodeType, FrameType
from typing import NamedTuple

from trema.core.diagnosis import Location
from trema.source import notebook
from trema.source.reading import file_version, source_tree

# Installed packages, code that TensorFlow and PyTorch generate, and debuggers of editors.
_PACKAGES = re.compile(
    r"[\\/](?:site-packages|dist-packages|pydev|debugpy)[\\/]"
    r"|[\\/](?:__autograph_generated_file|torchinductor_|torch_compile_debug)"
)
_user_files: dict[str, str | None] = {}  # by co_filename: the absolute path, None in a library
_first_seen: dict[str, object] = {}  # version of each user's file when its code was first met


def is_user_file(filename: str) -> bool:
    """Whether code with this file name is the user's: not Python's, a library's or Trema's.

    Notebook cells are the user's. The answer, and what a relative name refers to, are fixed when
    first asked, because a script may change its working directory.
    """
    return user_path(filename) is not None


def user_path(filename: str) -> str | None:
    """The absolute path of a user's file, a notebook cell's own name, or None for other code."""
    try:
        return _user_files[filename]
    except KeyError:
        path = _user_files[filename] = _decide(filename)
        return path


class CallSite(NamedTuple):
    """A place in running code: code object and instruction; holds no frame, so no variables."""

    code: CodeType
    instruction: int  # offset in bytes, `f_lasti`

    @property
    def file(self) -> str:
        """The absolute path, or the name of a notebook cell."""
        return user_path(self.code.co_filename) or self.code.co_filename

    @property
    def line(self) -> int | None:
        """The line, counted from 1; None for instructions without one."""
        return _position(self)[0]

    def resolve(self) -> Location | None:
        """The call that was running here, or else the expression; None where no line is known.

        The line comes from the compiled code, so it is right for the version that ran. Column and
        text are left out when the file was edited since.
        """
        line, end_line, column, end_column = _position(self)
        if line is None:
            return None
        file = self.file
        cell = notebook.cell_number(file)
        tree = source_tree(file) if _first_seen.get(file) in (None, file_version(file)) else None
        if tree is None:
            only_line = Location(file=file, line=line, cell=cell)
            return None if notebook.is_cell(file) else only_line
        if end_line is None or column is None or end_column is None:  # python -X no_debug_ranges
            return Location(file=file, line=line, cell=cell, text=tree.line(line))
        if (end_line, end_column) not in tree.ends:
            return Location(file=file, line=line, cell=cell)
        return tree.span(line, column, end_line, end_column)


def user_frame(frame: FrameType | None = None) -> FrameType | None:
    """The innermost frame of the user's code, from `frame` (default: the caller) outwards.

    Do not keep it: a frame keeps every local variable alive.
    """
    if frame is None:
        frame = sys._getframe(1)
    found: FrameType | None = frame
    known = _user_files
    while found is not None:
        filename = found.f_code.co_filename
        path = known[filename] if filename in known else user_path(filename)
        if path is not None:
            return found
        found = found.f_back
    return None


def call_site(frame: FrameType | None = None) -> CallSite | None:
    """Where the user's code is now: the innermost user frame as a site; about 1 microsecond."""
    found = user_frame(frame if frame is not None else sys._getframe(1))
    return CallSite(found.f_code, found.f_lasti) if found is not None else None


def call_stack(frame: FrameType | None = None, limit: int = 8) -> tuple[CallSite, ...]:
    """The user's part of the stack, outermost first; the innermost `limit` sites of it."""
    sites: list[CallSite] = []
    found = user_frame(frame if frame is not None else sys._getframe(1))
    while found is not None and len(sites) < limit:
        sites.append(CallSite(found.f_code, found.f_lasti))
        found = user_frame(found.f_back) if found.f_back is not None else None
    return tuple(reversed(sites))


def _position(site: CallSite) -> tuple[int | None, int | None, int | None, int | None]:
    """Line, end line, byte columns of an instruction."""
    positions = list(islice(site.code.co_positions(), site.instruction // 2 + 1))
    for position in reversed(positions[-8:]):  # CPython 3.11.0 leaves inline caches without one
        if position[0] is not None:
            return position
    return None, None, None, None


def _decide(filename: str) -> str | None:
    if notebook.is_cell(filename):
        return filename
    if not filename or filename.startswith("<"):
        return None
    try:
        path = os.path.abspath(filename)
        if _is_library(path) or _is_library(os.path.realpath(path)):
            return None
    except (OSError, ValueError):
        return None
    _first_seen[path] = file_version(path)
    return path


def _is_library(path: str) -> bool:
    return bool(_PACKAGES.search(path)) or os.path.normcase(path).startswith(_library_folders())


@cache
def _library_folders() -> tuple[str, ...]:
    """Folders of Python and Trema; not `sys.prefix`, which may hold the user's project."""
    named = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    folders = [sysconfig.get_path(name) for name in named]
    folders += [os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(__file__))]
    both = {*map(os.path.abspath, folders), *map(os.path.realpath, folders)}
    return tuple(os.path.normcase(os.path.join(folder, "")) for folder in both)
