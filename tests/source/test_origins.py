"""From the argument of a call back to what reads the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from trema.source.origins import origin
from trema.source.reading import source_tree
from trema.source.syntax import argument, call_at

PROGRAM = """
def load():
    saved = np.load("x.npz")
    return saved["x"], saved["y"]

def train(given):
    fit(given)

raw = np.loadtxt("a.csv", delimiter=",")
X, y = raw[:, :-1], raw[:, -1]
X = X.astype("float32")
a, b, c, d = train_test_split(X, y)
a /= 2
a = (a - a.mean(0)) / a.std(0)
q, r = load()
with np.load("f.npz") as z:
    e, f = z["e"], z["f"]
if scaled:
    e = e / 255.0
for batch in DataLoader(TensorDataset(torch.tensor(a), torch.tensor(c))):
    fit(batch)
fit(a)
fit(q)
fit(torch.tensor(e))
fit(np.load("here.npy") / 255.0)
"""


@pytest.mark.parametrize(
    ("call", "read"),
    [
        ("fit(a)", 'raw = np.loadtxt("a.csv"'),
        ("fit(q)", 'saved = np.load("x.npz")'),
        ("fit(torch.tensor(e))", 'e, f = z["e"], z["f"]'),
        ("fit(batch)", 'raw = np.loadtxt("a.csv"'),
        ("fit(np.load", 'fit(np.load("here.npy")'),
        ("fit(given)", None),
    ],
)
def test_origin(tmp_path: Path, call: str, read: str | None) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    lines = PROGRAM.splitlines()
    number = next(i for i, text in enumerate(lines, 1) if text.strip().startswith(call))
    tree = source_tree(str(file))
    assert tree is not None
    place = call_at(str(file), number, lines[number - 1].index("fit") + 1)
    assert place is not None
    given = argument(place, "x", 0)
    assert given is not None
    found = origin(given)
    if read is None:
        assert found is None
    else:
        assert found is not None
        assert lines[found.line - 1].strip().startswith(read)
