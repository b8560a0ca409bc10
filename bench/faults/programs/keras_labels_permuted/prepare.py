import numpy as np
import recipes


def prepare(folder, faulty, rng):
    if faulty:
        with np.load(folder / "fashion.npz") as z:
            labels = z["y_train"]
        recipes.edit_arrays(folder / "fashion.npz", y_train=np.sort(labels))
