import numpy as np
import recipes


def prepare(folder, faulty, rng):
    path = folder / "fashion.npz"
    with np.load(path) as z:
        order = np.argsort(z["y_train"], kind="stable")
        x, y = z["x_train"][order], z["y_train"][order]
    recipes.edit_arrays(path, x_train=x, y_train=y)
