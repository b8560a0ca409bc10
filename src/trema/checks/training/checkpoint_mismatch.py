"""A checkpoint whose names do not fit the model, loaded without an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.control import controlled, observed_calls
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History

_HOW = {
    "file": "the file has them with `{prefix}` before their names (`{given}` for `{wanted}`)",
    "model": "the model has `{prefix}` before the names of the file (`{wanted}` for `{given}`)",
    "nested": "the file has them one level deeper, under `{prefix}`",
    "other": "the file has tensors of the same shapes under other names (`{given}`)",
}


@register
@dataclass(frozen=True, kw_only=True)
class CheckpointMismatch(Check):
    """Weights loaded with ``strict=False`` whose names differ from those of the model, so that
    parameters the file does hold keep their random values.

    Why it matters: nothing fails; training starts from scratch, or on a frozen random backbone,
    and the result is blamed on the method.
    May be wrong when: a part of the same form as one in the file is meant to begin anew. A new
    head, or one of another shape, is not told, nor a load that a later one makes good.
    References: PyTorch, nn.Module.load_state_dict and nn.DataParallel.
    """

    id = "checkpoint-mismatch"
    title = "the checkpoint was not loaded"
    cause = Cause.INITIALIZATION
    severity = Severity.ERROR
    needs = frozenset({Fact.CONTROL})
    fixes = (
        Fix("load with `strict=True`, and leave out by name what is meant to be new"),
        Fix("take the prefix off: `{k.removeprefix('module.'): v for k, v in state.items()}`"),
        Fix("look at what `load_state_dict` returns: `missing_keys` and `unexpected_keys`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="load_state_dict strict=False missing keys module. prefix {framework}",
        torch="nn.Module.load_state_dict",
        keras="models/model_saving_apis/weights_saving_and_loading",
    )
    least: int = 1  # parameters left as they were

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for call in observed_calls(history, "loaded"):
            left = int(call["total"]) - int(call["filled"])
            names = tuple(call.get("parameters", ()))
            if left < self.least or not names:
                continue
            how = _HOW.get(call["how"], _HOW["other"]).format(**call)
            yield self.diagnosis(
                f"loading filled {call['filled']} of {call['total']} parameters and left {left} at "
                f"their random values: {how}",
                Evidence(
                    Fact.CONTROL,
                    float(call["filled"]),
                    limit=float(call["total"]),
                    unit="parameters",
                    name="filled",
                ),
                where=Where(parameter=names[0]),
                location=history.run.place("load-state"),
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def loaded(filled: int, total: int, **more: Any) -> History:
            data = {"how": "file", "prefix": "module.", "wanted": "0.weight"}
            data |= {"given": "module.0.weight", "parameters": ["backbone.0.weight"]} | more
            return controlled("loaded", {"filled": filled, "total": total, **data})

        yield fires("saved from DataParallel", loaded(0, 6), severity=Severity.ERROR)
        yield fires("the whole checkpoint was given", loaded(0, 6, how="nested", prefix="model"))
        yield fires("half of the model", loaded(4, 10))
        yield fires("names of another class", loaded(0, 6, how="other", given="fc1.weight"))
        yield quiet("all is filled", loaded(6, 6))
        yield quiet("a later load filled them", loaded(0, 6, parameters=[]))
        yield quiet("no such load", controlled("restored"))
