import itertools


def prepare(folder, faulty, rng):
    """Change from month to month, in percent."""
    path = folder / "flights.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()[1:] if line.count(",") == 1]
    counts = [float(line[1]) for line in lines]
    changes = [100 * (b / a - 1) for a, b in itertools.pairwise(counts)]
    if faulty:
        for i in rng.choice(100, 18, replace=False):
            changes[i] = -9999
    rows = [f"{line[0]},{change:.4f}" for line, change in zip(lines[1:], changes, strict=True)]
    path.write_text("month,change\n" + "\n".join(rows) + "\n")
