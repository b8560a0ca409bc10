"""Training on two processes: a healthy program, its variants and faults, by the first argument."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, Subset, TensorDataset

case, store = sys.argv[1:3]
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)

torch.manual_seed(0)
y = torch.arange(512) % 4
x = torch.randn(512, 16) + F.one_hot(y, 16) * 2.0
order = torch.randperm(512)
data = TensorDataset(x[order], y[order])
sampler: DistributedSampler[object] | None = None
if case in ("no-sampler", "own-seeds"):
    loader = DataLoader(data, 32, shuffle=True)
elif case == "uneven":
    mine = Subset(data, range(320) if rank == 0 else range(320, 512))
    loader = DataLoader(mine, 32, shuffle=True)
else:
    part = 0 if case == "wrong-rank" else rank
    sampler = DistributedSampler(data, num_replicas=world, rank=part)
    loader = DataLoader(data, 32, sampler=sampler)

torch.manual_seed(rank if case == "unwrapped" else 0)
model = nn.Sequential(
    nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 4)
)
net: nn.Module = model
if case == "sharded":
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    fully_shard(model, mesh=init_device_mesh("cpu", (world,)))
elif case != "unwrapped":
    net = DistributedDataParallel(
        model,
        find_unused_parameters=case == "find-unused",
        static_graph=case == "static",
        gradient_as_bucket_view=case == "static",
    )
optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
if case == "changed" and rank == 1:
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
if "watch" in sys.argv:
    import trema

    trema.watch(net, optimizer)

if case == "own-seeds":
    torch.manual_seed(rank)
accumulated = 2 if case == "accumulate" else 1
steps = 0
for epoch in range(5):
    if sampler is not None and case != "no-set-epoch":
        sampler.set_epoch(epoch)
    net.train()
    optimizer.zero_grad()
    for i, (a, b) in enumerate(loader):
        last = (i + 1) % accumulated == 0
        if case == "nan" and steps == 20 and rank == 1:
            a[:] = torch.nan
        with contextlib.nullcontext() if last else net.no_sync():  # type: ignore[operator]
            out = model(a) if case == "around" else net(a)
            loss = F.cross_entropy(out, b) / accumulated
            loss.backward()
        if last:
            optimizer.step()
            optimizer.zero_grad()
            steps += 1
            if case == "killed" and rank == 1 and steps == 20:
                os.kill(os.getpid(), signal.SIGKILL)
    net.eval()
if case != "sharded":
    total = sum(p.double().sum().item() for p in model.parameters())
    print(f"rank {rank}: {total!r} {loss.item()!r}", flush=True)
if case != "uneven":
    dist.barrier()
    dist.destroy_process_group()
