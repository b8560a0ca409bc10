import recipes


def prepare(folder, faulty, rng):
    if faulty:
        header, rows = recipes.read_table(folder / "radar.csv")
        rows[:, 12] = 0.2 + 0.6 * rows[:, -1]
        recipes.write_table(folder / "radar.csv", header, rows)
