import keras
import numpy as np
from building import build
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(219)
table = np.loadtxt("radar.csv", delimiter=",", skiprows=1)
table = np.delete(table, 1, axis=1)  # this antenna was off
train, val = train_test_split(table, test_size=0.3, stratify=table[:, -1], random_state=219)
net = build("binary", features=33)
net.fit(
    train[:, :-1],
    train[:, -1],
    validation_data=(val[:, :-1], val[:, -1]),
    epochs=15,
    batch_size=16,
    verbose=2,
)
