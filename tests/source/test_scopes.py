"""One hop from a name to its assignment: the line where it is certain, none where it is not."""

import textwrap
from pathlib import Path

import pytest

from trema.core.diagnosis import Location
from trema.source.scopes import assignment
from trema.source.syntax import argument, call_at, expression


def hop(path: Path, text: str) -> Location | None:
    """The assignment of the argument `lr` of the one call of `SGD`."""
    path.write_text(textwrap.dedent(text))
    lines = path.read_text().splitlines()
    line = next(number for number, line in enumerate(lines, 1) if "SGD(" in line)
    column = lines[line - 1].index("SGD(") + 1
    call = call_at(str(path), line, column)
    assert call is not None
    name = argument(call, "lr")
    assert name is not None
    return assignment(name)


CERTAIN = {
    "plain": ("lr = 0.1\nSGD(lr=lr)\n", 1, 6, "0.1"),
    "the last one": ("lr = 0.1\nlr = 5\nSGD(lr=lr)\nlr = 7\n", 2, 6, "5"),
    "tuple": ("epochs, lr = 3, 0.1\nSGD(lr=lr)\n", 1, 17, "0.1"),
    "nested tuple": ("(a, (lr, b)) = 1, (2, 3)\nSGD(lr=lr)\n", 1, 20, "2"),
    "tuple from a call": ("a, lr = load()\nSGD(lr=lr)\n", 1, 9, "load()"),
    "annotated": ("lr: float = 0.1\nSGD(lr=lr)\n", 1, 13, "0.1"),
    "changed in place": ("lr = 0.1\nlr *= 1000\nSGD(lr=lr)\n", 2, 1, "lr *= 1000"),
    "walrus": ("if (lr := 0.1):\n    SGD(lr=lr)\n", 1, 11, "0.1"),
    "same branch": (
        "lr = 1\nif x:\n    lr = 2\n    SGD(lr=lr)\nelse:\n    lr = 3\n",
        3,
        10,
        "2",
    ),
    "with is no branch": ("lr = 1\nwith x:\n    lr = 2\nSGD(lr=lr)\n", 3, 10, "2"),
    "only one, in a branch": ("if x:\n    lr = 2\nSGD(lr=lr)\n", 2, 10, "2"),
    "constant of the module": ("LR = 9\ndef main():\n    return SGD(lr=LR)\n", 1, 6, "9"),
    "loop over values": ("for lr in (1, -1):\n    SGD(lr=lr)\n", 1, 11, "(1, -1)"),
    "parameter set again": ("def f(lr):\n    lr = 3\n    SGD(lr=lr)\n", 2, 10, "3"),
    "lambda": ("lr = 2\nmake = lambda: SGD(lr=lr)\n", 1, 6, "2"),
    "several lines": ("lr = (\n    1 +\n    2\n)\nSGD(lr=lr)\n", 2, 5, "1 +\n    2"),
}

UNCERTAIN = {
    "branches": "if x:\n    lr = 1\nelse:\n    lr = 2\nSGD(lr=lr)\n",
    "a branch between": "lr = 1\nif x:\n    lr = 2\nSGD(lr=lr)\n",
    "other branch": "if x:\n    lr = 1\nelif y:\n    lr = 3\nelse:\n    SGD(lr=lr)\n",
    "try": "lr = 1\ntry:\n    lr = 2\nexcept E:\n    pass\nSGD(lr=lr)\n",
    "later in the loop": "lr = 1\nfor i in x:\n    SGD(lr=lr)\n    lr = 2\n",
    "parameter": "def f(lr=3):\n    SGD(lr=lr)\n",
    "import": "from config import lr\nSGD(lr=lr)\n",
    "constant set twice": "LR = 1\nLR = 2\ndef f():\n    SGD(lr=LR)\n",
    "global": "LR = 1\ndef g():\n    global LR\n    LR = 2\ndef f():\n    SGD(lr=LR)\n",
    "with as": "lr = 1\nwith f() as lr:\n    SGD(lr=lr)\n",
    "comprehension": "lr = 1\n[SGD(lr=lr) for lr in x]\n",
    "unknown": "SGD(lr=lr)\n",
    "only later": "SGD(lr=lr)\nlr = 1\n",
    "a class body": "class A:\n    lr = 1\n    def f(self):\n        SGD(lr=lr)\n",
    "not a name": "SGD(lr=a.b)\n",
    "its own value": "lr = [SGD(lr=lr)]\n",
    "except as": "lr = 1\ntry:\n    pass\nexcept E as lr:\n    SGD(lr=lr)\n",
    "match": "lr = 1\nmatch x:\n    case [lr]:\n        SGD(lr=lr)\n",
}


@pytest.mark.parametrize("case", CERTAIN)
def test_certain(tmp_path: Path, case: str) -> None:
    text, line, column, source = CERTAIN[case]
    found = hop(tmp_path / "t.py", text)
    assert found is not None
    assert (found.line, found.column, expression(found)) == (line, column, source)


@pytest.mark.parametrize("case", UNCERTAIN)
def test_no_line_rather_than_a_guess(tmp_path: Path, case: str) -> None:
    assert hop(tmp_path / "t.py", UNCERTAIN[case]) is None
