"""Answers to why a run went wrong, from documents made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from trema.core.errors import UsageError
from trema.diagnosis.chains import chain
from trema.diagnosis.documents import rank_documents
from trema.diagnosis.relations import Relations
from trema.diagnosis.symptoms import SYMPTOMS, symptom_named
from trema.diagnosis.why import Answer, answer

RELATIONS = Relations(
    explains={"input-scale": frozenset({"nonfinite-loss"})},
    static=frozenset({"input-scale", "learning-rate-range"}),
)
CAUSES = {"input-scale": "data", "nonfinite-loss": "numerics", "overfitting": "regularization"}


def finding(check: str, cause: str, severity: str = "warning", **changes: Any) -> dict[str, Any]:
    return {
        "id": check,
        "check": check,
        "cause": cause,
        "severity": severity,
        "confidence": "likely",
        "state": "active",
        "segment": 0,
        "title": f"title of {check}",
        "message": "a message",
        "first": {"step": 0, "epoch": 0},
        "fixes": [{"text": "do this", "caution": None}],
    } | changes


def document(*findings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"findings": rank_documents(findings, RELATIONS), "clear": [], "not_assessed": []} | (
        changes
    )


def ask(given: dict[str, Any], symptom: str | None = None) -> Answer:
    return answer(given, RELATIONS, CAUSES, symptom_named(symptom) if symptom else None)


NAN = finding("nonfinite-loss", "numerics", "critical")
RATE = finding("learning-rate-range", "learning-rate")
INPUTS = finding("input-scale", "data", "error")
OVERFIT = finding("overfitting", "regularization")


def test_the_chain_of_a_nan() -> None:
    found = ask(document(NAN, RATE, INPUTS, OVERFIT), "loss-nan")
    (steps,) = found.chains
    assert [step["check"] for step in steps] == [
        "nonfinite-loss",
        "learning-rate-range",
        "input-scale",
    ]
    assert [root["check"] for root in found.roots] == ["input-scale"]
    assert found.explained
    assert found.summary() == "the loss blew up; fix first: title of input-scale"
    data = found.as_dict()
    assert (data["symptom"], data["seen"], data["fix_first"]) == ("loss-nan", True, ["input-scale"])


def test_a_symptom_that_nothing_explains() -> None:
    found = ask(document(NAN, clear=["input-scale", "overfitting"]), "loss-nan")
    assert (found.seen, found.explained) == (True, False)
    assert found.clear == ("input-scale",)
    assert "no other finding explains it" in found.summary()


def test_a_symptom_that_was_not_seen_though_something_leads_to_it() -> None:
    found = ask(document(INPUTS), "not-learning")
    assert (found.seen, found.explained) == (False, True)
    assert [root["check"] for root in found.roots] == ["input-scale"]
    assert "may lead to it: title of input-scale" in found.summary()


def test_nothing_at_all() -> None:
    skipped = [{"check": "overfitting", "missing": ["metric"]}]
    found = ask(document(clear=["input-scale"], not_assessed=skipped), "overfitting")
    assert (found.seen, found.explained, found.chains, found.roots) == (False, False, (), ())
    assert found.summary() == (
        "no gap between training and validation was seen, and nothing that leads to it"
    )
    assert found.not_assessed == tuple(skipped)


def test_the_whole_run() -> None:
    found = ask(document(NAN, RATE, INPUTS, OVERFIT))
    assert [[step["check"] for step in steps] for steps in found.chains] == [
        ["nonfinite-loss", "learning-rate-range", "input-scale"],
        ["overfitting"],
    ]
    assert found.summary() == "fix first: title of input-scale"
    assert ask(document()).summary() == "nothing was found, so there is nothing to explain"


def test_findings_that_explain_each_other_and_odd_documents() -> None:
    circle = {
        "findings": [
            finding("nonfinite-loss", "numerics", explained_by=["b"]),
            finding("b", "data", explained_by=["nonfinite-loss", "unknown"]),
            "odd",
        ]
    }
    assert len(ask(circle, "loss-nan").chains[0]) == 2
    assert len(ask(circle).roots) == 1
    assert chain("a", {"a": ["b"], "b": ["c", "a"], "c": []}) == (["a", "b", "c"], ["c"])
    assert chain("a", {"a": ["x"]}) == (["a"], ["a"])


def test_symptoms_by_name() -> None:
    assert list(SYMPTOMS) == ["loss-nan", "not-learning", "overfitting"]
    with pytest.raises(UsageError, match="did you mean 'loss-nan'"):
        symptom_named("loss-nans")
