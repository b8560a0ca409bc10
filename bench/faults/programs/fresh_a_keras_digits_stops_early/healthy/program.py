import keras
import numpy as np
from keras.callbacks import EarlyStopping
from keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D

keras.utils.set_random_seed(90)

with np.load("mnist.npz") as data:
    x_train, y_train = data["x_train"][..., None] / np.float32(255), data["y_train"]
    x_test, y_test = data["x_test"][..., None] / np.float32(255), data["y_test"]
y_train, y_test = keras.utils.to_categorical(y_train), keras.utils.to_categorical(y_test)

model = keras.Sequential()
model.add(Input((28, 28, 1)))
model.add(Conv2D(8, 5, strides=2, activation="relu"))
model.add(MaxPooling2D())
model.add(Flatten())
model.add(Dense(10, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])

stopper = EarlyStopping(monitor="val_accuracy", mode="max", patience=2, restore_best_weights=True)
history = model.fit(
    x_train,
    y_train,
    validation_data=(x_test, y_test),
    epochs=10,
    batch_size=50,
    callbacks=[stopper],
    verbose=0,
)
for epoch, (loss, accuracy) in enumerate(
    zip(history.history["val_loss"], history.history["val_accuracy"], strict=True)
):
    print(f"epoch {epoch}: val_loss {loss:.3f} val_accuracy {accuracy:.3f}")
print("kept:", model.evaluate(x_test, y_test, verbose=0))
