import csv

import data


def prepare(folder, faulty, rng):
    """Dates as month/year; the faulty file came out of a table that keeps no order."""
    with open(data.data_dir() / "airline-passengers.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    rows = [[f"{month[5:7]}/{month[:4]}", int(count)] for month, count in lines]
    if faulty:
        rng.shuffle(rows)
    with open(folder / "traffic.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["month", "passengers"], *rows])
