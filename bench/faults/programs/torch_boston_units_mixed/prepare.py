import recipes


def prepare(folder, faulty, rng):
    if faulty:
        header, rows = recipes.read_table(folder / "boston.csv")
        rows[rng.choice(len(rows), 12, replace=False), 9] *= 1000
        recipes.write_table(folder / "boston.csv", header, rows)
