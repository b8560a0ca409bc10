"""One layer several times in a container: weights that are shared by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.looping import looped, wiring
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class RepeatedLayer(Check):
    """A layer with weights that stands several times in one ``Sequential``: ``[layer] * 3``.

    Why it matters: the copies are one object, so the model has a third of the weights it seems to
    have, and the layers cannot learn different things.
    May be wrong when: sharing is meant, as in ALBERT or recurrent depth.
    References: PyTorch, nn.Sequential; Lan et al. (2020), ALBERT, arXiv:1909.11942.
    """

    id = "repeated-layer"
    title = "one layer stands several times in a container"
    cause = Cause.ARCHITECTURE
    severity = Severity.WARNING
    preview = True
    needs = frozenset({Fact.WIRING})
    fixes = (
        Fix("make each layer anew: `[nn.Linear(64, 64) for _ in range(3)]`"),
        Fix("to copy a configured block, use `copy.deepcopy`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="list multiplication same layer shared weights {framework}",
        torch="nn.Sequential",
        keras="models/sequential",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        for found in (wiring(history) or {}).get("repeated", ()):
            layer = history.run.layer(str(found["layer"]))
            yield self.diagnosis(
                f"`{found['layer']}` ({found['class']}) stands {found['times']} times in "
                f"`{found['container'] or 'the model'}`: one set of weights for all",
                Evidence(Fact.WIRING, float(found["times"]), limit=1.0, unit="times"),
                where=Where(layer=str(found["layer"])),
                location=layer.location if layer is not None else None,
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def seen(times: int, container: str = "body") -> History:
            found = {"layer": "body.0", "class": "Linear", "times": times, "container": container}
            return looped(wiring={"missing": [], "twice": [], "repeated": [found] if times else []})

        yield fires("three times", seen(3))
        yield fires("the model itself is the container", seen(2, container=""))
        yield quiet("each its own", seen(0))
        yield quiet("not looked at", looped())
        yield quiet("nothing of this kind was noted", looped(wiring={"missing": []}))
