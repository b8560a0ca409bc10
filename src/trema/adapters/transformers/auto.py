"""Attach to every Trainer that an unmodified script makes (``trema run``)."""

from __future__ import annotations

import functools
from typing import Any

import transformers

from trema.adapters.torch import auto, locate
from trema.adapters.transformers.places import tokenizer_calls
from trema.adapters.transformers.watch import Watch
from trema.core.config import disabled
from trema.source.construction import construction_site
from trema.source.frames import call_site

_attached = False


def auto_attach() -> None:
    """Give every Trainer a :class:`Watch` from now on; a second call does nothing."""
    global _attached
    if _attached or disabled():
        return
    _attached = True
    _watch_trainers()
    _note_arguments()
    _note_tokenizers()


def _watch_trainers() -> None:
    kind: Any = transformers.Trainer
    make, optimize = kind.__init__, kind.create_optimizer

    @functools.wraps(make)
    def __init__(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        try:
            if not any(isinstance(c, Watch) for c in self.callback_handler.callbacks):
                watch = Watch()
                watch.made_at(construction_site(self))
                watch.on_init_end(self.args, self.state, self.control, optimizer=self.optimizer)
                self.callback_handler.callbacks.append(watch)
        except Exception:  # a Trainer of one's own may keep its callbacks elsewhere
            pass

    @functools.wraps(optimize)
    def create_optimizer(self: Any, *args: Any, **options: Any) -> Any:
        auto.paused += 1  # the callback watches it, and knows the model
        try:
            return optimize(self, *args, **options)
        finally:
            auto.paused -= 1

    kind.__init__ = __init__
    kind.create_optimizer = create_optimizer


def _note_arguments() -> None:
    """Note where training arguments are made; subclasses share this method."""
    kind: Any = transformers.TrainingArguments
    original = kind.__post_init__

    @functools.wraps(original)
    def __post_init__(self: Any, *args: Any, **options: Any) -> None:
        try:
            locate.made.record(self)
        except Exception:  # a line is never worth an error in the user's constructor
            pass
        original(self, *args, **options)

    kind.__post_init__ = __post_init__


def _note_tokenizers() -> None:
    """Note where each tokenizer is first called."""
    kind: Any = transformers.PreTrainedTokenizerBase
    original = kind.__call__

    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **options: Any) -> Any:
        try:
            if tokenizer_calls.site(self) is None:
                tokenizer_calls.record(self, call_site())
        except Exception:
            pass
        return original(self, *args, **options)

    kind.__call__ = __call__
