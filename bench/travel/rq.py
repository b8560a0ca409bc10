"""The research questions of DeepDebugger, asked of Trema's anomalies and recommendations.

    python bench/travel/rq.py [--samples 20000] [--epochs 10] [--seeds 2] [--method pca]
                              [--subject mnist] [--only 1] [--page-only]

1. Anomalies: 500 test samples against 500 samples of another data set, and against 500 synthetic
   movements (movements.py); Trema's detector and the paper's on the same movies.
2. Recommendation: wrong labels (5, 10, 20 %, to any other class or to the next one) and
   mispredicted samples of an unlabelled pool (10, 20, 30 % labelled), 50 rounds of 50
   (searching.py).
3. The same with 3, 5 and 10 % of wrong answers.

Each cell is kept under bench/results/travel/rq and not computed again; recordings are deleted when
their cell is done. cleanlab takes part when it is on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from movements import synthetic  # noqa: E402
from rq_page import write  # noqa: E402
from searching import User, by_order, by_paper, by_session, rankings  # noqa: E402
from subjects import NAMES, RESULTS, Subject, subject  # noqa: E402

from trema import travel  # noqa: E402

FOLDER = RESULTS / "rq"
JUDGED, ROUNDS, DRAWS = 500, 50, 3
MISTAKES = (0.0, 0.03, 0.05, 0.1)
DETECTORS: dict[str, dict[str, Any]] = {
    "Trema": {},
    "paper, as its text": {"parity": "cosine"},
    "paper, as its code": {"parity": "raw"},
}
SETTINGS: dict[str, dict[str, Any]] = {
    name: {"noise": share} | ({"by_class": True} if by_class else {})
    for share in (0.05, 0.1, 0.2)
    for name, by_class in ((f"noise {share:g}", False), (f"noise {share:g} by class", True))
}
for _share in (0.1, 0.2, 0.3):
    SETTINGS[f"labelled {_share:g}"] = {"labelled": _share}


def movie_of(run: Subject, method: str) -> Any:
    labels = np.where(run.labelled, run.labels, -1)
    return travel.build(run.train, labels, run.heads, method=method)


def detection(run: Subject, method: str) -> dict[str, Any]:
    """Precision, recall, F1 and average precision by detector and kind of movement."""
    movie = movie_of(run, method)
    count = range(len(run.train))
    test = np.stack([movie.project(run.test[e][:JUDGED], e) for e in count])
    outside = np.stack([movie.project(run.outside[e][:JUDGED], e) for e in count])
    kinds = {
        "other data": (outside, run.outside_logits[:, :JUDGED]),
        "synthetic": synthetic(movie.positions, run.logits, JUDGED, seed=0),
    }
    held = (
        np.stack([movie.project(run.test[e][JUDGED : 2 * JUDGED], e) for e in count]),
        run.test_logits[:, JUDGED : 2 * JUDGED],
    )
    result: dict[str, Any] = {}
    for name, options in {**DETECTORS, "Trema, held samples": {"held": held}}.items():
        began = time.perf_counter()
        made = travel.anomalies(movie, run.logits, **options)
        seconds = time.perf_counter() - began
        for kind, (places, logits) in kinds.items():
            scored = made.score(
                np.concatenate([test, places], axis=1),
                np.concatenate([run.test_logits[:, :JUDGED], logits], axis=1),
            )
            result[f"{name}/{kind}"] = {**_judged(scored.scores, scored.flags), "seconds": seconds}
    return result


def _judged(scores: NDArray[np.float32], flags: NDArray[np.bool_]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score

    abnormal = np.arange(len(scores)) >= JUDGED
    hits = int((flags & abnormal).sum())
    return {
        "precision": hits / max(1, int(flags.sum())),
        "recall": hits / JUDGED,
        "f1": 2 * hits / (int(flags.sum()) + JUDGED),
        "average precision": float(average_precision_score(abnormal, scores)),
        "false alarms": float(flags[~abnormal].mean()),
    }


def recommendation(run: Subject, method: str) -> dict[str, Any]:
    """Hits by round: by the way of searching, and by share of wrong answers where it matters."""
    movie = movie_of(run, method)
    labels = np.where(run.labelled, run.labels, -1)
    pool = not run.labelled.all()
    wanted = run.logits[-1].argmax(1) != run.clean if pool else run.labels != run.clean
    began = time.perf_counter()
    session = travel.suggest(movie, run.logits, labels)
    features = time.perf_counter() - began
    among, intention = session.among, session.intention
    rounds = min(ROUNDS, len(among) // 50)
    hits: dict[str, Any] = {}
    for name, scores in rankings(run.logits, labels, seed=0).items():
        hits[name] = [by_order(scores, among, wanted, rounds)]
    singles = {
        feature: by_order(session.another(intention, {feature: 1.0}).scores, among, wanted, rounds)
        for feature in session.weights
    }
    best = max(singles, key=lambda feature: sum(singles[feature][:10]))
    hits["best single feature"] = [singles[best]]
    paper = travel.anomalies(movie, run.logits, parity=True).by_feature
    confident = rankings(run.logits, labels, seed=0)["confidence"]
    four = np.stack([paper["location"], paper["velocity"], paper["acceleration"], confident], 1)
    seconds = []
    for mistakes in MISTAKES:
        for draw in range(DRAWS if mistakes else 1):
            name = f"/{mistakes:g}" if mistakes else ""
            fresh = session.another(intention)
            began = time.perf_counter()
            found = by_session(fresh, wanted, User(wanted, mistakes, draw), rounds)
            seconds.append((time.perf_counter() - began) / rounds)
            hits.setdefault(f"Trema{name}", []).append(found)
            found = by_paper(four, among, wanted, User(wanted, mistakes, draw), rounds)
            hits.setdefault(f"paper{name}", []).append(found)
    found_reason = session.reason(int(session.next(1)[0]))
    return {
        "hits": hits,
        "wanted": int(wanted[among].sum()),
        "among": len(among),
        "best": best,
        "weights": session.weights,
        "features_seconds": features,
        "round_seconds": float(np.median(seconds)),
        "reason": found_reason,
    }


def cell(
    name: str, setting: str, seed: int, args: argparse.Namespace, options: dict[str, Any]
) -> None:
    """Compute one cell unless it is there."""
    what = f"{name}-{setting}-{args.samples}x{args.epochs}-{args.method}-s{seed}".replace(" ", "_")
    target = FOLDER / f"{what}.json"
    if target.exists():
        return
    run = subject(
        name, args.samples, args.epochs, seed=seed, folder=FOLDER / "recordings", **options
    )
    made = (detection if setting == "rq1" else recommendation)(run, args.method)
    about = {"subject": name, "setting": setting, "seed": seed, "method": args.method}
    about |= {
        "samples": args.samples,
        "epochs": args.epochs,
        "accuracy": run.about["test_accuracy"],
    }
    part = target.with_suffix(".part")
    part.write_text(json.dumps({**about, **made}), encoding="utf-8")
    part.replace(target)
    if not args.keep:
        shutil.rmtree(run.folder)
    print(what, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--method", default="pca")
    parser.add_argument("--subject", choices=NAMES, action="append")
    parser.add_argument("--only", choices=("1", "2"), help="2 answers the third question too")
    parser.add_argument("--setting", choices=SETTINGS, action="append")
    parser.add_argument("--keep", action="store_true", help="keep the recordings")
    parser.add_argument("--page-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("TREMA_BENCH_THREADS", "1")))
    FOLDER.mkdir(parents=True, exist_ok=True)
    cells = {"1": {"rq1": {}}, "2": SETTINGS, None: {"rq1": {}, **SETTINGS}}[args.only]
    for seed in range(0 if args.page_only else args.seeds):
        for setting, options in cells.items():
            for name in args.subject or NAMES:
                if args.setting and setting not in args.setting:
                    continue
                cell(name, setting, seed, args, options)
    write(FOLDER)


if __name__ == "__main__":
    main()
