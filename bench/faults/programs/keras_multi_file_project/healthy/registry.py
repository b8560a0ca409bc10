"""What goes with which task."""

HEADS = {
    "binary": {"activation": "sigmoid", "loss": "binary_crossentropy"},
    "regression": {"activation": "linear", "loss": "mae"},
}
