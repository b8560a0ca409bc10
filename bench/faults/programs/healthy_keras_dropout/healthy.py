import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import fashion
from keras import layers, regularizers

keras.utils.set_random_seed(31)
(x_train, y_train), (x_test, y_test) = fashion(5000, 1000)
x_train = x_train.astype("float32") / 127.5 - 1.0
x_test = x_test.astype("float32") / 127.5 - 1.0
x_train, x_valid = x_train[:4000], x_train[4000:]
y_train, y_valid = y_train[:4000], y_train[4000:]

model = keras.Sequential([layers.Input((28, 28)), layers.Flatten()])
for units in (256, 128):
    model.add(layers.Dense(units, kernel_initializer="he_normal"))
    model.add(layers.LeakyReLU(negative_slope=0.1))
    model.add(layers.Dropout(0.5))
model.add(layers.Dense(10, activation="softmax", kernel_regularizer=regularizers.l2(1e-4)))

model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(),
    optimizer=keras.optimizers.Adam(learning_rate=5e-4),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
)
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
model.fit(
    x_train,
    y_train,
    validation_data=(x_valid, y_valid),
    epochs=8,
    batch_size=50,
    callbacks=[stop],
    verbose=2,
)
print("metric", round(model.evaluate(x_test, y_test, verbose=0)[1], 4))
