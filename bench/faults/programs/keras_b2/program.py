import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import cifar10
from keras.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from keras.optimizers import Adam

EPOCHS = 4
BATCH = 64


def load_data():
    (images, labels), test = cifar10(3000, 1000)
    images = (images.astype("float32") - 127.5) / 127.5
    test_images = (test[0].astype("float32") - 127.5) / 127.5
    labels = keras.utils.to_categorical(labels, 10)
    test_labels = keras.utils.to_categorical(test[1], 10)
    return images, labels, test_images, test_labels


def build():
    model = keras.Sequential(name="cifar_net")
    model.add(Input((32, 32, 3)))
    model.add(Conv2D(16, (3, 3), padding="same"))
    model.add(Conv2D(16, (3, 3), padding="same"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Conv2D(32, (3, 3), padding="same"))
    model.add(Conv2D(32, (3, 3), padding="same"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Conv2D(64, (3, 3), padding="same"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Flatten())
    model.add(Dense(64))
    model.add(Dropout(0.25))
    model.add(Dense(10, activation="softmax"))
    return model


def main():
    keras.utils.set_random_seed(3)
    images, labels, test_images, test_labels = load_data()
    train = (images[:2500], labels[:2500])
    val = (images[2500:], labels[2500:])

    model = build()
    opt = Adam(learning_rate=1e-3)
    model.compile(loss="categorical_crossentropy", optimizer=opt, metrics=["accuracy"])
    model.fit(*train, epochs=EPOCHS, batch_size=BATCH, validation_data=val, verbose=2)

    score = model.evaluate(test_images, test_labels, verbose=0)
    print("metric", round(score[1], 4))


if __name__ == "__main__":
    main()
