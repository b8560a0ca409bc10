import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
import numpy as np
from data import california
from keras import layers
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler, StandardScaler

keras.utils.set_random_seed(1)
X, y = california()
X_train, X_val, y_train, y_val = train_test_split(
    X.astype("float32"), y, test_size=0.2, random_state=42
)
place_scaler = MinMaxScaler().fit(X_train[:, :2])
house_scaler = StandardScaler().fit(X_train[:, 2:])


def split_inputs(rows):
    place, house = place_scaler.transform(rows[:, :2]), house_scaler.transform(rows[:, 2:])
    return {"place": place, "house": np.clip(house, -4, 4)}


place = keras.Input((2,), name="place")
house = keras.Input((6,), name="house")
a = layers.Dense(32, activation="relu")(place)
a = layers.Dense(16, activation="relu")(a)
b = layers.Dense(32, activation="relu")(house)
merged = layers.concatenate([a, b])
merged = layers.Dense(32, activation="relu")(merged)
price = layers.Dense(1, name="price")(merged)

model = keras.Model(inputs={"place": place, "house": house}, outputs=price)
model.compile(optimizer=keras.optimizers.Adam(0.002), loss=keras.losses.Huber())
scale = 1e5
model.fit(
    split_inputs(X_train),
    y_train / scale - 2,
    validation_data=(split_inputs(X_val), y_val / scale - 2),
    batch_size=128,
    epochs=6,
    verbose=2,
)
predicted = (model.predict(split_inputs(X_val), verbose=0).ravel() + 2) * scale
print("metric", round(float(1 - np.mean((predicted - y_val) ** 2) / np.var(y_val)), 4))
