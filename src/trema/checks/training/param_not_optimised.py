"""Trainable parameters that no optimizer holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import looped, wiring
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Parameter, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class ParamNotOptimised(Check):
    """Parameters that get gradients from the loss, stand in no optimizer and do not move.

    Why it matters: such a layer keeps its first random values. It happens when a layer is replaced
    after the optimizer was made, kept in a plain list, or when only a part is handed over.
    May be wrong when: random features are meant. A pretrained backbone below a new head is told as
    information only: freeze it, and its gradients are not computed either.
    References: TrainCheck (Jiang et al., OSDI 2025); PyTorch, torch.optim.
    """

    id = "param-not-optimised"
    title = "parameters are in no optimizer"
    cause = Cause.OPTIMIZER
    severity = Severity.ERROR
    needs = frozenset({Fact.WIRING})
    fixes = (
        Fix("make the optimizer after the model is complete: `Adam(model.parameters())`"),
        Fix("keep layers in `nn.ModuleList` or `nn.ModuleDict`, not in a list or dictionary"),
        Fix("if they are meant to stand still, set `requires_grad_(False)`: it also saves time"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="parameters not updated not in optimizer {framework}",
        torch="optim.Optimizer.add_param_group",
        keras="optimizers",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        data = wiring(history)
        if data is None or not data["missing"]:
            return
        missing: list[Mapping[str, Any]] = list(data["missing"])
        names = [str(m["name"]) for m in missing]
        why = self._why(history, data, missing)
        share = data["missing_size"] / max(1, data["size"] + _outside(missing))
        shown = ", ".join(f"`{name}`" for name in names[:3]) + (" …" if len(names) > 3 else "")
        yield self.diagnosis(
            f"{data['missing_count']} parameters ({shown}; {share:.0%} of all values) get "
            "gradients but stand in no optimizer and do not move"
            + (f": {why}" if why else ", perhaps on purpose"),
            Evidence(Fact.WIRING, float(data["missing_count"]), limit=0.0, unit="parameters"),
            where=Where(parameter=names[0]),
            location=self._place(history, names[0], hidden=bool(missing[0]["hidden"])),
            severity=Severity.ERROR if why else Severity.INFO,
            confidence="measured" if why else "possible",
        )

    def _why(
        self, history: History, data: Mapping[str, Any], missing: list[Mapping[str, Any]]
    ) -> str:
        twice = data.get("twice")
        if twice and all(str(m["name"]).startswith("outside ") for m in missing):
            return (
                f"the optimizer holds {twice[0]['count']} parameters that another one "
                f"(`{twice[0]['optimizer']}`) moves as well, instead of these"
            )
        if any(m["hidden"] for m in missing):
            return "their layers are not registered in the model, which `model.parameters()` reads"
        if data["replaced"]:
            return (
                f"the optimizer still holds {data['replaced']} parameters that have left the model"
            )
        if any(m["untrained"] for m in missing):
            return "they keep their first random values"
        trained = [p.name for p in history.run.parameters if p.trainable]
        last = trained[-1].rsplit(".", 1)[0] if trained else ""
        if any(str(m["name"]).rsplit(".", 1)[0] == last for m in missing):
            return "the last layer is among them"
        return ""

    def _place(self, history: History, name: str, *, hidden: bool) -> Any:
        for optimizer in history.run.optimizers:
            if optimizer.location is not None:
                return optimizer.location
        return history.run.place("step")

    @staticmethod
    def cases() -> Iterator[Case]:
        parameters = tuple(
            Parameter(name=f"{layer}.weight", shape=(8, 8), dtype="float32", layer=layer)
            for layer in ("first", "second", "last")
        )
        run = RunInfo(parameters=parameters)

        def seen(*names: str, untrained: bool = False, hidden: bool = False, replaced: int = 0,
                 twice: int = 0) -> History:  # fmt: skip
            missing = [
                {"name": f"{n}.weight", "size": 64, "untrained": untrained, "hidden": hidden}
                for n in names
            ]
            data = {
                "missing": missing, "missing_count": len(missing), "size": 192,
                "missing_size": 64 * len(missing), "replaced": replaced, "trainable": 3,
                "repeated": [],
                "twice": [{"optimizer": "Adam", "count": twice, "names": ["0"]}] if twice else [],
            }  # fmt: skip
            return looped(run, wiring=data)

        yield fires("the head was replaced", seen("last", untrained=True, replaced=1))
        yield fires("layers in a list", seen("blocks.0", untrained=True, hidden=True))
        yield fires(
            "the optimizer was given the other network",
            seen("outside the model 0: 8x8", untrained=True, hidden=True, twice=4),
        )
        yield fires("the last layer", seen("last"), severity=Severity.ERROR)
        yield fires(
            "a pretrained backbone below a new head",
            seen("first", "second"),
            severity=Severity.INFO,
        )
        yield quiet("every parameter is held", seen())
        yield quiet("nothing was looked at", looped(run))
        yield quiet("accumulation", looped(run, backwards=4.0))


def _outside(missing: list[Mapping[str, Any]]) -> int:
    return sum(int(m["size"]) for m in missing if str(m["name"]).startswith("outside "))
