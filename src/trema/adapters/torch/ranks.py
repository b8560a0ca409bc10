"""What this process of a distributed training tells the others, and what it hears from them.

Nothing is sent and nobody waits: each rank writes a few numbers into a file of its own at fixed
steps, and rank 0 reads what is there. No collective operation is ever called, so that no rank can
wait for one that does not come.
"""

from __future__ import annotations

import hashlib
import random
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

from trema.adapters.torch import hooks, reduce
from trema.adapters.torch.describe import clean, is_sharded, owned_parameters
from trema.core.divergence import VALUES, compared, packed
from trema.core.facts import Fact, Observation
from trema.core.samples import fingerprints
from trema.engine.ranks import process_group

if TYPE_CHECKING:
    from trema.adapters.torch.observer import Observer

#: The first batches are told, so many rows of each and so many values of a row.
BATCHES, ROWS, ROW_VALUES = 8, 16, 4096
#: Parameters of which values are told.
PARAMETERS = 64
#: Ranks that rank 0 hears: each is a small file.
HEARD = 64
#: Observations of a comparison; later ones would say the same.
OBSERVATIONS = 40
#: Passes over the data that are looked at for their order.
PASSES = 8
#: Ends of the training data that are told.
ENDS = 3
#: Files between a call of a module and a hook of ours on it.
_CALLING = (hooks.__file__, nn.modules.module.__file__)
_KNOWN_SAMPLERS = (
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


class Ranks:
    """The other ranks, as one observer's training is concerned."""

    def __init__(self, observer: Observer, wrapper: Any = None) -> None:
        self._observer = observer
        self._meeting = observer.session.meeting
        self._inside = self._outside = 0  # forward passes inside DistributedDataParallel
        self._wrapper = wrapper  # the DistributedDataParallel, where one is known
        self._orders: list[tuple[Any, ...]] = []
        self._pending: DataLoader[Any] | None = None
        self._order: tuple[Any, ...] | None = None  # of the pass that begins
        self._passed = self._ends = 0  # steps before this pass over the training data; its ends
        self._told_at = 0
        self._told_loader: dict[str, Any] | None = None
        self._observed: list[Any] = []
        self._names: list[str] = []
        self._checked_group = False
        #: The step after which :meth:`stepped` is to be called; -1 for every one.
        self.next = 0

    # hooks --------------------------------------------------------------------------------

    def forward_ran(self) -> None:
        """The model ran with gradients in a step that is observed."""
        wrapper = _running_wrapper()
        if wrapper is not None:
            self._inside += 1
            self._wrapper = wrapper
        else:
            self._outside += 1

    def loader_begins(self, loader: DataLoader[Any]) -> None:
        """A loader is iterated; whether it trains is known when a step follows."""
        self._pending, self._order = loader, _order(loader)
        self.next = -1

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimizer made a step that is looked at."""
        number = self._observer.step + 1  # steps made so far
        if self._meeting is None:
            self._look_for_group()
        self._begin_pass(number)
        due = number & (number - 1) == 0 or number <= BATCHES
        if self._meeting is not None and due:
            self._tell(number, optimizer)
            self._hear()
        self.next = number if number < BATCHES else (1 << number.bit_length()) - 1

    def loader_ends(self) -> None:
        """The training data are exhausted."""
        steps = self._observer.step - self._passed
        if self._meeting is None or steps <= 0 or self._ends >= ENDS:
            return
        self._ends += 1
        self._meeting.tell("exhausted", segment=self._observer.segment.number, steps=steps)
        self._hear(always=True)

    def close(self, optimizer: torch.optim.Optimizer | None) -> None:
        """The run is over: a last word, a last look."""
        if self._meeting is None or not self._observer.step:
            return
        if optimizer is not None and self._told_at < self._observer.step:
            self._tell(self._observer.step, optimizer, last=True)
        self._hear()

    # order of the samples -----------------------------------------------------------------

    def _begin_pass(self, number: int) -> None:
        loader, self._pending = self._pending, None
        if loader is None or loader is not self._observer.epochs.train_loader:
            return
        self._passed = number - 1
        if self._order is not None and len(self._orders) < PASSES:
            self._orders.append(self._order)
            self._tell_orders()
        told = _described(loader)
        if self._meeting is not None and told is not None and told != self._told_loader:
            self._told_loader = told
            self._meeting.tell("loader", segment=self._observer.segment.number, **told)

    def _tell_orders(self) -> None:
        first = self._orders[0]
        self._observe(
            Fact.SAMPLER,
            passes=len(self._orders),
            repeated=sum(order == first for order in self._orders),
            epochs=[order[1] for order in self._orders],
            replicas=first[3],
        )

    # telling ------------------------------------------------------------------------------

    def _tell(self, number: int, optimizer: torch.optim.Optimizer, *, last: bool = False) -> None:
        meeting, observer = self._meeting, self._observer
        if meeting is None:
            return
        self._told_at = number
        fields: dict[str, Any] = {}
        if number <= BATCHES and (batch := _batch(observer._inputs)):
            fields["batch"] = batch
        if number & (number - 1) == 0 or last:
            fields |= self._weights(optimizer)
            if not last:  # after the last step a program may gather results or wait for others
                fields["collectives"] = _collectives()
            fields["random"] = _random_states()
        meeting.tell("step", segment=observer.segment.number, step=number, **fields)

    def _weights(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        wrapper = self._wrapper
        left_out = set(getattr(wrapper, "parameters_to_ignore", ()) or ())
        own = [
            (clean(name), p)
            for name, p in owned_parameters(self._observer.inner, optimizer)
            if p.requires_grad and p.numel() and name not in left_out
        ]
        stride = max(1, -(-len(own) // PARAMETERS))
        taken = own[::stride]
        self._names = [name for name, _ in taken]
        values = reduce.to_host([_few(p) for _, p in taken])
        size = self._observer.session.world.size
        return {
            "names": _hash(repr([(name, tuple(p.shape)) for name, p in own]).encode()),
            "values": packed(np.concatenate(values) if values else np.empty(0, np.float32)),
            "wrapped": wrapper is not None,
            "inside": self._inside,
            "outside": self._outside,
            "apart": _apart(self._observer.inner, wrapper, size),
        }

    # hearing ------------------------------------------------------------------------------

    def _hear(self, *, always: bool = False) -> None:
        """Compare with the others. Rank 0 does it for all; another rank only looks at rank 0 when
        its data are used up, because rank 0 may then wait for a step that never comes."""
        meeting, observer = self._meeting, self._observer
        if meeting is None or len(self._observed) >= OBSERVATIONS:
            return
        if meeting.rank and not always:
            return
        world = observer.session.world.size
        told = meeting.hear(range(1, min(world, HEARD)) if not meeting.rank else (0,))
        data = compared(told, meeting.rank, observer.segment.number, self._names)
        if data is not None and data not in self._observed[-1:]:
            self._observed.append(data)
            joined = getattr(getattr(self._wrapper, "_join_config", None), "enable", False)
            self._observe(Fact.RANKS, rank=meeting.rank, world=world, joined=bool(joined), **data)

    def _observe(self, fact: Fact, **data: Any) -> None:
        observer = self._observer
        observer.segment.observe(
            Observation(
                fact=fact,
                step=observer.step,
                epoch=observer.epochs.epoch,
                data=data,
                segment=observer.segment.number,
            )
        )

    def _look_for_group(self) -> None:
        """A run that began before the process group may be that of rank 0; else say so once."""
        group = None if self._checked_group else process_group()
        self._checked_group = True
        if group is None or group[1] < 2:
            return
        session = self._observer.session
        if group[0] == session.rank == 0:
            session.lead(group[1])
            self._meeting = session.meeting
        else:
            session.notes.append(
                f"this is rank {group[0]} of {group[1]}, but its run began before the ranks were "
                "known: call trema.watch after init_process_group, or start with "
                "torchrun -m trema run"
            )


# what is read ---------------------------------------------------------------------------------


def runs_for_wrapper() -> bool:
    """Whether the module whose hook runs now was called by DistributedDataParallel itself."""
    frame = sys._getframe(2)
    for _ in range(8):  # Trema's hook, then torch's way from a call to it
        if frame.f_code.co_name == "_run_ddp_forward":
            return True
        if frame.f_back is None or not frame.f_code.co_filename.endswith(_CALLING):
            return False
        frame = frame.f_back
    return False


def _running_wrapper() -> Any:
    """The DistributedDataParallel whose forward runs just now; None outside one."""
    module = sys.modules.get("torch.nn.parallel.distributed")
    kind = getattr(module, "DistributedDataParallel", None)
    return getattr(kind, "_active_ddp_module", None)


def _apart(model: nn.Module, wrapper: Any, size: int) -> bool:
    """Whether ranks may hold different parameters on purpose: shards, groups of ranks, or a
    communication hook, which may average now and then only."""
    if any(is_sharded(p) for p in model.parameters()):
        return True
    if any(type(m).__name__ == "FullyShardedDataParallel" for m in model.modules()):
        return True
    if wrapper is None:
        return False
    return bool(getattr(wrapper, "_comm_hooks", ())) or wrapper.process_group.size() != size


def _collectives() -> int | None:
    """How many collective operations the default process group has run; None if not counted."""
    group: Any = sys.modules.get("torch.distributed.distributed_c10d")
    try:
        return int(group._get_default_group()._get_sequence_number_for_group())
    except Exception:  # no group, or a backend that does not count
        return None


def _few(p: Tensor) -> Tensor:
    """Values of a parameter, evenly spaced, the last one repeated where there are fewer."""
    p = p.detach()
    index = torch.arange(VALUES, device=p.device) * max(1, p.numel() // VALUES)
    return torch.take(p, index.clamp(max=p.numel() - 1)).float()


def _batch(inputs: dict[str, Tensor]) -> list[str] | None:
    """A hash of each of the first rows of the first input; None when it holds no samples."""
    x = next(iter(inputs.values()), None)
    if x is None or x.ndim < 2 or not x.numel() or x.is_complex() or x.layout != torch.strided:
        return None
    rows = x.detach()[:ROWS]
    rows = rows.reshape(len(rows), -1)
    rows = rows[:, :: max(1, rows.shape[1] // ROW_VALUES)]
    array = (rows.float() if rows.dtype == torch.bfloat16 else rows).cpu().numpy()
    return [f"{word:x}" for word in fingerprints(array)]


def _random_states() -> dict[str, str]:
    """Hashes of the states of the random generators, which are read and never advanced."""
    numpy_state: Any = np.random.get_state(legacy=True)
    return {
        "torch": _hash(torch.get_rng_state().numpy().tobytes()),
        "numpy": _hash(b"".join(np.asarray(part).tobytes() for part in numpy_state[1:])),
        "python": _hash(repr(random.getstate()).encode()),
    }


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=6).hexdigest()


def _sampler_of(loader: DataLoader[Any]) -> Any:
    """The sampler of a loader that draws as torch does; None for one of the user's own."""
    sampler = loader.sampler if type(loader.batch_sampler) is BatchSampler else None
    return sampler if type(sampler) in _KNOWN_SAMPLERS else None


def _order(loader: DataLoader[Any]) -> tuple[Any, ...] | None:
    """What the order of a distributed sampler rests on: seed, epoch, data, replicas."""
    sampler = _sampler_of(loader)
    if type(sampler) is not DistributedSampler or not sampler.shuffle:
        return None
    return sampler.seed, sampler.epoch, id(sampler.dataset), sampler.num_replicas


def _described(loader: DataLoader[Any]) -> dict[str, Any] | None:
    sampler = _sampler_of(loader)
    if sampler is None:
        return None
    distributed = type(sampler) is DistributedSampler
    return {
        "batches": len(loader),
        "sampler": type(sampler).__name__,
        "replicas": sampler.num_replicas if distributed else None,
        "rank": sampler.rank if distributed else None,
    }
