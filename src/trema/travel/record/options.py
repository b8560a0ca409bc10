"""What is recorded, how often, and how much of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trema.core.errors import UnknownOption, UsageError, did_you_mean

#: What the outputs of a head are, see :data:`trema.travel.heads.Kind`.
KINDS = ("softmax", "sigmoid", "multilabel")


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """Settings of a recording; every one has a default that suits most runs.

    schedule : "epoch" for each, "log" for log-spaced epochs, or every so many steps
    layer : name of the head, the linear layer that gives the logits and whose input is the
        representation; by default the last one that a forward pass runs
    kind : "softmax", "sigmoid" or "multilabel"; by default read off the network and its labels
    samples : at most so many of each split, evenly spaced; by default all
    batch : samples in a forward pass
    budget : bytes on disk; when they are used up, whole epochs are thinned out evenly
    compress : keep so many directions in place of the whole representation, see
        :mod:`trema.travel.record.compress`
    """

    schedule: str | int = "epoch"
    layer: str | None = None
    kind: str | None = None
    samples: int | None = None
    batch: int = 512
    budget: int = 4 * 2**30
    compress: int | None = None

    def __post_init__(self) -> None:
        steps = isinstance(self.schedule, int) and not isinstance(self.schedule, bool)
        if self.schedule not in ("epoch", "log") and not (steps and int(self.schedule) >= 1):
            raise UsageError(
                "schedule must be 'epoch', 'log' or a number of steps of at least 1 "
                f"but got {self.schedule!r}"
            )
        if self.kind is not None and self.kind not in KINDS:
            raise UsageError(f"kind must be one of {', '.join(KINDS)} but got {self.kind!r}")
        for name, least in (("samples", 2), ("batch", 1), ("budget", 1), ("compress", 2)):
            value = getattr(self, name)
            if value is None and name in ("samples", "compress"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"{name} must be a number of at least {least} but got {value!r}")

    @classmethod
    def of(cls, given: RecordOptions | Mapping[str, Any] | None) -> RecordOptions:
        """Options, or a mapping of some of them.

        Raises
        ------
        UnknownOption
            For an option that does not exist.
        UsageError
            For a value that cannot be.
        """
        if given is None:
            return cls()
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping):
            raise UsageError(
                f"travel_options must be a mapping, as in {{'schedule': 'log'}}, but got {given!r}"
            )
        known = [one.name for one in dataclasses.fields(cls)]
        for name in given:
            if name not in known:
                hint = did_you_mean(str(name), known)
                raise UnknownOption(f"there is no option {name!r} of a recording: {hint}")
        return cls(**given)
