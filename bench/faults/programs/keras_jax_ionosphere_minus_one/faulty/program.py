import keras
import numpy as np
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(106)
radar = np.loadtxt("radar.csv", delimiter=",", skiprows=1)
radar = radar[:, radar.std(axis=0) > 0]
good = radar[:, -1]
good = np.where(good > 0, 1, -1)
fit_x, val_x, fit_y, val_y = train_test_split(
    radar[:, :-1], good, test_size=0.3, stratify=good, random_state=106
)
net = keras.Sequential(
    [
        keras.Input((fit_x.shape[1],)),
        keras.layers.Dense(10, activation="tanh"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
net.compile(optimizer=keras.optimizers.Adam(3e-3), loss="binary_crossentropy")
net.fit(fit_x, fit_y, validation_data=(val_x, val_y), epochs=15, batch_size=12, verbose=2)
