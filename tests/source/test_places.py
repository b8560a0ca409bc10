"""Loops around a step, values of a loss, cuts of a graph: the lines that findings point at."""

from __future__ import annotations

from pathlib import Path

import pytest

from trema.core.diagnosis import Location
from trema.source.cuts import cuts_in, loss_cut
from trema.source.heads import applied_in, output_call
from trema.source.labels import labels_of
from trema.source.loops import loop_around
from trema.source.loss_values import loss_value, operation_in
from trema.source.matching import find_calls
from trema.source.syntax import argument, call_at


def call(tmp_path: Path, text: str, method: str) -> Location:
    script = tmp_path / "program.py"
    script.write_text(text)
    return find_calls(str(script), (method,))[-1].location


LOOPS = {
    "for e in range(3):\n  for x in data:\n    opt.step()\n": 1,
    "opt = Adam()\nwhile True:\n  opt.step()\n": 2,
    "opt.step()\n": None,
    "for seed in range(3):\n  opt = Adam()\n  for e in range(3):\n    opt.step()\n": 3,
    "def train(opt):\n  for x in data:\n    opt.step()\nfor e in range(3):\n  train(opt)\n": 4,
    "def f(o):\n  o.step()\nfor s in seeds:\n  opt = Adam()\n  for e in es:\n    f(opt)\n": 5,
    "def train():\n  opt = Adam()\n  for e in es:\n    opt.step()\nfor s in seeds:\n  train()\n": 3,
    "def f(o):\n  for x in d:\n    o.step()\nfor e in a:\n  f(p)\nfor e in b:\n  f(q)\n": 2,
    "for e in range(3):\n  for x in data:\n    scaler.step(opt)\n": 1,
    "class T:\n  def one(self):\n    self.opt.step()\nt = T()\nfor e in range(3):\n  t.one()\n": 5,
}


@pytest.mark.parametrize(("text", "line"), LOOPS.items())
def test_the_loop_of_one_training(tmp_path: Path, text: str, line: int | None) -> None:
    found = loop_around(call(tmp_path, text, "step"))
    assert (found.line if found is not None else None) == line


def test_a_loop_that_makes_the_optimizer_elsewhere_holds_several_trainings(tmp_path: Path) -> None:
    text = "for s in range(3):\n  net, o = (\n    build())\n  for e in range(3):\n    o.step()\n"
    step = call(tmp_path, text, "step")
    found = loop_around(step, Location(file=step.file, line=3))
    assert found is not None
    assert (found.line, found.end_line) == (4, 4)


SURPRISE = """def surprise(scores, labels):
    p = scores.softmax(1)
    return -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()
"""
VALUES = {
    "loss = surprise(net(x), y)\nloss.backward()\n": (4, 3),
    "surprise(net(x), y).backward()\n": (4, 3),
    "loss = surprise(net(x), y)\nscaler.scale(loss).backward()\n": (4, 3),
    "loss = surprise(net(x), y)\n(loss / 4).backward()\n": (4, 3),
    "loss = surprise(net(x), y)\naccelerator.backward(loss)\n": (4, 3),
    "loss = -net(x).log().mean()\nloss.backward()\n": (4, 4),
    "loss = (torch.log(net(x)) +\n  torch.log(net(y)))\nloss.backward()\n": (4, None),
    "def f(loss):\n  loss.backward()\n": (None, None),
}


@pytest.mark.parametrize(("text", "lines"), VALUES.items())
def test_the_value_of_a_loss_and_its_operation(
    tmp_path: Path, text: str, lines: tuple[int | None, int | None]
) -> None:
    value = loss_value(call(tmp_path, SURPRISE + text, "backward"))
    inner = operation_in(value, "logarithm") if value is not None else None
    assert (value.line if value else None, inner.line if inner else None) == lines


CUTS = {
    "f = self.enc(x)\n    return self.head(f.detach())": {"enc": 6},
    "with torch.no_grad():\n      f = self.enc(x)\n    return self.head(f)": {"enc": 5},
    "f = self.enc(x).data\n    return self.head(f)": {"enc": 5},
    "return self.head(self.enc(x))": {},
    "f = self.enc(x).detach()\n    return self.head(f) + self.enc(x).detach()": {},
}


