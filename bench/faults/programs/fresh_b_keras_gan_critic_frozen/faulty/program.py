import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

keras.utils.set_random_seed(64)
rng = np.random.default_rng(64)
real_images = (load_digits().data / 8 - 1).astype("float32")
LATENT, BATCH = 10, 64

generator = keras.Sequential(
    [keras.Input((LATENT,)), layers.Dense(64, "relu"), layers.Dense(64, "tanh")]
)
discriminator = keras.Sequential(
    [keras.Input((64,)), layers.Dense(48), layers.LeakyReLU(), layers.Dense(1, "sigmoid")]
)
discriminator.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), "binary_crossentropy")

noise = keras.Input((LATENT,))
gan = keras.Model(noise, discriminator(generator(noise)))
discriminator.trainable = False
gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), "binary_crossentropy")

real_label, fake_label = np.ones((BATCH, 1)), np.zeros((BATCH, 1))
for epoch in range(6):
    order = rng.permutation(len(real_images))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        batch = real_images[order[start : start + BATCH]]
        z = rng.normal(size=(BATCH, LATENT)).astype("float32")
        fakes = keras.ops.convert_to_numpy(generator(z))
        d_loss = discriminator.train_on_batch(
            np.concatenate([batch, fakes]), np.concatenate([real_label, fake_label])
        )
        g_loss = gan.train_on_batch(z, real_label)
    spread = float(np.abs(fakes.mean(0) - real_images.mean(0)).mean())
    print(f"epoch {epoch} d {float(d_loss):.3f} g {float(g_loss):.3f} distance {spread:.3f}")
