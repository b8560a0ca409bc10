"""The detector of DeepDebugger (FSE 2023, section 4.2), kept so that it can be compared with.

Birch clusters of each feature, k = 30; a sample's score is one minus the share of its cluster,
and the largest over the features counts. An unseen sample belongs to the nearest cluster whose
centre is no farther than its radius (the farthest member), else it scores like a cluster of one.

Birch first gathers samples in subclusters, whose size its threshold bounds, and then joins those
to 30. With the library's threshold there are as many subclusters as samples where the movements
are wide: it is raised until they are few enough to compare, and no farther, never to fewer than 30.
Of rows of length one there are fewer than 30 at once (of confidences a single one): there it is
lowered until there are 30, as the text has it. The order of the samples matters to Birch, so they
come in one that does not depend on where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import MissingExtra, UsageError

Floats = NDArray[np.float32]
#: Clusters of a feature (the paper, section 6).
CLUSTERS = 30
#: Subclusters that the final step is given at most: it compares all pairs, 200 MB at 5,000 and
#: 10 GB at 50,000. Birch itself raises its threshold when memory runs out (Zhang et al. 1996,
#: section 5).
SUBCLUSTERS = 5000
#: Birch's threshold in the library that the authors use.
_THRESHOLD = 0.5
#: cosine: rows of length one, as the text says; raw: rows as they are, as the code does.
Similarity = Literal["cosine", "raw"]
#: How close the threshold comes to the last one that is known not to do.
_STEP = 1.2
#: Thresholds tried at most; doubling or halving reaches any scale of float32 in half of them.
_TRIES = 120
#: Rows put into a tree before its subclusters are counted.
_COUNTED = 1024
_ROWS = 4096


@dataclass(frozen=True)
class _Clusters:
    centres: Floats
    radii: Floats
    scores: Floats
    alone: float  # the score of a cluster of one


@dataclass(frozen=True)
class PaperDetector:
    """Clusters of each feature."""

    clusters: Mapping[str, _Clusters]
    similarity: Similarity

    def rate(self, rows: Mapping[str, Floats]) -> dict[str, Floats]:
        """Scores (n,) of unseen samples by feature, from 0 to 1."""
        return {
            name: _placed(_similar(rows[name], self.similarity), found)
            for name, found in self.clusters.items()
        }


def paper_detector(
    rows: Mapping[str, Floats],
    similarity: Similarity,
    order: NDArray[np.int64] | None = None,
) -> tuple[PaperDetector, dict[str, Floats]]:
    """The detector and the scores (n,) of the samples it was made from, by feature.

    ``order`` (n,) is the one in which Birch is given them; by default as they stand.
    """
    clusters, seen = {}, {}
    for name, values in rows.items():
        places = np.arange(len(values)) if order is None else order
        like = _similar(values, similarity)[places]
        members = _birch(like, lowered=similarity == "cosine")
        names, at, sizes = np.unique(members, return_inverse=True, return_counts=True)
        centres = np.stack([like[at == i].mean(axis=0) for i in range(len(names))])
        apart = np.linalg.norm(like - centres[at], axis=1)
        radii = np.zeros(len(names), dtype=np.float32)
        np.maximum.at(radii, at, apart)
        scores = (1.0 - sizes / len(like)).astype(np.float32)
        clusters[name] = _Clusters(centres, radii, scores, 1.0 - 1.0 / len(like))
        seen[name] = np.empty(len(like), dtype=np.float32)
        seen[name][places] = scores[at]
    return PaperDetector(clusters, similarity), seen


def _birch(rows: Floats, *, lowered: bool) -> NDArray[np.int64]:
    """The cluster (n,) of each row; see :func:`_tree` for ``lowered``."""
    try:
        from sklearn.cluster import AgglomerativeClustering
    except ImportError as error:
        raise MissingExtra("parity mode", "travel") from error
    tree = _tree(rows, lowered=lowered)
    at = np.asarray(tree.predict(rows), dtype=np.int64)
    centres = tree.subcluster_centers_
    if len(centres) <= CLUSTERS:
        return at
    final = AgglomerativeClustering(n_clusters=CLUSTERS).fit_predict(centres)
    return np.asarray(final[at], dtype=np.int64)


def _tree(rows: Floats, *, lowered: bool) -> Any:
    """Birch's tree, its threshold as near to the library's as its number of subclusters lets it.

    There are at most 5,000 of them. Where that asks for a higher threshold, and where it may be
    ``lowered``, there are at least 30, or as many as there are different rows.
    """
    tree = _grown(rows, _THRESHOLD)
    if tree is not None and (not lowered or _size(tree) >= CLUSTERS):
        return tree
    raised = tree is None
    least = CLUSTERS if raised else _fewest(rows)
    if tree is not None and _size(tree) >= least:
        return tree
    # ``wrong`` has too many subclusters (or too few, where it is lowered), ``right`` has not
    wrong = right = _THRESHOLD
    for _ in range(_TRIES):
        between = wrong != right
        tried = float(np.sqrt(wrong * right)) if between else right * (2.0 if raised else 0.5)
        found = _grown(rows, tried)
        if (found is None) if raised else (found is not None and _size(found) < least):
            wrong, right = tried, right if between else tried
        else:
            right, tree = tried, found
        near = wrong != right and max(wrong / right, right / wrong) <= _STEP
        if near and tree is not None and _size(tree) >= least:
            return tree
    raise UsageError(
        f"parity mode expects movements that Birch can gather in {CLUSTERS} to {SUBCLUSTERS:,} "
        "groups, but these go from more to fewer at once: leave parity out"
    )


def _grown(rows: Floats, threshold: float) -> Any:
    """Birch's tree; None as soon as it has too many subclusters."""
    from sklearn.cluster import Birch

    tree = Birch(threshold=threshold, n_clusters=None, compute_labels=False)
    for at in range(0, len(rows), _COUNTED):
        tree.partial_fit(rows[at : at + _COUNTED])
        if _size(tree) > SUBCLUSTERS:
            return None
    return tree


def _size(tree: Any) -> int:
    return len(tree.subcluster_centers_)


def _fewest(rows: Floats) -> int:
    """Subclusters that can be asked for: copies, also those that rounding parts, are one."""
    scale = float(np.abs(rows).max(initial=0.0))
    if scale == 0.0:
        return 1
    different = np.unique(np.round(rows / np.float32(scale), 4), axis=0)
    return min(CLUSTERS, len(different))


def _similar(rows: Floats, similarity: Similarity) -> Floats:
    """Rows whose Euclidean distance orders pairs as the similarity does."""
    if similarity == "raw":
        return rows
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(size, np.float32(1e-12)))


def _placed(rows: Floats, found: _Clusters) -> Floats:
    result = np.empty(len(rows), dtype=np.float32)
    for at in range(0, len(rows), _ROWS):
        part = rows[at : at + _ROWS]
        apart = np.stack([np.linalg.norm(part - centre, axis=1) for centre in found.centres], 1)
        inside = apart <= found.radii
        nearest = np.where(inside, apart, np.inf).argmin(axis=1)
        result[at : at + _ROWS] = np.where(
            inside.any(axis=1), found.scores[nearest], np.float32(found.alone)
        )
    return result
