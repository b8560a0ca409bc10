import recipes


def prepare(folder, faulty, rng):
    header, rows = recipes.read_table(folder / "houses.csv")
    rows = (rows - rows[:1900].mean(0)) / rows[:1900].std(0)
    if faulty:
        rows[1900:, 4] = rows[1900:, 4] * 30 + 70
    recipes.write_table(folder / "train.csv", header, rows[:1900])
    recipes.write_table(folder / "valid.csv", header, rows[1900:])
