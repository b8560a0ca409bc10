"""Attach to each framework when the script imports it (``trema run``).

A finder at the front of ``sys.meta_path`` lets the usual finders find the framework and runs the
adapter's ``auto_attach`` right after its import. An error in Trema never fails the import.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from trema.core.config import disabled
from trema.engine import active

#: Framework -> module with ``auto_attach()``.
ADAPTERS = {
    "torch": "trema.adapters.torch",
    "keras": "trema.adapters.keras",
    "lightning.pytorch": "trema.adapters.lightning",
    "pytorch_lightning": "trema.adapters.lightning",
    "transformers.trainer": "trema.adapters.transformers",
}


def install() -> None:
    """Attach to what is imported already, and to the rest when it is imported."""
    if disabled() or any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for framework in ADAPTERS:
        if framework in sys.modules:
            attach(framework)
    sys.meta_path.insert(0, _Finder())


def attach(framework: str) -> None:
    """Call the adapter's ``auto_attach``; an error is noted, never raised."""
    try:
        importlib.import_module(ADAPTERS[framework]).auto_attach()
    except Exception as error:
        session = active.current()
        if session is not None:
            try:
                session.failed(f"{framework} adapter", error)
            except Exception:  # strict sessions raise; an import must not fail for it
                pass


class _Finder(MetaPathFinder):
    def __init__(self) -> None:
        self._searching: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in ADAPTERS or fullname in self._searching:
            return None
        self._searching.add(fullname)
        try:
            spec = find_spec(fullname)
        except Exception:  # the usual finders will say it better
            return None
        finally:
            self._searching.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Attaching(spec.loader)
        return spec


class _Attaching(Loader):
    """The framework's own loader, with a call afterwards."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._original.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._original  # the framework sees no trace of us
        if module.__spec__ is not None:
            module.__spec__.loader = self._original
        self._original.exec_module(module)
        attach(module.__name__)
