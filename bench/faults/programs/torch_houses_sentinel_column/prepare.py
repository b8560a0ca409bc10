import recipes


def prepare(folder, faulty, rng):
    if faulty:
        header, rows = recipes.read_table(folder / "houses.csv")
        rows[rng.random(len(rows)) < 0.1, header.index("income")] = -999
        recipes.write_table(folder / "houses.csv", header, rows)
