import tomllib
from pathlib import Path

import keras
import numpy as np

keras.utils.set_random_seed(128)
options = tomllib.loads(Path("optimizer.toml").read_text())["optimizer"]
homes = np.loadtxt("boston.csv", delimiter=",", skiprows=1)
homes = np.random.default_rng(128).permutation(homes)
homes = (homes - homes[:400].mean(0)) / homes[:400].std(0)
fit, held = homes[:400], homes[400:]
net = keras.Sequential(
    [keras.Input((13,)), keras.layers.Dense(24, activation="relu"), keras.layers.Dense(1)]
)
net.compile(keras.optimizers.SGD(**options), "mse")
net.fit(
    fit[:, :13],
    fit[:, 13],
    epochs=15,
    batch_size=20,
    validation_data=(held[:, :13], held[:, 13]),
    verbose=2,
)
