"""``trema travel anomalies``: the samples that went through the training otherwise than most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from trema.cli.travel import Opened, Wanted, line, open_movie, told
from trema.core.errors import UsageError
from trema.core.numbers import dumps
from trema.travel.abnormality import Anomalies, Scores, anomalies, discovery_rate


def list_anomalies(
    wanted: Wanted, *, threshold: float, count: int, unseen: str | None, as_json: bool
) -> None:
    """Print the most abnormal samples of a movie, or of a split that is not in it."""
    opened = open_movie(wanted)
    made = anomalies(opened.movie, opened.logits, threshold)
    found: Scores = made.seen
    if unseen is not None:
        opened, found = _unseen(opened, made, unseen)
    scores = np.nan_to_num(found.scores, nan=-1.0)
    order = np.argsort(-scores, kind="stable")[: min(count, int((scores >= 0).sum()))]
    rows = []
    for place in order.tolist():
        features = {name: float(values[place]) for name, values in found.by_feature.items()}
        rows.append(
            {
                **told(opened, place),
                "score": float(found.scores[place]),
                "flagged": bool(found.flags[place]),
                "features": features,
            }
        )
    if as_json:
        about = {
            "threshold": threshold,
            "split": opened.split,
            "above": int((scores > threshold).sum()),
            "flagged": opened.named(np.flatnonzero(found.flags)),
            "excluded": opened.named(found.excluded),
            "samples": rows,
        }
        print(dumps(about, indent=2))
        return
    print(flags_in_words(found, threshold, opened.split))
    for row in rows:
        most = max(row["features"], key=lambda name: row["features"][name])
        mark = "!" if row["flagged"] else " "
        print(f"{mark} {row['score']:.4f}  {line(row)}, most by its {most}")


def flags_in_words(found: Scores, threshold: float, split: str) -> str:
    """How many samples are flagged, and why so many."""
    flagged, above = int(found.flags.sum()), int((found.scores > threshold).sum())
    text = (
        f"{flagged:,} of {len(found.scores):,} {split} samples are flagged: "
        f"{above:,} score above {threshold:g}"
    )
    if flagged == above:
        return text
    return (
        f"{text}, {flagged - above:,} more since so many stand out "
        f"(about {discovery_rate(threshold):.2g} of the flags may be false)"
    )


def _unseen(opened: Opened, made: Anomalies, split: str) -> tuple[Opened, Scores]:
    """The samples of another split, laid on the canvas of the movie and judged by it."""
    recording = opened.recording
    shared = set(recording.names(split)) & set(recording.names(opened.split))
    if shared:
        raise UsageError(
            f"expected a split that the movie does not hold but {', '.join(shared)} is in it: "
            "leave out --unseen"
        )
    frames = recording.representations(split)
    places = np.stack([opened.movie.project(x, epoch) for epoch, x in enumerate(frames)])
    other = replace(opened, split=split)
    return other, made.score(places, other.logits)
