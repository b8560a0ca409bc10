"""Real data for the benchmark programs, cut to small subsets and kept in a cache folder.

The files are looked for in the folder named by TREMA_BENCH_DATA, else in shared/data beside or
inside the repository.
"""

import csv
import os
import tempfile
from pathlib import Path

import numpy as np

CACHE = Path(tempfile.gettempdir()) / "trema-bench"


def data_dir():
    named = os.environ.get("TREMA_BENCH_DATA")
    if named:
        return Path(named)
    repo = Path(__file__).resolve().parents[2]
    for folder in (repo.parent / "shared" / "data", repo / "shared" / "data"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError("no shared/data folder; set TREMA_BENCH_DATA")


def _cached(name, make):
    """Return the arrays made by make(), from the cache where they are there already."""
    path = CACHE / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as saved:
            return [saved[key] for key in sorted(saved.files)]
    except (OSError, ValueError, KeyError):
        pass
    arrays = make()
    CACHE.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=CACHE, suffix=".npz")
    with os.fdopen(handle, "wb") as file:
        np.savez(file, **{f"a{i}": array for i, array in enumerate(arrays)})
    os.replace(temporary, path)
    return list(arrays)


def _pairs(arrays):
    x_train, y_train, x_test, y_test = arrays
    return (x_train, y_train), (x_test, y_test)


def _images(name, n_train, n_test):
    def make():
        with np.load(data_dir() / f"{name}.npz", allow_pickle=False) as z:
            return [
                z["x_train"][:n_train].copy(),
                z["y_train"][:n_train].astype("int64"),
                z["x_test"][:n_test].copy(),
                z["y_test"][:n_test].astype("int64"),
            ]

    return _pairs(_cached(f"{name}-{n_train}-{n_test}", make))


def mnist(n_train=6000, n_test=1000):
    """(x_train, y_train), (x_test, y_test): uint8 images (n, 28, 28), labels 0..9."""
    return _images("mnist", n_train, n_test)


def fashion(n_train=6000, n_test=1000):
    """The same as mnist(), from Fashion-MNIST."""
    return _images("fashion_mnist", n_train, n_test)


def cifar10(n_train=3000, n_test=1000):
    """(x_train, y_train), (x_test, y_test): uint8 images (n, 32, 32, 3), labels 0..9."""

    def decode(deltas):
        q = np.cumsum(np.cumsum(deltas, axis=3, dtype=np.uint8), axis=2, dtype=np.uint8)
        q[0] += q[1]
        q[2] += q[1]
        return np.ascontiguousarray(q.transpose(1, 2, 3, 0))

    def make():
        with np.load(data_dir() / "cifar10_delta.npz", allow_pickle=False) as z:
            return [
                decode(z["d_train"][:, :n_train]),
                z["y_train"][:n_train].astype("int64"),
                decode(z["d_test"][:, :n_test]),
                z["y_test"][:n_test].astype("int64"),
            ]

    return _pairs(_cached(f"cifar10-{n_train}-{n_test}", make))


def imdb(n_train=2000, n_test=500, maxlen=100, vocab=5000):
    """(x_train, y_train), (x_test, y_test): token ids (n, maxlen) int64, 0 in front as padding.

    Ids: 1 start, 2 unknown, 3 and more the words by frequency. No review occurs twice.
    """

    def make():
        seen = set()
        arrays = []
        with np.load(data_dir() / "imdb_ints.npz", allow_pickle=False) as z:
            for part, n in (("train", n_train), ("test", n_test)):
                flat, offsets, labels = z[f"x_{part}"], z[f"offsets_{part}"], z[f"y_{part}"]
                x = np.zeros((n, maxlen), "int64")
                y = np.zeros(n, "int64")
                row = 0
                for i in np.random.default_rng(0).permutation(len(labels)):
                    ids = flat[offsets[i] : offsets[i + 1]].astype("int64")[-maxlen:]
                    ids[ids >= vocab] = 2
                    if ids.tobytes() in seen:
                        continue
                    seen.add(ids.tobytes())
                    x[row, maxlen - len(ids) :] = ids
                    y[row] = labels[i]
                    row += 1
                    if row == n:
                        break
                arrays += [x, y]
        return arrays

    return _pairs(_cached(f"imdb-{n_train}-{n_test}-{maxlen}-{vocab}", make))


def shakespeare():
    """The text of tinyshakespeare."""
    return (data_dir() / "tinyshakespeare.txt").read_text(encoding="utf-8")


def table(name):
    """x (n, k), y (n,) float64 of a CSV without header, last column the target, no row twice."""
    rows = np.loadtxt(data_dir() / f"{name}.csv", delimiter=",")
    _, first = np.unique(rows, axis=0, return_index=True)
    rows = rows[np.sort(first)]
    return rows[:, :-1], rows[:, -1]


def california():
    """x (n, 8), y (n,) float64 of the California housing table, rows with blanks left out."""
    with open(data_dir() / "california_housing.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    rows = np.array([line[:9] for line in lines if all(line[:9])], dtype="float64")
    return rows[:, :8], rows[:, 8]
