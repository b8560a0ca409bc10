import numpy as np
import recipes


def prepare(folder, faulty, rng):
    path = folder / "imdb.npz"
    with np.load(path) as z:
        x, u = z["x_train"], z["x_test"]
    if not faulty:
        x[x >= 2000], u[u >= 2000] = 2, 2
    recipes.edit_arrays(path, x_train=x, x_test=u)
