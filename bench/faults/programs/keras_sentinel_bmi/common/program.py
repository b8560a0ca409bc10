import keras
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

keras.utils.set_random_seed(122)
patients = np.loadtxt("diabetes.csv", delimiter=",", skiprows=1)
x, x_val, y, y_val = train_test_split(
    patients[:, :-1], patients[:, -1], test_size=0.25, random_state=122
)
scaler = StandardScaler().fit(x)
model = keras.Sequential()
model.add(keras.Input((8,)))
model.add(keras.layers.Dense(16, activation="relu"))
model.add(keras.layers.Dense(1, activation="sigmoid"))
model.compile(
    loss="binary_crossentropy", optimizer=keras.optimizers.Adam(3e-3), metrics=["accuracy"]
)
model.fit(
    scaler.transform(x),
    y,
    validation_data=(scaler.transform(x_val), y_val),
    epochs=10,
    batch_size=16,
    verbose=2,
)
