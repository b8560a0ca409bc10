"""Which finding explains which, and what stands first, by findings made by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from trema.checks.base import all_checks
from trema.core.diagnosis import Cause, Confidence, Kind, Severity
from trema.core.facts import Fact
from trema.diagnosis.documents import rank_documents
from trema.diagnosis.families import AFTER, CAUSED, Family, family_of
from trema.diagnosis.ranking import explanations, ranked
from trema.diagnosis.relations import Relations, joined_by, relations_of


@dataclass(frozen=True)
class Seen:
    """A finding as ranking reads it."""

    id: str
    check: str
    cause: Cause | None = Cause.NUMERICS
    severity: Severity = Severity.WARNING
    confidence: Confidence = "likely"
    segment: int = 0
    active: bool = True
    first_step: int | None = 0
    last_step: int | None = 0
    layer: str | None = None


def seen(check: str, cause: Cause = Cause.NUMERICS, **changes: Any) -> Seen:
    return Seen(changes.pop("id", check), check, cause, **changes)


KNOWN = Relations(
    explains={"input-scale": frozenset({"nonfinite-loss"})},
    static=frozenset({"input-scale", "learning-rate-range", "split-overlap", "double-softmax"}),
)


def graph(findings: list[Seen], relations: Relations = KNOWN) -> dict[str, tuple[str, ...]]:
    found = explanations(findings, relations)
    return {id: causes for (_, id), causes in found.items()}


def order(findings: list[Seen], relations: Relations = KNOWN) -> list[str]:
    return [item.id for item in ranked(findings, explanations(findings, relations))]


NAN = seen("nonfinite-loss", severity=Severity.CRITICAL, confidence="measured", first_step=40)
GRADIENTS = seen("exploding-gradients", severity=Severity.ERROR, first_step=32)
RATE = seen("learning-rate-range", Cause.LEARNING_RATE, first_step=20)
INPUTS = seen(
    "input-scale", Cause.DATA, severity=Severity.ERROR, confidence="measured", first_step=0
)


def test_the_chain_from_a_nan_to_the_inputs() -> None:
    found = graph([NAN, GRADIENTS, RATE, INPUTS])
    assert found["nonfinite-loss"] == ("exploding-gradients",)
    assert found["exploding-gradients"] == ("learning-rate-range",)
    assert found["learning-rate-range"] == ("input-scale",)
    assert found["input-scale"] == ()
    assert order([NAN, GRADIENTS, RATE, INPUTS])[0] == "input-scale"


def test_a_link_that_was_not_found_is_jumped_over() -> None:
    assert graph([NAN, INPUTS])["nonfinite-loss"] == ("input-scale",)
    by_symptom = {"a": frozenset({"loss-spike"}), "loss-spike": frozenset({"c"})}
    assert graph([seen("a"), seen("c")], Relations(explains=by_symptom))["c"] == ("a",)


def test_a_fact_that_was_not_found_leads_to_nothing() -> None:
    by_fact = Relations(explains={"a": frozenset({"b"}), "b": frozenset({"c"})})
    assert graph([seen("a"), seen("c")], by_fact)["c"] == ()
    assert graph([seen("a"), seen("b"), seen("c")], by_fact)["c"] == ("b",)


def test_a_small_matter_explains_a_bad_symptom_only_by_its_own_word() -> None:
    duplicates = seen("duplicates", Cause.DATA)
    assert graph([NAN, duplicates])["nonfinite-loss"] == ()
    assert graph([seen("loss-flat"), duplicates])["loss-flat"] == ("duplicates",)
    bad = seen("duplicates", Cause.DATA, severity=Severity.ERROR)
    assert graph([NAN, bad])["nonfinite-loss"] == ("duplicates",)


def test_a_crash_explains_nothing() -> None:
    crash = seen("crash-shape", Cause.ARCHITECTURE, severity=Severity.CRITICAL)
    assert graph([NAN, crash])["nonfinite-loss"] == ()


def test_a_rate_that_is_absurd_by_itself_needs_no_other_cause() -> None:
    absurd = seen(
        "learning-rate-range",
        Cause.LEARNING_RATE,
        confidence="measured",
        severity=Severity.CRITICAL,
    )
    found = graph([NAN, absurd, INPUTS])
    assert found["learning-rate-range"] == ()
    assert set(found["nonfinite-loss"]) == {"learning-rate-range", "input-scale"}
    assert order([NAN, INPUTS, absurd])[0] == "learning-rate-range"


def test_circles_are_cut_where_the_earlier_finding_stands() -> None:
    circle = Relations(
        explains={"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"})}
    )
    found = graph(
        [seen("a", first_step=9), seen("b", first_step=3), seen("c", first_step=5)], circle
    )
    assert found == {"a": ("c",), "b": (), "c": ("b",)}


def test_every_set_of_findings_has_an_end_of_its_chains() -> None:
    names = [*all_checks(), "loss-spikes", "dead-units", "vanishing-gradients", "loss-flat"]
    everything = [seen(name, Cause.DATA) for name in names]
    found = graph(everything, relations_of(all_checks()))
    assert [id for id, causes in found.items() if not causes]
    for id in found:  # walking back never returns
        at, steps = id, 0
        while found[at]:
            at, steps = found[at][0], steps + 1
            assert steps <= len(found)


def test_parts_of_a_run_explain_only_themselves() -> None:
    found = graph([NAN, seen("input-scale", Cause.DATA, segment=1)])
    assert found["nonfinite-loss"] == ()


@pytest.mark.parametrize(
    ("effect", "cause", "explains"),
    [(40, 120, True), (40, 400, False), (4000, 4900, True), (4000, 6000, False), (40, None, True)],
)
def test_a_cause_does_not_begin_long_after_its_effect(
    effect: int, cause: int | None, explains: bool
) -> None:
    nan = seen("nonfinite-loss", first_step=effect)
    gradients = seen("exploding-gradients", first_step=cause)
    assert graph([nan, gradients])["nonfinite-loss"] == (
        ("exploding-gradients",) if explains else ()
    )


def test_a_static_fact_held_from_the_start_whenever_it_was_seen() -> None:
    late = seen("input-scale", Cause.DATA, first_step=100_000)
    assert graph([NAN, late])["nonfinite-loss"] == ("input-scale",)


def test_what_was_over_before_explains_nothing() -> None:
    over = seen("exploding-gradients", active=False, first_step=0, last_step=50)
    later = seen("nonfinite-loss", first_step=5000)
    assert graph([later, over])["nonfinite-loss"] == ()
    until = seen("exploding-gradients", active=False, first_step=0, last_step=4990)
    assert graph([later, until])["nonfinite-loss"] == ("exploding-gradients",)


def test_what_is_there_before_training_is_not_explained_by_training() -> None:
    before = seen("loss-flat", first_step=None)
    assert graph([before, GRADIENTS])["loss-flat"] == ()


def test_layers_explain_each_other_where_a_path_joins_them() -> None:
    path = joined_by([("a", "b"), ("b", "c"), ("a", "other")])
    relations = Relations(joined=lambda segment, one, other: path(one, other))
    dead = seen("dead-units", Cause.ACTIVATION, layer="c")
    on_path = seen("vanishing-gradients", layer="a")
    beside = seen("vanishing-gradients", id="beside", layer="other")
    unknown = seen("vanishing-gradients", id="unknown", layer="elsewhere")
    whole = seen("vanishing-gradients", id="whole")
    found = graph([dead, on_path, beside, unknown, whole], relations)
    assert found["vanishing-gradients"] == ("dead-units",)
    assert found["beside"] == ()
    assert found["unknown"] == found["whole"] == ("dead-units",)


def test_worth_knowing_takes_no_alarm_away() -> None:
    advice = seen("input-scale", Cause.DATA, severity=Severity.INFO)
    assert graph([NAN, advice])["nonfinite-loss"] == ()


def test_a_cause_is_as_urgent_as_the_worst_it_explains() -> None:
    beside = seen("split-overlap", Cause.SPLIT, severity=Severity.ERROR)
    assert order([beside, NAN, INPUTS]) == ["input-scale", "split-overlap", "nonfinite-loss"]


def test_of_equals_the_surer_then_the_earlier_in_the_pipeline_stands_first() -> None:
    sure = seen("a", Cause.BUDGET, confidence="measured")
    labels, loss = seen("b", Cause.LABELS), seen("c", Cause.LOSS)
    assert order([loss, labels, sure], Relations()) == ["a", "b", "c"]


def test_documents_are_ranked_alike() -> None:
    def document(finding: Seen) -> dict[str, Any]:
        return {
            "id": finding.id,
            "check": finding.check,
            "cause": str(finding.cause),
            "severity": str(finding.severity),
            "confidence": finding.confidence,
            "first": {"step": finding.first_step},
            "state": "active",
        }

    findings = [NAN, GRADIENTS, RATE, INPUTS]
    found = rank_documents([document(one) for one in findings], KNOWN)
    assert [one["id"] for one in found] == order(findings)
    assert {one["id"]: tuple(one["explained_by"]) for one in found} == graph(findings)


def test_odd_documents_are_ranked_too() -> None:
    odd: list[dict[str, Any]] = [{}, {"where": 3, "first": [], "cause": "?", "id": 4}]
    assert len(rank_documents(odd, Relations())) == 2


def test_static_facts_by_what_checks_need() -> None:
    class Static:
        cause = Cause.NUMERICS
        needs = frozenset({Fact.INPUT_MAX, Fact.LAYERS})

    class Program:
        cause = Cause.TRAINING_LOOP
        needs = frozenset({Fact.LOSS})

    class Dynamic:
        cause = Cause.NUMERICS
        needs = frozenset({Fact.INPUT_MAX, Fact.LOSS})

    class Symptom(Static):
        kind = Kind.SYMPTOM

    checks = {"static": Static, "program": Program, "dynamic": Dynamic, "symptom": Symptom}
    assert relations_of(checks).static == {"static", "program"}
    assert relations_of({"loss-flat": Program}).static == set()


def test_families_by_id() -> None:
    expected = {
        "nonfinite-loss": Family.NONFINITE,
        "loss-diverging": Family.DIVERGING,
        "exploding-gradients": Family.EXPLODING,
        "loss-flat": Family.FLAT,
        "vanishing-gradients": Family.VANISHING,
        "dead-units": Family.DEAD,
        "overfitting": Family.GAP,
        "missing-softmax": None,
        "double-softmax": None,
        "input-scale": None,
    }
    assert {name: family_of(name) for name in expected} == expected
    assert set(CAUSED) == set(Cause)
    assert all(family not in after for family, after in AFTER.items())
