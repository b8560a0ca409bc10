"""Losses of this project."""


def tolerant(guess, truth, free=0.1):
    """Squared error beyond a tolerance, on average."""
    beyond = ((guess.reshape(truth.shape) - truth).abs() - free).clamp(min=0)
    return (beyond**2).mean()
