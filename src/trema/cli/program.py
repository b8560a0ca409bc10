"""A script or module that runs as ``__main__`` of this process."""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import io
import os
import sys
from dataclasses import dataclass
from types import CodeType, ModuleType, TracebackType

from trema.core.errors import UsageError


@dataclass(frozen=True)
class Program:
    """What is to run: a path, its arguments, and what Python would set up for it."""

    path: str  # absolute, as `__file__` is
    word: str  # sys.argv[0]
    arguments: tuple[str, ...]
    first_path: str  # sys.path[0]
    spec: importlib.machinery.ModuleSpec | None = None

    def run(self) -> None:
        """Run it as Python would; its exceptions come through."""
        sys.argv[:] = [self.word, *self.arguments]
        if sys.path:
            sys.path[0] = self.first_path
        module = self._module()
        sys.modules["__main__"] = module  # stays: pickled classes and exit hooks look there
        exec(self._code(), module.__dict__)

    def report(self, error: BaseException) -> None:
        """Print the traceback that Python would print: without the frames of Trema."""
        hook = sys.excepthook
        hook(type(error), error.with_traceback(self._own(error.__traceback__)), error.__traceback__)

    def _module(self) -> ModuleType:
        module = ModuleType("__main__")
        loader = importlib.machinery.SourceFileLoader("__main__", self.path)
        module.__dict__.update(
            __file__=self.path,
            __builtins__=builtins,
            __loader__=self.spec.loader if self.spec else loader,
            __spec__=self.spec,
            __package__=self.spec.parent if self.spec else None,
            __cached__=None,
        )
        return module

    def _code(self) -> CodeType:
        if self.spec is not None and self.spec.loader is not None:
            code = self.spec.loader.get_code(self.spec.name)  # type: ignore[attr-defined]  # checked
            assert isinstance(code, CodeType)
            return code
        with io.open_code(self.path) as file:
            return compile(file.read(), self.path, "exec", dont_inherit=True)

    def _own(self, trace: TracebackType | None) -> TracebackType | None:
        """The traceback from the first frame behind this file."""
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == __file__:
                last = trace.tb_next
                while last is not None and last.tb_frame.f_code.co_filename == __file__:
                    last = last.tb_next
                return last
            trace = trace.tb_next
        return None


def find_script(path: str, arguments: list[str]) -> Program:
    """The script at this path.

    Raises
    ------
    UsageError
        When there is none.
    """
    if os.path.isdir(path):
        raise UsageError(f"expected a script but {path!r} is a folder: name the file in it")
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(
            f"expected a script but cannot read {path!r} ({reason}): check the path, or use "
            "trema run -m for a module"
        ) from None
    folder = os.path.dirname(os.path.realpath(path))
    return Program(os.path.abspath(path), path, tuple(arguments), folder)


def find_module(name: str, arguments: list[str]) -> Program:
    """The module of this name, or ``__main__`` of this package.

    Raises
    ------
    UsageError
        When there is none that can be run.
    """
    if sys.path:
        sys.path[0] = os.getcwd()
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise UsageError(f"expected a module but cannot find {name!r}: {error}") from None
    if spec is None or spec.origin is None or not hasattr(spec.loader, "get_code"):
        raise UsageError(f"expected a module that can be run but {name!r} is none: check the name")
    return Program(spec.origin, spec.origin, tuple(arguments), os.getcwd(), spec)
