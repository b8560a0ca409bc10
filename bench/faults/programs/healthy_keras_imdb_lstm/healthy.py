import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import keras
from data import imdb
from keras.layers import LSTM, Dense, Embedding, GlobalMaxPooling1D

keras.utils.set_random_seed(4)
max_features = 3000

train, test = imdb(4000, 1000, maxlen=40, vocab=max_features)

model = keras.Sequential()
model.add(Embedding(max_features, 32))
model.add(LSTM(24, return_sequences=True))
model.add(GlobalMaxPooling1D())
model.add(Dense(1, activation="sigmoid"))
model.compile(
    optimizer=keras.optimizers.Adam(3e-3, clipnorm=1.0),
    loss="binary_crossentropy",
    metrics=["accuracy"],
)
model.fit(
    train[0],
    train[1].astype("float32"),
    batch_size=100,
    epochs=2,
    validation_split=0.2,
    verbose=2,
)
score, acc = model.evaluate(test[0], test[1].astype("float32"), batch_size=100, verbose=0)
print("metric", round(acc, 4))
