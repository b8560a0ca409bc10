"""64-bit fingerprints of samples, to find the same sample in two splits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Bytes hashed at a time, so that memory stays bounded for any array.
CHUNK_BYTES = 16 * 2**20


def fingerprints(samples: np.ndarray) -> NDArray[np.uint64]:
    """A 64-bit hash of each row.

    Parameters
    ----------
    samples : ndarray of shape (sample, …), any numeric or boolean dtype

    Returns
    -------
    ndarray of shape (sample,), uint64
        Equal rows have equal hashes; different rows collide with probability 2⁻⁶⁴ a pair.
        Integers and floats are compared as float32, so that a dtype change keeps the identity.
    """
    count = len(samples)
    out = np.empty(count, dtype=np.uint64)
    if count == 0:
        return out
    width = max(1, int(np.prod(samples.shape[1:])))
    multipliers = _multipliers((width + 1) // 2)
    rows = max(1, CHUNK_BYTES // (width * 4))
    for start in range(0, count, rows):
        part = np.ascontiguousarray(samples[start : start + rows], dtype=np.float32)
        part = part.reshape(len(part), -1) + np.float32(0)  # −0.0 becomes 0.0
        if part.shape[1] % 2:
            part = np.pad(part, ((0, 0), (0, 1)))
        words = np.ascontiguousarray(part).view(np.uint64)
        out[start : start + rows] = _mix((_mix(words) * multipliers).sum(axis=1, dtype=np.uint64))
    return out


def _multipliers(count: int) -> NDArray[np.uint64]:
    """Odd, fixed, pseudo-random factors; drawn from a generator of our own."""
    generator = np.random.Generator(np.random.PCG64(0x7E3A))
    return generator.integers(0, 2**63, size=count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64, so that close values spread over all bits."""
    z = words ^ (words >> np.uint64(30))
    z = z * np.uint64(0xBF58476D1CE4E5B9)
    z = z ^ (z >> np.uint64(27))
    z = z * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def overlap(
    train: NDArray[np.uint64], validation: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of validation samples that stand in the training data, and of their first twins."""
    unique, first = np.unique(train, return_index=True)
    place = np.searchsorted(unique, validation)
    place = np.minimum(place, max(len(unique) - 1, 0))
    found = np.flatnonzero(unique[place] == validation) if len(unique) else np.empty(0, np.int64)
    return found.astype(np.int64), first[place[found]].astype(np.int64)
