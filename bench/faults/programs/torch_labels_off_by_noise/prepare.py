import numpy as np
import recipes


def prepare(folder, faulty, rng):
    if faulty:
        with np.load(folder / "mnist.npz") as z:
            y = z["y_train"]
        wrong = rng.random(len(y)) < 0.55
        y[wrong] = rng.integers(0, 10, wrong.sum())
        recipes.edit_arrays(folder / "mnist.npz", y_train=y)
