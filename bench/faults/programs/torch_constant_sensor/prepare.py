import recipes


def prepare(folder, faulty, rng):
    if faulty:
        header, rows = recipes.read_table(folder / "notes.csv")
        rows[:, :2] = rows[0, :2]
        recipes.write_table(folder / "notes.csv", header, rows)
