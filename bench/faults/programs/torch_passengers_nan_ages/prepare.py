import csv


def prepare(folder, faulty, rng):
    path = folder / "titanic.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    known = sorted(float(r["Age"]) for r in rows if r["Age"])
    with open(folder / "passengers.csv", "w") as file:
        file.write("Pclass,Age,SibSp,Parch,Fare,Female,Survived\n")
        for r in rows:
            age = r["Age"] or ("" if faulty else str(known[len(known) // 2]))
            female = int(r["Sex"] == "female")
            values = (r["Pclass"], age, r["SibSp"], r["Parch"], r["Fare"], female, r["Survived"])
            file.write(",".join(map(str, values)) + "\n")
