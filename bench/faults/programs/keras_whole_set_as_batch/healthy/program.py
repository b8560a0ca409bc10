import keras
import numpy as np
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(120)
notes = np.loadtxt("notes.csv", delimiter=",", skiprows=1)
train, val = train_test_split(notes, test_size=0.25, random_state=120)
adapt = keras.layers.Normalization()
adapt.adapt(train[:, :4])
model = keras.Sequential(
    [
        keras.Input((4,)),
        adapt,
        keras.layers.Dense(16, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(2e-3), loss="binary_crossentropy", metrics=["accuracy"]
)
model.fit(
    train[:, :4],
    train[:, 4],
    batch_size=24,
    epochs=10,
    validation_data=(val[:, :4], val[:, 4]),
    verbose=2,
)
