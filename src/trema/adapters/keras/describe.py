"""The optimizer, the loss and the kinds of inputs and outputs of a compiled Keras model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trema.adapters.keras.kinds import function_name
from trema.core.facts import Layer, LossInfo, OptimizerInfo, Parameter

#: class or function name without underscores and in lower case -> (kind, sparse)
_LOSSES: Mapping[str, tuple[str, bool | None]] = {
    "categoricalcrossentropy": ("cross-entropy", False),
    "sparsecategoricalcrossentropy": ("cross-entropy", True),
    "categoricalfocalcrossentropy": ("cross-entropy", False),
    "binarycrossentropy": ("binary-cross-entropy", None),
    "binaryfocalcrossentropy": ("binary-cross-entropy", None),
    "meansquarederror": ("mse", None),
    "meanabsoluteerror": ("mae", None),
    "meanabsolutepercentageerror": ("relative", None),
    "meansquaredlogarithmicerror": ("log-squared", None),
    "huber": ("huber", None),
    "logcosh": ("huber", None),
    "kldivergence": ("kl-divergence", None),
    "poisson": ("poisson", None),
    "hinge": ("hinge", None),
    "squaredhinge": ("hinge", None),
    "categoricalhinge": ("hinge", None),
    "ctc": ("ctc", None),
}
_SHORT = {
    "mse": "meansquarederror",
    "mae": "meanabsoluteerror",
    "mape": "meanabsolutepercentageerror",
    "msle": "meansquaredlogarithmicerror",
    "bce": "binarycrossentropy",
    "crossentropy": "binarycrossentropy",
    "kld": "kldivergence",
    "kullbackleiblerdivergence": "kldivergence",
    "huberloss": "huber",
}
_VALUES = frozenset({"mse", "mae", "huber", "hinge", "relative", "log-squared"})
_SCHEDULERS = frozenset({"LearningRateScheduler", "ReduceLROnPlateau"})
_SETTINGS = (
    "momentum", "nesterov", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm",
    "beta_1", "beta_2", "rho", "epsilon", "amsgrad", "use_ema", "gradient_accumulation_steps",
)  # fmt: skip


def main_loss(model: Any) -> Any:
    """The loss as it was given to ``compile``: the first one of several."""
    loss = getattr(model, "loss", None)
    while isinstance(loss, dict | list | tuple):
        given = list(loss.values()) if isinstance(loss, dict) else list(loss)
        given = [one for one in given if one is not None]
        if not given:
            return None
        loss = given[0]
    return loss


def loss_info(model: Any) -> LossInfo | None:
    """Kind and reading of the compiled loss; None when there is none."""
    loss = main_loss(model)
    if loss is None:
        return None
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    word = str(name).replace("_", "").lower()
    word = _SHORT.get(word, word)
    known = _is_kerasic(loss) and word in _LOSSES
    kind, sparse = _LOSSES[word] if known else ("other", None)
    from_logits: bool | None = None
    if kind in ("cross-entropy", "binary-cross-entropy"):
        options = getattr(loss, "_fn_kwargs", {})
        from_logits = bool(getattr(loss, "from_logits", options.get("from_logits", False)))
        reads = "logits" if from_logits else "probabilities"
    elif kind == "kl-divergence":
        reads = "probabilities"
    else:
        reads = "values" if kind in _VALUES else "unknown"
    return LossInfo(
        kind=kind,
        reads=reads,
        name=str(name),
        sparse=sparse,
        from_logits=from_logits,
        weighted=bool(getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)),
        config=_loss_config(loss),
    )


def _loss_config(loss: Any) -> dict[str, Any]:
    """The label that the loss leaves out, and its label smoothing, where they are set."""
    options = getattr(loss, "_fn_kwargs", None) or {}
    config: dict[str, Any] = {}
    for ours, theirs in (("ignore", "ignore_class"), ("smoothing", "label_smoothing")):
        value = getattr(loss, theirs, options.get(theirs))
        if isinstance(value, int | float) and (value or ours == "ignore"):
            config[ours] = value
    return config


def _is_kerasic(loss: Any) -> bool:
    """Whether the loss is Keras's own: a function of the user may have any name."""
    if isinstance(loss, str):
        return True
    owner = loss if hasattr(loss, "__name__") else type(loss)
    return str(getattr(owner, "__module__", "")).split(".")[0] == "keras"


