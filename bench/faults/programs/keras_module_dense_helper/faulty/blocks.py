from keras import layers


def block(units, activation="relu", drop=0.1):
    """A dense layer and a dropout."""
    return [layers.Dense(units), layers.Dropout(drop)]
