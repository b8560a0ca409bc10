"""Searches for samples of one kind by Trema's session and by what it is compared with.

Each search gives the hits of its rounds. A user accepts what belongs to the kind and rejects what
does not; a share of the answers is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema import travel
from trema.travel.heads import probabilities
from trema.travel.recommend import Session

SIZE = 50
Answer = Callable[[NDArray[np.int64]], NDArray[np.bool_]]


class User:
    """Answers for samples; with ``mistakes``, a share of them the wrong way around."""

    def __init__(self, wanted: NDArray[np.bool_], mistakes: float, seed: int) -> None:
        self._wanted = wanted
        self._mistakes = mistakes
        self._draw = np.random.default_rng(seed)

    def __call__(self, samples: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._wanted[samples] ^ (self._draw.random(len(samples)) < self._mistakes)


def by_session(session: Session, wanted: NDArray[np.bool_], user: User, rounds: int) -> list[int]:
    """Hits of each round of Trema's session."""
    hits = []
    for _ in range(rounds):
        found = session.next(SIZE)
        hits.append(int(wanted[found].sum()))
        said = user(found)
        session.feedback(accepted=found[said].tolist(), rejected=found[~said].tolist())
    return hits


def by_order(scores: NDArray[Any], among: NDArray[np.int64], wanted: Any, rounds: int) -> list[int]:
    """Hits when samples are shown by a score that never changes, highest first."""
    shown = among[np.argsort(-scores[among], kind="stable")][: rounds * SIZE]
    return [int(wanted[shown[at : at + SIZE]].sum()) for at in range(0, len(shown), SIZE)]


def by_paper(
    scores: NDArray[np.float64],
    among: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    user: User,
    rounds: int,
) -> list[int]:
    """DeepDebugger: ridge regression (penalty 1) on its four scores (N, 4), equal at the start."""
    rows, interest = scores[among], scores[among].mean(axis=1)
    left = np.ones(len(among), dtype=bool)
    shown: list[int] = []
    answers: list[bool] = []
    hits = []
    for _ in range(rounds):
        order = np.argsort(-np.where(left, interest, -np.inf), kind="stable")[:SIZE]
        left[order] = False
        hits.append(int(wanted[among[order]].sum()))
        shown += order.tolist()
        answers += user(among[order]).tolist()
        interest = rows @ _ridge(rows[shown], np.asarray(answers, float))
    return hits


def _ridge(rows: NDArray[np.float64], answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients with a penalty of 1 and a free intercept, which no order depends on."""
    centred = rows - rows.mean(axis=0)
    gram = centred.T @ centred + np.eye(rows.shape[1])
    return np.linalg.solve(gram, centred.T @ (answers - answers.mean()))


def rankings(
    logits: NDArray[np.float32], labels: NDArray[np.int64], seed: int
) -> dict[str, NDArray[Any]]:
    """Scores (N,) of the orders that Trema is compared with, higher for more suspicious ones."""
    last = probabilities(logits[-1], "softmax")
    result = {
        "random": np.random.default_rng(seed).random(len(last)),
        "confidence": 1.0 - last.max(axis=1),
    }
    if (labels >= 0).all():
        given = travel.features(np.zeros((*logits.shape[:2], 2)), logits, labels)
        result["AUM"] = -given.scalars["margin_mean"]
        result.update(_cleanlab(logits, labels))
    return result


def _cleanlab(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Mapping[str, NDArray[Any]]:
    """cleanlab's own choice of score, on the probabilities of the last epoch and on their mean."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return {}
    last = probabilities(logits[-1], "softmax")
    mean = probabilities(logits, "softmax").mean(axis=0)
    return {
        "cleanlab": -get_label_quality_scores(labels, last),
        "cleanlab, mean of epochs": -get_label_quality_scores(labels, mean),
    }
