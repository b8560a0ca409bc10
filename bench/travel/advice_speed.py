"""Processor seconds and memory of features, anomalies and rounds, on made-up movements.

    python bench/travel/advice_speed.py [--samples 50000] [--epochs 200] [--width 512]

What is measured does not depend on what the numbers are. Logits and representations are float16 as
the recorder writes them; four frames of representations stand for all epochs, of which Trema reads
four. Keeps its figures for the page of rq.py.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from subjects import RESULTS  # noqa: E402

from trema import travel  # noqa: E402
from trema.travel.columns import rarities  # noqa: E402
from trema.travel.frames import Frames  # noqa: E402
from trema.travel.recommend import Known, Session  # noqa: E402

CLASSES, ROUNDS = 10, 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--width", type=int, default=512)
    args = parser.parse_args()
    draw = np.random.default_rng(0)
    size = (args.samples, CLASSES)
    final = draw.normal(size=size).astype(np.float32)
    logits = [
        (final * (4 * e / args.epochs) + 0.5 * draw.standard_normal(size)).astype(np.float16)
        for e in range(args.epochs)
    ]
    steps = draw.standard_normal((args.epochs, args.samples, 2), dtype=np.float32)
    places = np.cumsum(steps, axis=0)
    four = [
        draw.standard_normal((args.samples, args.width), dtype=np.float32).astype(np.float16)
        for _ in range(4)
    ]
    frames = Frames([four[e % 4] for e in range(args.epochs)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds: dict[str, float] = {}

    def timed(what: str, began: float) -> None:
        seconds[what] = time.process_time() - began

    began = time.process_time()
    travel.features(places, logits, final.argmax(1))
    timed("features without representations", began)
    began = time.process_time()
    found = travel.features(places, logits, final.argmax(1), frames)
    timed("features", began)
    began = time.process_time()
    rare = rarities(found, logits)
    timed("anomaly scores", began)
    session = Session(
        Known(found, rare, range(args.epochs), None), "mislabelled", np.arange(args.samples)
    )
    rounds = []
    shown = session.next(50).tolist()
    for _ in range(ROUNDS):
        began = time.process_time()
        session.feedback(accepted=shown[:25], rejected=shown[25:])
        shown = session.next(50).tolist()
        rounds.append(time.process_time() - began)
    seconds["a round of feedback, median of 50"] = float(np.median(rounds))
    seconds["the slowest of them"] = max(rounds)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {"samples": args.samples, "epochs": args.epochs, "width": args.width}
    told |= {"seconds": seconds, "memory_mb": (after - before) / 1024}
    folder = RESULTS / "rq" / "speed"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{args.samples}x{args.epochs}.json").write_text(json.dumps(told), encoding="utf-8")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
