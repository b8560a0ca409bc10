"""Ways to lay a training run on a canvas."""
