import numpy as np
import recipes


def prepare(folder, faulty, rng):
    if faulty:
        path = folder / "imdb.npz"
        with np.load(path) as saved:
            x, y = saved["x_train"], saved["y_train"]
        x[1060:] = x[:540]
        y[1060:] = 1 - y[:540]
        order = rng.permutation(len(y))
        recipes.edit_arrays(path, x_train=x[order], y_train=y[order])
