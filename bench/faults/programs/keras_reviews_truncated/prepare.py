import numpy as np
import recipes


def prepare(folder, faulty, rng):
    if faulty:
        path = folder / "imdb.npz"
        with np.load(path) as z:
            parts = {k: z[k] for k in ("x_train", "x_test")}
        for x in parts.values():
            kept = rng.integers(0, 3, len(x))
            x[np.arange(60) < 60 - kept[:, None]] = 0
        recipes.edit_arrays(path, **parts)
