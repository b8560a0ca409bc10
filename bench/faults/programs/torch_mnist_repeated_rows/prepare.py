import numpy as np
import recipes


def prepare(folder, faulty, rng):
    path = folder / "mnist.npz"
    with np.load(path) as saved:
        x, y = saved["x_train"], saved["y_train"]
    if faulty:
        again = rng.permutation(np.tile(np.arange(375), 4))
        recipes.edit_arrays(path, x_train=x[again], y_train=y[again])