def inner_optimizer(optimizer: Any) -> Any:
    """The optimizer inside a loss scaler."""
    while getattr(optimizer, "inner_optimizer", None) is not None:
        optimizer = optimizer.inner_optimizer
    return optimizer


def is_scheduled(model: Any, callbacks: Sequence[Any]) -> bool:
    """Whether something changes the learning rate while training."""
    rate = getattr(inner_optimizer(model.optimizer), "_learning_rate", None)
    made = {base.__name__ for one in callbacks for base in type(one).__mro__}
    return not hasattr(rate, "assign") or bool(made & _SCHEDULERS)


def optimizer_info(model: Any, callbacks: Sequence[Any]) -> OptimizerInfo | None:
    """The optimizer with its settings; None when there is none."""
    optimizer = inner_optimizer(getattr(model, "optimizer", None))
    if optimizer is None:
        return None
    settings = {
        name: getattr(optimizer, name)
        for name in _SETTINGS
        if isinstance(getattr(optimizer, name, None), bool | int | float)
    }
    rates: tuple[float, ...] = ()
    try:
        rates = (float(np.asarray(_host(optimizer.learning_rate))),)
    except Exception:  # an optimizer of the user without a readable rate
        pass
    return OptimizerInfo(
        name="0",
        kind=type(optimizer).__name__.lower(),
        learning_rates=rates,
        config=settings,
        scheduled=is_scheduled(model, callbacks),
    )


def _host(value: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(value)


def parameter_infos(model: Any, names: Mapping[int, str], layers: Sequence[Layer]) -> Any:
    """All weights of the model in order."""
    owners = {name: layer.name for layer in layers for name in layer.parameters}
    trained = {id(variable) for variable in model.trainable_variables}
    return tuple(
        Parameter(
            name=names[id(variable)],
            shape=tuple(int(size) for size in variable.shape),
            dtype=str(variable.dtype),
            trainable=id(variable) in trained,
            layer=owners.get(names[id(variable)]),
            groups=("0.0",) if id(variable) in trained else (),
        )
        for variable in model.weights
    )


def infer_inputs(
    tensors: Mapping[str, tuple[tuple[int, ...], str]], layers: Sequence[Layer]
) -> str | None:
    """The kind of inputs by shape and dtype of the first tensor, and the layers."""
    if not tensors:
        return None
    shape, dtype = next(iter(tensors.values()))
    kinds = {layer.kind for layer in layers}
    first = next((layer.kind for layer in layers if layer.kind not in ("input", "reshape")), None)
    if len(shape) <= 2 and first == "embedding":
        return "text"
    if len(shape) <= 2 and "embedding" in kinds and "float" not in dtype and dtype != "uint8":
        return "text"
    if len(shape) == 4:
        return "image" if {shape[1], shape[-1]} & {1, 3, 4} else None
    if len(shape) == 3:
        moving = kinds & {"recurrent", "attention"}
        one_dimensional = any(name.class_name.endswith("1D") for name in layers)
        square = shape[1] == shape[2] and shape[1] >= 8
        return "image" if square and not moving and not one_dimensional else "sequence"
    return "tabular" if len(shape) == 2 else None


def infer_outputs(loss: LossInfo | None, width: int | None, one_hot: bool | None) -> str | None:
    """The kind of outputs by loss, width of the output and whether target rows sum to one."""
    if loss is None:
        return None
    if loss.kind in ("cross-entropy", "nll", "hinge"):
        return "classification"
    if loss.kind == "binary-cross-entropy":
        wide = width is not None and width > 1
        return "multilabel" if wide and not one_hot else "classification"
    return "regression" if loss.kind in ("mse", "mae", "huber", "poisson") else None


def metric_names(model: Any) -> tuple[str, ...]:
    """Metrics as they were given to ``compile``."""
    given = getattr(getattr(model, "_compile_metrics", None), "_user_metrics", None)
    names: list[str] = []

    def read(value: Any) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for one in value:
                read(one)
        elif value is not None:
            name = getattr(value, "name", None)
            names.append(str(name) if name else str(function_name(value)))

    read(given)
    return tuple(dict.fromkeys(names))
