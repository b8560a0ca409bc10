"""Small LightningModules, healthy and faulty, for the tests of the adapter."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "logger": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
}


def points(n: int = 320, seed: int = 0) -> TensorDataset:
    """Two classes of points, not quite apart."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    return TensorDataset(torch.randn(n, 8, generator=generator) + 0.9 * y[:, None], y)


def loaders(batch: int = 16) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Loaders of two sets that share nothing; the order is the same in every call."""
    train: Dataset[Any] = points()
    order = torch.Generator().manual_seed(3)
    shuffled = DataLoader(train, batch_size=batch, shuffle=True, generator=order)
    return shuffled, DataLoader(points(96, seed=1), batch_size=48)


class Classifier(pl.LightningModule):  # type: ignore[misc]  # Any
    """Automatic optimization, with dropout, a schedule and metrics of both phases."""

    def __init__(self, lr: float = 3e-3) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2)
        )
        self.lr = lr

    def forward(self, x: Tensor) -> Any:
        return self.net(x)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.log("train_loss", loss)
        right = (logits.argmax(1) == y).float().mean()
        self.log("train_acc", right, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        x, y = batch
        logits = self(x)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_acc", (logits.argmax(1) == y).float().mean())

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.log("test_loss", F.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)]


class Autoencoder(pl.LightningModule):  # type: ignore[misc]  # Any
    """Its steps call the parts of the module, never the module itself."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        self.decoder = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 8))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        code = self.encoder(batch[0])
        return F.mse_loss(self.decoder(code), batch[0])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", F.mse_loss(self.decoder(self.encoder(batch[0])), batch[0]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Adversaries(pl.LightningModule):  # type: ignore[misc]  # Any
    """Manual optimization of two networks in turns."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 8))
        self.critic = nn.Sequential(nn.Linear(8, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def forward(self, z: Tensor) -> Any:
        return self.generator(z)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        x = batch[0]
        first, second = self.optimizers()
        real, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        z = torch.randn(len(x), 4)
        self.toggle_optimizer(first)
        told = F.binary_cross_entropy_with_logits(self.critic(self(z)), real)
        first.zero_grad()
        self.manual_backward(told)
        first.step()
        self.untoggle_optimizer(first)
        self.toggle_optimizer(second)
        seen = F.binary_cross_entropy_with_logits(self.critic(x), real)
        unseen = F.binary_cross_entropy_with_logits(self.critic(self(z).detach()), fake)
        second.zero_grad()
        self.manual_backward((seen + unseen) / 2)
        second.step()
        self.untoggle_optimizer(second)

    def configure_optimizers(self) -> Any:
        parts = (self.generator, self.critic)
        return [torch.optim.Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.999)) for p in parts]


class Softmax(Classifier):
    """Probabilities into a loss that wants logits."""

    def forward(self, x: Tensor) -> Any:
        return torch.softmax(self.net(x), dim=1)


class Huge(Autoencoder):
    """A learning rate at which values overflow."""

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=1e3)


class HeadOnly(Classifier):
    """The first layers stand in no optimizer."""

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.net[4].parameters(), lr=3e-3)


class Detached(Classifier):
    """The loss has lost its graph."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = F.cross_entropy(self(batch[0]), batch[1])
        return loss.detach().requires_grad_()  # here


class Nothing(Classifier):
    """The loss is not returned."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("train_loss", F.cross_entropy(self(batch[0]), batch[1]))


class Uncleared(Classifier):
    """Manual optimization that never clears gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        optimizer: Any = self.optimizers()
        self.manual_backward(F.cross_entropy(self(batch[0]), batch[1]))
        optimizer.step()  # never cleared

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Raw(Classifier):
    """Inputs come in thousands."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step([4000 * batch[0] + 9000, batch[1]], batch_idx)

    def __init__(self) -> None:
        super().__init__(lr=1e-3)
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
