import csv

import keras
import numpy as np
from sklearn.preprocessing import LabelEncoder, StandardScaler

keras.utils.set_random_seed(21)

with open("wines.csv", newline="") as handle:
    table = list(csv.DictReader(handle))
grape = [row.pop("grape") for row in table]
X = np.array([[float(v) for v in row.values()] for row in table], "float32")
encoder = LabelEncoder()
y = encoder.fit_transform(grape)
n_classes = len(encoder.classes_)

order = np.random.default_rng(21).permutation(len(X))
train, val = order[:130], order[130:]
scale = StandardScaler().fit(X[train])

model = keras.Sequential()
model.add(keras.Input((X.shape[1],)))
model.add(keras.layers.Dense(32, activation="tanh"))
model.add(keras.layers.Dense(n_classes, activation="softmax"))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.optimizer.learning_rate = 0.01
history = model.fit(
    scale.transform(X[train]),
    y[train],
    validation_data=(scale.transform(X[val]), y[val]),
    epochs=20,
    batch_size=10,
    verbose=0,
)
for name, values in history.history.items():
    print(name, [round(v, 3) for v in values[::4] + values[-1:]])
