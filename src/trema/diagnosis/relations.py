"""Which finding may explain which: by the checks' own word, by kind of symptom, time and place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from trema.core.diagnosis import Cause, Confidence, Kind, Severity
from trema.core.facts import Fact
from trema.diagnosis.crash import PREFIX
from trema.diagnosis.families import AFTER, CAUSED, Family, family_of

#: A cause may be seen this many steps after its effect …
LATE_STEPS = 100
#: … or this share of the steps before the effect: late steps are observed rarely.
LATE_SHARE = 0.25

#: Facts that do not change while a training runs: what rests on them alone held from the start.
_STATIC = frozenset({Fact.GRAPH, Fact.LOSS_KIND, Fact.OPTIMIZER, Fact.LAYERS, Fact.OVERLAP})
_STATIC_PREFIXES = ("input-", "target-", "output-")

#: (segment, layer, layer) -> whether values flow between the two, or None when it is not known
Joined = Callable[[int, str, str], bool | None]


class Ranked(Protocol):
    """What ranking needs to know of a finding."""

    @property
    def id(self) -> str: ...
    @property
    def check(self) -> str: ...
    @property
    def cause(self) -> Cause | None: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def confidence(self) -> Confidence: ...
    @property
    def segment(self) -> int: ...
    @property
    def active(self) -> bool: ...
    @property
    def first_step(self) -> int | None: ...
    @property
    def last_step(self) -> int | None: ...
    @property
    def layer(self) -> str | None: ...


@dataclass(frozen=True)
class Relations:
    """What checks say of each other.

    explains : check id -> ids of checks whose findings it explains
    static : ids of checks whose finding holds from the start, whenever it is seen
    joined : whether two layers are connected
    """

    explains: Mapping[str, frozenset[str]] = field(default_factory=dict)
    static: frozenset[str] = frozenset()
    joined: Joined | None = None

    @cached_property
    def _reach(self) -> dict[str, frozenset[str]]:
        """``explains`` and what follows from it by way of symptoms.

        A symptom may be there without being told; a fact that was not found is not there.
        """
        reach: dict[str, frozenset[str]] = {}
        for start in self.explains:
            found: dict[str, None] = {}
            waiting = [*self.explains[start]]
            while waiting:
                name = waiting.pop()
                if name not in found and name != start:
                    found[name] = None
                    if name not in self.static and family_of(name) is not None:
                        waiting += self.explains.get(name, ())
            reach[start] = frozenset(found)
        return reach

    def may_explain(self, cause: Ranked, effect: Ranked) -> bool:
        """Whether one finding may be why the other is there."""
        if cause.segment != effect.segment or cause.id == effect.id:
            return False
        if cause.check.startswith(PREFIX):
            return False  # a crash is an end, whatever it names as its cause
        if cause.severity is Severity.INFO and effect.severity is not Severity.INFO:
            return False  # what is only worth knowing takes no alarm away
        return (
            self._named(cause, effect)
            and self._in_time(cause, effect)
            and self._near(cause, effect)
        )

    def family(self, finding: Ranked) -> Family | None:
        """The kind of symptom of a finding; None for a fact that stands for itself."""
        family = family_of(finding.check)
        if finding.check not in self.static:
            return family
        # a rate is judged by what the training does with it, unless it is absurd by itself
        judged = family is Family.RATE and finding.confidence != "measured"
        return family if judged else None

    def _named(self, cause: Ranked, effect: Ranked) -> bool:
        if effect.check in self._reach.get(cause.check, frozenset()):
            return True
        wanted = self.family(effect)
        if wanted is None or cause.check == effect.check:
            return False
        if cause.check in self._reach.get(effect.check, frozenset()):
            return False  # the checks themselves say the contrary
        own = self.family(cause)
        if own is not None:
            return wanted in _after(own)
        if cause.severity.weight < min(effect.severity.weight, Severity.ERROR.weight):
            return False  # a small matter behind a bad symptom: only if its check says so
        return cause.cause is not None and wanted in CAUSED[cause.cause]

    def _in_time(self, cause: Ranked, effect: Ranked) -> bool:
        begin = effect.first_step
        if begin is None:  # there before training: only what was there too explains it
            return cause.first_step is None or cause.check in self.static
        slack = max(LATE_STEPS, int(LATE_SHARE * begin))
        if not cause.active and cause.last_step is not None and cause.last_step < begin - slack:
            return False  # it was over before
        if cause.first_step is None or cause.check in self.static:
            return True
        return cause.first_step <= begin + slack

    def _near(self, cause: Ranked, effect: Ranked) -> bool:
        if cause.layer is None or effect.layer is None or cause.layer == effect.layer:
            return True
        if self.joined is None:
            return True
        return self.joined(effect.segment, cause.layer, effect.layer) is not False


def _after(family: Family) -> frozenset[Family]:
    """All that follows from a symptom, also by way of others."""
    found: set[Family] = set()
    waiting = [*AFTER.get(family, ())]
    while waiting:
        one = waiting.pop()
        if one not in found and one is not family:
            found.add(one)
            waiting += AFTER.get(one, ())
    return frozenset(found)


def relations_of(checks: Mapping[str, object], joined: Joined | None = None) -> Relations:
    """What these checks (or their classes) say of each other."""
    return Relations(
        explains={
            name: frozenset(getattr(check, "explains", frozenset()))
            for name, check in checks.items()
        },
        static=frozenset(name for name, check in checks.items() if _is_static(name, check)),
        joined=joined,
    )


def _is_static(name: str, check: object) -> bool:
    """Whether what the check finds held from the start, however late it was seen."""
    if getattr(check, "kind", "") == Kind.SYMPTOM:
        return False
    if family_of(name) is None and getattr(check, "cause", Cause.NUMERICS) != Cause.NUMERICS:
        return True  # data, model and program do not change while they run
    needs: frozenset[Fact] = getattr(check, "needs", frozenset())
    return bool(needs) and all(
        fact in _STATIC or str(fact).startswith(_STATIC_PREFIXES) for fact in needs
    )


def joined_by(edges: Iterable[tuple[str, str]]) -> Callable[[str, str], bool | None]:
    """Whether values flow from one layer to the other, in either direction.

    None for a layer that is not in the graph.
    """
    after: dict[str, set[str]] = {}
    known: set[str] = set()
    for source, target in edges:
        after.setdefault(source, set()).add(target)
        known |= {source, target}

    def reaches(source: str, target: str) -> bool:
        seen, waiting = {source}, [source]
        while waiting:
            for following in after.get(waiting.pop(), ()):
                if following == target:
                    return True
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
        return False

    def joined(one: str, other: str) -> bool | None:
        if one not in known or other not in known:
            return None
        return reaches(one, other) or reaches(other, one)

    return joined
