"""Training runs to be laid on a canvas: trained on the spot, recorded, kept for the next time.

    python bench/travel/subjects.py [--only mnist] [--samples 5000] [--epochs 10] [--noise 0.1]

The networks end in a representation of 512 numbers before a linear head:

- `mnist`, `fashion`: convolutions 5x5/2 (16) and 3x3/2 (32), each with batch normalization and
  ReLU, then a linear layer to 512 and ReLU; 0.8 M parameters.
- `cifar10`: convolutions 3x3/2 (32, 64, 128), a 1x1 convolution to 512, each with batch
  normalization and ReLU, averaged over places; 0.16 M parameters. On a GPU a ResNet18.

Adam, 1e-3, batches of 128. After each epoch the representations of all training samples are
written in float16, as Trema's recorder does; beside them the test split and samples of another
data set (`outside`: Fashion-MNIST for MNIST, MNIST for the other two, padded to 32x32 with three
channels for CIFAR-10).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results" / "travel"
sys.path.insert(0, str(HERE.parent / "faults"))

import data  # noqa: E402

NAMES = ("mnist", "fashion", "cifar10")
WIDTH, CLASSES, BATCH, OUTSIDE = 512, 10, 128, 1000
#: Changes when the networks or their training do, so that older recordings are not taken for new.
_VERSION = 1


@dataclass(frozen=True)
class Subject:
    """A recorded run. Lists hold a memory map (n, 512), float16, for each epoch.

    ``labels`` are what the network was trained on, ``clean`` the true ones; ``labelled`` tells
    which samples it saw. Logits are of shape (epoch, n, class), float32.
    """

    name: str
    folder: Path
    train: list[NDArray[np.float16]]
    test: list[NDArray[np.float16]]
    outside: list[NDArray[np.float16]]
    labels: NDArray[np.int64]
    clean: NDArray[np.int64]
    labelled: NDArray[np.bool_]
    test_labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    test_logits: NDArray[np.float32]
    outside_logits: NDArray[np.float32]
    heads: tuple[NDArray[np.float32], NDArray[np.float32]]
    about: dict[str, Any]


def subject(
    name: str,
    samples: int = 5000,
    epochs: int = 10,
    *,
    noise: float = 0.0,
    by_class: bool = False,
    labelled: float = 1.0,
    seed: int = 0,
    folder: Path = RESULTS,
) -> Subject:
    """The recorded run, trained now if it is not there.

    noise : share of training labels replaced, by any other class, or ``by_class`` by the next one
    labelled : share of samples that are trained on; all are recorded
    """
    kind = f"-noise{noise:g}{'c' if by_class else ''}" if noise else ""
    kind += f"-labelled{labelled:g}" if labelled < 1 else ""
    target = Path(folder) / f"{name}-{samples}x{epochs}{kind}-s{seed}-v{_VERSION}"
    if not target.exists():
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _record(part, name, samples, epochs, noise, by_class, labelled, seed)
        part.rename(target)
    return _open(target, name)


def images(name: str, samples: int) -> tuple[Tensor, NDArray[Any], Tensor, NDArray[Any], Tensor]:
    """Training images and labels, test images and labels, outside images; float32 (n, c, h, w)."""
    tests = min(10_000, max(1000, samples // 5))
    load = getattr(data, name)
    (x, y), (xt, yt) = load(samples, tests)
    other = data.fashion if name == "mnist" else data.mnist
    outside = _tensor(other(1000, OUTSIDE)[1][0])
    x, xt = _tensor(x), _tensor(xt)
    if x.shape[1:] != outside.shape[1:]:
        outside = nn.functional.pad(outside, (2, 2, 2, 2)).expand(-1, 3, -1, -1)
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    return (x - mean) / std, y, (xt - mean) / std, yt, (outside - mean) / std


def network(name: str, device: str) -> nn.Sequential:
    """The network: [0] gives the representation, [1] is the head."""
    if name == "cifar10" and device == "cuda":
        spec = importlib.util.spec_from_file_location("wide", HERE.parent / "overhead/subjects.py")
        wide = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(wide)
        layers = list(wide.resnet((64, 128, 256, 512), 2))
        return nn.Sequential(nn.Sequential(*layers[:-1]), layers[-1])
    if name == "cifar10":
        body = [
            *_convolution(3, 32, 3, 2),
            *_convolution(32, 64, 3, 2),
            *_convolution(64, 128, 3, 2),
            *_convolution(128, WIDTH, 1, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ]
    else:
        body = [*_convolution(1, 16, 5, 2), *_convolution(16, 32, 3, 2), nn.Flatten()]
        body += [nn.Linear(32 * 7 * 7, WIDTH), nn.ReLU()]
    return nn.Sequential(nn.Sequential(*body), nn.Linear(WIDTH, CLASSES))


def noisy(
    labels: NDArray[np.int64], share: float, by_class: bool, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Labels of which a share is wrong."""
    wrong = draw.choice(len(labels), size=round(share * len(labels)), replace=False)
    step = 1 if by_class else draw.integers(1, CLASSES, size=len(wrong))
    result = labels.copy()
    result[wrong] = (labels[wrong] + step) % CLASSES
    return result


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    x = torch.from_numpy(pixels).float() / 255
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()


