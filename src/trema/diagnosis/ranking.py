"""One ranked list: what to fix first, and what another finding already explains.

The findings of a run form a graph: an edge leads from what explains to what is explained. It has
no circles, and no edge stands beside a longer way between the same two findings, so that reading it
backwards from a NaN gives exploding gradients, then the learning rate, then the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from trema.core.diagnosis import Cause, Severity
from trema.diagnosis.relations import Ranked, Relations

_CONFIDENCE: dict[str, int] = {"measured": 2, "likely": 1, "possible": 0}

#: The order in which a training uses what may be wrong: what comes early is fixed first.
_PIPELINE = (
    Cause.DATA,
    Cause.LABELS,
    Cause.SPLIT,
    Cause.LOSS,
    Cause.TRAINING_LOOP,
    Cause.ARCHITECTURE,
    Cause.ACTIVATION,
    Cause.INITIALIZATION,
    Cause.OPTIMIZER,
    Cause.LEARNING_RATE,
    Cause.NUMERICS,
    Cause.REGULARIZATION,
    Cause.BUDGET,
    Cause.REPRODUCIBILITY,
)

R = TypeVar("R", bound=Ranked)
Key = tuple[int, str]  # segment and id of a finding
Explained = dict[Key, tuple[str, ...]]


def explanations(findings: Sequence[Ranked], relations: Relations) -> Explained:
    """For each finding (segment, id) the ids of the findings that explain it directly."""
    result: Explained = {}
    for segment in dict.fromkeys(finding.segment for finding in findings):
        part = [finding for finding in findings if finding.segment == segment]
        causes = _reduced(_without_circles(part, relations))
        for finding in part:
            order = sorted(causes[finding.id], key=lambda id: _index(part, id))
            result[segment, finding.id] = tuple(order)
    return result


def _index(part: Sequence[Ranked], id: str) -> tuple[object, ...]:
    return _precedence(next(finding for finding in part if finding.id == id))


def _without_circles(part: Sequence[Ranked], relations: Relations) -> dict[str, set[str]]:
    """Finding -> what explains it. Of findings that explain each other, the earlier one does."""
    causes = {
        effect.id: {cause.id for cause in part if relations.may_explain(cause, effect)}
        for effect in part
    }
    ancestors = {id: _ancestors(causes, id) for id in causes}
    by_id = {finding.id: finding for finding in part}
    for effect, found in causes.items():
        for cause in [*found]:
            circle = effect in ancestors[cause]
            if circle and _precedence(by_id[cause]) > _precedence(by_id[effect]):
                found.discard(cause)
    return causes


def _ancestors(causes: Mapping[str, set[str]], id: str) -> set[str]:
    found: set[str] = set()
    waiting = [*causes[id]]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += causes[one]
    return found


def _reduced(causes: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the edges that a longer way replaces."""
    ancestors = {id: _ancestors(causes, id) for id in causes}
    return {
        id: {
            cause
            for cause in found
            if not any(cause in ancestors[other] for other in found if other != cause)
        }
        for id, found in causes.items()
    }


def _precedence(finding: Ranked) -> tuple[object, ...]:
    """Of two findings in a circle the first: the earlier, then by the place in the pipeline."""
    step = -1 if finding.first_step is None else finding.first_step
    return (step, _place(finding), -finding.severity.weight, finding.check, finding.id)


def _place(finding: Ranked) -> int:
    cause = finding.cause
    return _PIPELINE.index(cause) if cause in _PIPELINE else len(_PIPELINE)


def ranked(findings: Sequence[R], explained: Mapping[Key, tuple[str, ...]]) -> list[R]:
    """What to fix first on top.

    Unexplained findings come before explained ones. A finding weighs as much as the worst of what
    it explains: unscaled inputs behind a NaN are as urgent as the NaN.
    """
    worst, many = _consequences(findings, explained)

    def urgency(finding: R) -> tuple[object, ...]:
        key = (finding.segment, finding.id)
        return (
            bool(explained.get(key)),
            not finding.active and finding.severity is Severity.INFO,
            -max(finding.severity.weight, worst.get(key, 0)),
            not finding.active,
            -finding.severity.weight,
            -_CONFIDENCE[finding.confidence],
            -many.get(key, 0),
            -1 if finding.first_step is None else finding.first_step,
            _place(finding),
            finding.check,
            finding.id,
        )

    return sorted(findings, key=urgency)


def _consequences(
    findings: Sequence[Ranked], explained: Mapping[Key, tuple[str, ...]]
) -> tuple[dict[Key, int], dict[Key, int]]:
    """For each finding the weight of the worst it explains, and how many those are."""
    worst: dict[Key, int] = {}
    many: dict[Key, int] = {}
    for finding in findings:
        seen: set[str] = set()
        waiting = [*explained.get((finding.segment, finding.id), ())]
        while waiting:
            cause = waiting.pop()
            if cause in seen or cause == finding.id:
                continue
            seen.add(cause)
            key = (finding.segment, cause)
            if finding.active:
                worst[key] = max(worst.get(key, 0), finding.severity.weight)
            many[key] = many.get(key, 0) + 1
            waiting += explained.get(key, ())
    return worst, many
