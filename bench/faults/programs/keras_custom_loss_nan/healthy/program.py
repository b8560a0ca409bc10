import keras
import numpy as np
from keras import ops
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(121)


def likelihood(truth, guess):
    guess = ops.clip(guess, 1e-6, 1 - 1e-6)
    yes, no = ops.log(guess), ops.log(1 - guess)
    return -ops.mean(truth * yes + (1 - truth) * no, axis=-1)


rows = np.loadtxt("notes.csv", delimiter=",", skiprows=1).astype("float32")
rows[:, :4] = (rows[:, :4] - rows[:, :4].mean(0)) / rows[:, :4].std(0)
train, val = train_test_split(rows, test_size=0.25, random_state=121)
net = keras.Sequential(
    [
        keras.Input((4,)),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
net.compile(keras.optimizers.Adam(0.01), loss=likelihood, metrics=["binary_accuracy"])
net.fit(
    train[:, :4],
    train[:, 4:],
    epochs=25,
    batch_size=32,
    validation_data=(val[:, :4], val[:, 4:]),
    verbose=2,
)
