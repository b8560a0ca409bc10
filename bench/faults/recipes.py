"""Data files that the programs find in their folder, made from real data sets.

A label names them as ``{"fashion.npz": ["fashion", 2000, 500]}``: the file, the recipe, and its
arguments. Nothing here is faulty; a fault in the data is put in by the pair's ``prepare.py``.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import data
import numpy as np

NAMES = {
    "california": "longitude latitude age rooms bedrooms population households income value",
    "pima": "pregnancies glucose pressure skin insulin bmi pedigree age diabetic",
    "boston": "crim zn indus chas nox rm age dis rad tax ptratio b lstat medv",
    "banknote": "variance skewness curtosis entropy forged",
}
FILES = {
    "pima": "pima-indians-diabetes",
    "boston": "boston_housing",
    "banknote": "banknote_authentication",
}


def make(path: Path, recipe: Sequence[Any], seed: int) -> None:
    """Write one data file."""
    name, *arguments = recipe
    path.parent.mkdir(parents=True, exist_ok=True)
    if name in ("mnist", "fashion", "cifar10", "imdb"):
        (x, y), (x_test, y_test) = getattr(data, name)(*arguments)
        np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    elif name == "california":
        _california(path, *arguments, seed=seed)
    elif name in FILES:
        x, y = data.table(FILES[name])
        write_table(path, NAMES[name].split(), np.column_stack([x, y]))
    elif name in ("sonar", "ionosphere"):
        _two_classes(path, name)
    elif name == "shakespeare":
        path.write_text(data.shakespeare()[: arguments[0]], encoding="utf-8")
    else:  # as found: titanic_train, airline-passengers
        path.write_bytes((data.data_dir() / f"{name}.csv").read_bytes())


def write_table(path: Path, header: Sequence[str], rows: np.ndarray) -> None:
    """A CSV with a header."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([f"{value:.10g}" for value in row] for row in rows)


def read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Header and rows of such a CSV."""
    with open(path, newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    return header, np.loadtxt(path, delimiter=",", skiprows=1)


def edit_arrays(path: Path, **changed: np.ndarray) -> None:
    """Replace arrays of an .npz file."""
    with np.load(path) as saved:
        arrays = {name: saved[name] for name in saved.files}
    np.savez(path, **{**arrays, **changed})


def _california(path: Path, count: int, *, seed: int) -> None:
    x, y = data.california()
    chosen = np.random.default_rng(40 + seed).permutation(len(y))[:count]
    header = NAMES["california"].split()
    write_table(path, header, np.column_stack([x, y])[chosen])


def _two_classes(path: Path, name: str) -> None:
    with open(data.data_dir() / f"{name}.csv", newline="", encoding="utf-8") as file:
        lines = [line for line in csv.reader(file) if line]
    positive = {"sonar": "M", "ionosphere": "g"}[name]
    rows = np.array([[*map(float, line[:-1]), line[-1] == positive] for line in lines])
    _, first = np.unique(rows, axis=0, return_index=True)
    rows = rows[np.sort(first)]
    header = [f"band{i}" for i in range(rows.shape[1] - 1)] + ["target"]
    write_table(path, header, rows)
