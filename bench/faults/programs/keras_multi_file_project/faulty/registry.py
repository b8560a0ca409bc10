"""What goes with which task."""

HEADS = {
    "binary": {"activation": "linear", "loss": "mse"},
    "regression": {"activation": "linear", "loss": "mae"},
}
