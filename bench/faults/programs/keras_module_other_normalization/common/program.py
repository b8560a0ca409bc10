import keras
from keras import layers
from reading import read

keras.utils.set_random_seed(131)
train, val = read("fashion.npz")
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(10, 5, strides=2, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(*train, validation_data=val, epochs=5, batch_size=32, verbose=2)