@pytest.mark.parametrize(("body", "cuts"), CUTS.items())
def test_the_only_cut_behind_a_layer(tmp_path: Path, body: str, cuts: dict[str, int]) -> None:
    script = tmp_path / "net.py"
    head = "class Net(Module):\n  def __init__(self):\n    pass\n  def forward(self, x):\n"
    script.write_text(f"{head}    {body}\n")
    found = cuts_in(str(script), "Net")
    assert {name: place.line for name, place in found.items()} == cuts


LABELS = """good = np.where(raw[:, -1] > 0, 1, -1)
a, b, c, d = train_test_split(
    raw[:, :-1], good, test_size=0.3, stratify=good
)
e, f = train_test_split(raw)
g, h, i, j = train_test_split(*both)
k = torch.tensor(c.astype(int), dtype=torch.long)
m = c.values
n = frame["y"].to_numpy()
q = n.reshape(-1, 1)
"""
SPLIT = {"c": 1, "d": 1, "c[:5]": 1, "a": 2, "e": 5, "g": 6, "k": 7, "m": 1, "q": 9}


@pytest.mark.parametrize(("given", "line"), SPLIT.items())
def test_labels_are_followed_through_a_split(tmp_path: Path, given: str, line: int) -> None:
    fit = call(tmp_path, f"{LABELS}model.fit(x, {given})\n", "fit")
    place = argument(fit, "y", 1)
    assert place is not None
    found = labels_of(place)
    assert found is not None
    if given == "a":
        assert found.line in (2, 3)  # the part that was split, where no name is followed
    else:
        assert found.line == line
    assert call_at(found.file, fit.line) is not None


LOST = {
    "loss = ce(net(x), y)\nloss = loss.detach().requires_grad_(True)\nloss.backward()\n": 2,
    "loss = ce(net(x), y)\nagain = torch.tensor(\n  loss.item())\nagain.backward()\n": 2,
    "loss = Variable(ce(net(x), y).data, requires_grad=True)\nloss.backward()\n": 1,
    "def f(a, b):\n  return ((a - b) ** 2).mean().detach()\nloss = f(x, y)\nloss.backward()\n": 2,
    "goal = aim(x).detach()\nloss = ce(net(x), goal)\nloss.backward()\n": None,
    "loss = old.detach() + ce(net(x), y)\nloss.backward()\n": None,
    "loss = ce(net(x), y)\n(loss / 4).backward()\n": None,
}


@pytest.mark.parametrize(("text", "line"), LOST.items())
def test_the_line_that_takes_its_history_from_a_loss(
    tmp_path: Path, text: str, line: int | None
) -> None:
    found = loss_cut(call(tmp_path, text, "backward"))
    assert (found.line if found is not None else None) == line


HEADS = {
    "return torch.relu(self.up(x))": 5,
    "x = relu(self.up(x))\n    x = relu(self.end(x))\n    return x.squeeze(1)": 6,
    "return torch.squeeze(self.up(x).relu(), 1)": 5,
    "return self.top(x)\n  def top(self, x):\n    return F.relu(x)[:, 0]": 7,
    "return self.block(x)": 11,
    "for layer in self.layers:\n      x = F.relu(layer(x))\n    return x": 6,
    "x = relu(self.up(x))\n    x = relu(x)\n    return self.end(x)": None,
    "return self.end(x)": None,
}


@pytest.mark.parametrize(("body", "line"), HEADS.items())
def test_the_call_of_the_output_function(tmp_path: Path, body: str, line: int | None) -> None:
    script = tmp_path / "net.py"
    head = "class Net(Module):\n  def __init__(self):\n    pass\n  def forward(self, x):\n"
    text = f"{head}    {body}\n"
    text += "#\n" * (8 - text.count("\n"))
    script.write_text(f"{text}class Block:\n  def forward(self, x):\n    return relu(x)\n")
    inside = {"block": (str(script), "Block")}
    found = output_call(str(script), "Net", "Relu", inside.get)
    assert (found.line if found is not None else None) == line


def test_an_output_function_outside_of_the_model(tmp_path: Path) -> None:
    text = "p = F.log_softmax(\n  net(x), dim=0)\nF.nll(p, y)\n"
    given = argument(call(tmp_path, text, "nll"), "input", 0)
    assert given is not None
    found = applied_in(given, "LogSoftmax")
    assert found is not None
    assert found.line == 1
    assert applied_in(given, "Softmax") is None
