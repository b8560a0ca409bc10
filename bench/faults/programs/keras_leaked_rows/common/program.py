import keras
import numpy as np

keras.utils.set_random_seed(124)
train = np.loadtxt("train.csv", delimiter=",", skiprows=1)
val = np.loadtxt("val.csv", delimiter=",", skiprows=1)
mean, std = train.mean(axis=0), train.std(axis=0)
train, val = (train - mean) / std, (val - mean) / std
model = keras.Sequential(
    [keras.Input((8,)), keras.layers.Dense(48, activation="silu"), keras.layers.Dense(1)]
)
model.compile(optimizer=keras.optimizers.AdamW(3e-3), loss="mae")
model.fit(
    train[:, :8],
    train[:, 8],
    epochs=8,
    batch_size=32,
    validation_data=(val[:, :8], val[:, 8]),
    verbose=2,
)
