import numpy as np
import recipes


def prepare(folder, faulty, rng):
    if faulty:
        header, rows = recipes.read_table(folder / "banknote.csv")
        rows[:, 0] = np.maximum(rows[:, 0], 0)
        recipes.write_table(folder / "banknote.csv", header, rows)