def _convolution(inputs: int, outputs: int, size: int, stride: int) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


def _record(
    folder: Path,
    name: str,
    samples: int,
    epochs: int,
    noise: float,
    by_class: bool,
    labelled: float,
    seed: int,
) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    started = time.perf_counter()
    draw = np.random.default_rng(seed)
    x, clean, xt, yt, outside = images(name, samples)
    labels = noisy(clean, noise, by_class, draw)
    seen = np.zeros(samples, dtype=bool)
    seen[draw.permutation(samples)[: round(labelled * samples)]] = True
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = network(name, device).to(device)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    kept = torch.from_numpy(np.flatnonzero(seen)).to(device)
    splits = {"train": x.to(device), "test": xt.to(device), "outside": outside.to(device)}
    target = torch.from_numpy(labels).to(device)
    order = torch.Generator().manual_seed(seed)
    logits: dict[str, list[NDArray[np.float32]]] = {split: [] for split in splits}
    weights, biases, accuracy = [], [], []
    for epoch in range(epochs):
        _train(model, optimizer, splits["train"], target, kept, order)
        for split, rows in splits.items():
            representations, said = _forward(model, rows)
            np.save(folder / f"{split}-{epoch:03d}.npy", representations.astype(np.float16))
            logits[split].append(said)
        weights.append(model[1].weight.detach().cpu().numpy().copy())
        biases.append(model[1].bias.detach().cpu().numpy().copy())
        accuracy.append(float((logits["test"][-1].argmax(1) == yt).mean()))
    np.savez(
        folder / "run.npz",
        weights=np.stack(weights),
        biases=np.stack(biases),
        labels=labels,
        clean=clean,
        labelled=seen,
        test_labels=yt,
        **{f"{split}_logits": np.stack(parts) for split, parts in logits.items()},
    )
    about = {
        "samples": samples,
        "epochs": epochs,
        "noise": noise,
        "by_class": by_class,
        "labelled": labelled,
        "seed": seed,
        "network": "ResNet18" if name == "cifar10" and device == "cuda" else "small convolutional",
        "parameters": sum(p.numel() for p in model.parameters()),
        "test_accuracy": accuracy,
        "seconds": round(time.perf_counter() - started, 1),
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def _train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    target: Tensor,
    kept: Tensor,
    order: torch.Generator,
) -> None:
    """One epoch over the kept samples."""
    model.train()
    mixed = kept[torch.randperm(len(kept), generator=order).to(kept.device)]
    for batch in mixed.split(BATCH):
        if len(batch) < 2:  # batch normalization needs two
            continue
        loss = nn.functional.cross_entropy(model(x[batch]), target[batch])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


@torch.inference_mode()
def _forward(model: nn.Sequential, x: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    model.eval()
    parts = [(z := model[0](part), model[1](z)) for part in x.split(1000)]
    gather: Callable[[int], NDArray[Any]] = lambda i: torch.cat([p[i] for p in parts]).cpu().numpy()  # noqa: E731
    return gather(0), gather(1)


def _open(folder: Path, name: str) -> Subject:
    with np.load(folder / "run.npz", allow_pickle=False) as kept:
        run = {key: kept[key] for key in kept.files}
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))

    def maps(split: str) -> list[NDArray[np.float16]]:
        return [
            np.load(folder / f"{split}-{epoch:03d}.npy", mmap_mode="r", allow_pickle=False)
            for epoch in range(about["epochs"])
        ]

    return Subject(
        name,
        folder,
        maps("train"),
        maps("test"),
        maps("outside"),
        run["labels"],
        run["clean"],
        run["labelled"],
        run["test_labels"],
        run["train_logits"],
        run["test_logits"],
        run["outside_logits"],
        (run["weights"], run["biases"]),
        about,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", choices=NAMES, action="append")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--by-class", action="store_true")
    parser.add_argument("--labelled", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("TREMA_BENCH_THREADS", "1")))
    for name in args.only or NAMES:
        run = subject(
            name,
            args.samples,
            args.epochs,
            noise=args.noise,
            by_class=args.by_class,
            labelled=args.labelled,
            seed=args.seed,
            folder=args.folder,
        )
        print(f"{run.folder}: {run.about}", flush=True)


if __name__ == "__main__":
    main()
