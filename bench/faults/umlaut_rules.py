"""The rules of the Umlaut paper (Schoop, Huang, Hartmann, CHI 2021), written anew as a baseline.

The rules are those that the paper states, without the defects of its published client: once an
epoch, without patience, with the paper's limits. Keras is read through a callback, as in the paper.
For PyTorch, which the paper leaves out, the same rules read the modules that were called, the loss
modules and the optimizers; a validation pass under ``no_grad`` ends an epoch there. What the rules
cannot know (a loss that is a plain function) they pass over, which favours the baseline.

Known differences: a finding has no place, because the paper's client links one line at most;
severity follows its printed titles.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np

#: rule -> (severity, cause); severities as in the printed titles.
RULES = {
    "no-softmax": ("critical", "loss"),
    "missing-activations": ("critical", "activation"),
    "nan-input": ("critical", "data"),
    "input-shape": ("error", "data"),
    "input-not-floating": ("error", "data"),
    "input-normalization": ("warning", "data"),
    "final-activation": ("warning", "activation"),
    "high-dropout": ("warning", "regularization"),
    "rate-high": ("warning", "learning-rate"),
    "rate-low": ("warning", "learning-rate"),
    "overfitting": ("warning", "regularization"),
    "overconfident-validation": ("warning", "split"),
}
HIGHEST_RATE, LOWEST_RATE = 1e-2, 1e-7
MOST_DROPOUT = 0.5
_WEIGHT = {"critical": 0, "error": 1, "warning": 2}


class Rules:
    """What the rules have found in this process."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._before: dict[str, float] = {}

    def findings(self) -> list[dict[str, Any]]:
        """Findings in the shape of Trema's, most severe first."""
        ordered = sorted(self.found, key=lambda rule: _WEIGHT[RULES[rule][0]])
        return [
            {
                "check": rule,
                "severity": RULES[rule][0],
                "cause": RULES[rule][1],
                "rank": rank,
                "explained_by": [],
                "location": None,
                "where": {},
                "first": {"step": None, "epoch": None},
            }
            for rank, rule in enumerate(ordered, 1)
        ]

    def hold(self, rule: str, violated: bool) -> None:
        """Note a rule that is violated, once."""
        if violated and rule not in self.found:
            self.found.append(rule)

    # rules ----------------------------------------------------------------------------------

    def batch(self, values: np.ndarray, image: bool, rows: int | None, columns: int | None) -> None:
        """Rules about a batch of inputs."""
        self.hold("input-not-floating", not np.issubdtype(values.dtype, np.floating))
        if values.size == 0:
            return
        values = values.astype("float64", copy=False)
        self.hold("nan-input", bool(np.isnan(values).any()))
        low, high = np.nanmin(values), np.nanmax(values)
        self.hold("input-normalization", bool(low < -1 or high > 1))
        self.hold("input-shape", image and rows != columns)

    def rate(self, value: float) -> None:
        """Rules about the learning rate."""
        self.hold("rate-high", value > HIGHEST_RATE)
        self.hold("rate-low", value < LOWEST_RATE)

    def epoch(self, number: int, logs: dict[str, float]) -> None:
        """Rules about the course of training; one epoch is enough for the paper."""
        before, self._before = self._before, logs
        if {"loss", "val_loss"} <= logs.keys() & before.keys():
            rises = logs["val_loss"] > before["val_loss"]
            self.hold("overfitting", rises and logs["loss"] <= before["loss"])
        if number >= 3 and "val_accuracy" in logs:
            better = logs["val_accuracy"] > logs.get("accuracy", 2.0)
            self.hold("overconfident-validation", logs["val_accuracy"] > 0.95 or better)


def attach() -> Rules:
    """Watch this process by the rules."""
    rules = Rules()
    if "keras" in sys.modules:
        _attach_keras(rules)
    elif "torch" in sys.modules:
        _attach_torch(rules)
    return rules


# Keras ----------------------------------------------------------------------------------------


