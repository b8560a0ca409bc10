import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import california

keras.utils.set_random_seed(5)
rng = np.random.default_rng(5)

x, y = california()
order = rng.permutation(len(x))
x, y = x[order][:12000], y[order][:12000] / 100_000
train, val, test = slice(0, 9000), slice(9000, 10500), slice(10500, 12000)

normalizer = keras.layers.Normalization()
normalizer.adapt(x[train].astype("float32"))
x = np.asarray(keras.ops.convert_to_numpy(normalizer(x.astype("float32"))))
y = (y - y[train].mean()) / y[train].std()

model = keras.Sequential(
    [
        keras.Input((8,)),
        keras.layers.Dense(64, activation="gelu"),
        keras.layers.Dense(64, activation="gelu"),
        keras.layers.Dense(1),
    ]
)
model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
model.fit(
    x[train],
    y[train],
    validation_data=(x[val], y[val]),
    epochs=6,
    batch_size=64,
    verbose=2,
)
predicted = model.predict(x[test], verbose=0)[:, 0]
print("metric", round(1 - float(np.mean((predicted - y[test]) ** 2) / np.var(y[test])), 4))