def _attach_keras(rules: Rules) -> None:
    import keras

    class Watcher(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self, x: Any) -> None:
            super().__init__()
            self.x = x

        def on_train_begin(self, logs: Any = None) -> None:
            _keras_model(rules, self.model)
            values = _first_array(self.x)
            if values is not None:
                image = values.ndim == 4
                rows, columns = (values.shape[1:3]) if image else (None, None)
                rules.batch(values, image, rows, columns)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            rules.rate(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
            rules.epoch(epoch, _renamed(dict(logs or {})))

    original = keras.Model.fit

    def fit(self: Any, x: Any = None, *args: Any, callbacks: Any = None, **options: Any) -> Any:
        given = [Watcher(x), *(callbacks if isinstance(callbacks, list) else [])]
        return original(self, x, *args, callbacks=given, **options)

    keras.Model.fit = fit


def _first_array(x: Any) -> np.ndarray | None:
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return np.asarray(x)[:256] if hasattr(x, "shape") else None


def _renamed(logs: dict[str, Any]) -> dict[str, float]:
    """The accuracy under one name, whatever the metric is called."""
    named = {}
    for name, value in logs.items():
        start = "val_" if name.startswith("val_") else ""
        short = "accuracy" if name.endswith(("accuracy", "acc")) else name.removeprefix("val_")
        named[start + short] = float(value)
    return named


def _keras_model(rules: Rules, model: Any) -> None:
    import keras

    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    if not layers:
        return
    names = [_activation(layer) for layer in layers]
    logits = bool(getattr(model.loss, "from_logits", False))
    crossentropy = "crossentropy" in str(getattr(model.loss, "name", model.loss)).lower()
    rules.hold("no-softmax", crossentropy and not logits and names[-1] != "softmax")
    rules.hold("final-activation", names[-1] not in (None, "linear", "softmax"))
    weighted = [name for name in names if name is not None]
    stacked = pairwise(weighted)
    rules.hold("missing-activations", any(name == "linear" for name, _ in stacked))
    for layer in layers[:-1]:
        if isinstance(layer, keras.layers.Dropout):
            rules.hold("high-dropout", layer.rate >= MOST_DROPOUT)


def _activation(layer: Any) -> str | None:
    """The name of the layer's activation; None for layers that have none to give."""
    found = getattr(layer, "activation", None)
    if found is None:
        kind = type(layer).__name__.lower()
        return kind if kind in ("softmax", "relu", "leakyrelu") else None
    return str(getattr(found, "__name__", found))


# PyTorch --------------------------------------------------------------------------------------


class _Torch:
    """Reads the rules' facts off the modules that are called."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.models: set[int] = set()
        self.depth = 0
        self.number = 0
        self.sums: dict[str, list[float]] = {}

    def before(self, module: Any, inputs: Any) -> None:
        self.depth += 1
        if self.depth == 1 and not _is_loss(module) and module.training and inputs:
            self.model(module)
            x = inputs[0]
            if hasattr(x, "detach"):
                image = x.ndim == 4
                rows, columns = (x.shape[2], x.shape[3]) if image else (None, None)
                self.rules.batch(x.detach().cpu().numpy(), image, rows, columns)

    def after(self, module: Any, inputs: Any, output: Any) -> None:
        import torch

        self.depth -= 1
        if not _is_loss(module) or not hasattr(output, "item") or output.numel() != 1:
            return
        start = "" if torch.is_grad_enabled() else "val_"
        if start == "" and "val_loss" in self.sums:
            self.end_epoch()
        self.sums.setdefault(start + "loss", []).append(float(output))
        scores, target = inputs[:2]
        if scores.ndim == 2 and target.ndim == 1 and not target.is_floating_point():
            share = (scores.argmax(1) == target).float().mean()
            self.sums.setdefault(start + "accuracy", []).append(float(share))
        name = type(module).__name__
        if name in ("NLLLoss", "BCELoss") and self.last_kind not in _PROBABILITIES:
            self.rules.hold("no-softmax", True)

    last_kind = ""

    def model(self, module: Any) -> None:
        if id(module) in self.models:
            return
        self.models.add(id(module))
        leaves = [m for m in module.modules() if not list(m.children())]
        kinds = [type(m).__name__ for m in leaves]
        self.last_kind = kinds[-1] if kinds else ""
        weights = ("Linear", "Conv1d", "Conv2d")
        pairs = pairwise(kinds)
        if type(module).__name__ == "Sequential":  # only here the order of calls is known
            self.rules.hold(
                "missing-activations", any(a in weights and b in weights for a, b in pairs)
            )
        self.rules.hold("final-activation", self.last_kind in ("ReLU", "Sigmoid", "Tanh", "ELU"))
        for leaf in leaves:
            if type(leaf).__name__.startswith("Dropout"):
                self.rules.hold("high-dropout", leaf.p >= MOST_DROPOUT)

    def stepped(self, optimizer: Any, *_: Any) -> None:
        for group in optimizer.param_groups:
            self.rules.rate(float(group["lr"]))

    def end_epoch(self) -> None:
        means = {name: float(np.mean(values)) for name, values in self.sums.items()}
        self.rules.epoch(self.number, means)
        self.number += 1
        self.sums = {}


_PROBABILITIES = ("Softmax", "LogSoftmax", "Sigmoid", "LogSigmoid")


def _is_loss(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.modules.loss._Loss)


def _attach_torch(rules: Rules) -> None:
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook

    watcher = _Torch(rules)
    torch.nn.modules.module.register_module_forward_pre_hook(watcher.before)
    torch.nn.modules.module.register_module_forward_hook(watcher.after, always_call=True)
    register_optimizer_step_post_hook(watcher.stepped)
