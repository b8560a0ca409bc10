"""``trema.lightning.Watch``: a callback for the Trainer of Lightning.

It becomes a callback of the package that the program has loaded, and imports none before it is
used.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from trema.adapters.travel import checked
from trema.adapters.wiring import wire
from trema.core.config import Config, disabled
from trema.core.errors import MissingExtra, UsageError
from trema.engine import active
from trema.engine.session import Session
from trema.travel.record.options import RecordOptions

if TYPE_CHECKING:
    from trema.adapters.lightning.fit import Fit

#: The packages under which Lightning is known, the one of today first.
FLAVOURS = ("lightning.pytorch", "pytorch_lightning")


class Watch:
    """Watches each ``fit`` of the Trainers that it is a callback of.

    ``Trainer(callbacks=[trema.lightning.Watch()])`` is all that is needed; under ``trema run`` not
    even that. Automatic and manual optimization, several optimizers, accumulation, clipping and
    every precision are known. Each ``fit`` is a segment of the run, with several optimizers one
    for each. What the Trainer does beside training counts for nothing: the sanity check, a search
    for a learning rate or batch size, ``validate``, ``test`` and ``predict``.

    Parameters
    ----------
    name : of the run; by default the script's
    travel : samples whose way through the training is recorded, see :func:`trema.watch`; they run
        through the module's ``forward``
    travel_options : see :class:`trema.travel.record.options.RecordOptions`
    options : see :class:`trema.Config`, for example ``inputs="image"``

    Raises
    ------
    MissingExtra
        When no Lightning is installed.
    UsageError
        When the name is no string.
    UnknownOption
        For an option that does not exist.
    """

    _plain: type[Watch]

    def __new__(cls, name: str | None = None, **given: Any) -> Watch:
        """A callback for every Lightning that is loaded."""
        made: Watch = object.__new__(_callback(cls))
        return made

    def __init__(
        self,
        name: str | None = None,
        *,
        travel: Any = None,
        travel_options: Mapping[str, Any] | RecordOptions | None = None,
        **options: Any,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise UsageError(
                f"name must be a string but got {type(name).__name__}: "
                "trema.lightning.Watch('my-run')"
            )
        Config.of(**options)
        self._recording = checked(travel, travel_options)
        self._name = name
        self._options = options
        self._fit: Fit | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, as one in another process, has seen nothing yet."""
        data, settings = self._recording or (None, None)
        given = {"travel": data, "travel_options": settings, **self._options}
        return partial(self._plain, self._name, **given), ()

    def finish(self) -> dict[str, Any] | None:
        """End the run now; returns the findings document, or None when there is no run."""
        self._close()
        return active.finish() if not disabled() else None

    # the fit ------------------------------------------------------------------------------

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Note where the optimizers and loaders of this fit will be made."""
        if not disabled() and stage == "fit" and self._is_first(trainer):
            session = self._session()

            def record() -> None:
                from trema.adapters.torch.locate import record_training

                record_training()

            session.guarded("lightning adapter", record)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the run, so that a crash before the first step is explained too."""
        if not disabled() and self._is_first(trainer):
            self._session()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Watch the optimizers; checkpoints are loaded and sanity checks done by now."""
        self._close()
        if disabled() or not self._is_first(trainer):
            return
        session = self._session()

        def start() -> Fit:
            from trema.adapters.lightning.fit import Fit

            return Fit(session, trainer, pl_module, self._recording)

        self._fit = session.guarded("lightning adapter", start)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The fit is over: its segments are judged for the last time."""
        self._tell(lambda fit: fit.epoch_ends(trainer))
        self._close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Listen no more; what was seen is kept to explain the crash."""
        self._tell(lambda fit: fit.shut())
        if self._fit is not None and isinstance(exception, KeyboardInterrupt):
            active.finish("interrupted", 1)  # the Trainer ends the program with 1
            self._fit = None

    # training -----------------------------------------------------------------------------

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Hand on the epoch before: its metrics are reduced by now."""
        self._tell(lambda fit: fit.epoch_begins(trainer))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """The training data are exhausted, and validation is done."""
        self._tell(lambda fit: fit.data_end())
        if self._fit is not None:
            self._fit.record()

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """What runs from now on is training."""
        fit = self._fit
        if fit is not None:
            fit.batch_begins()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """What other callbacks run from now on is no training."""
        fit = self._fit
        if fit is not None:
            fit.shut()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Gradients are there: the optimizer's own hook comes before the closure with backward."""
        fit = self._fit
        if fit is not None:
            fit.before_update(optimizer)

    # validation ---------------------------------------------------------------------------

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """A validation pass begins."""
        if not trainer.sanity_checking:
            self._tell(lambda fit: fit.validation_begins(trainer))

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """What runs from now on is validation."""
        fit = self._fit
        if fit is not None and not trainer.sanity_checking:
            fit.validation_batch_begins(dataloader_idx)

    def on_validation_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """What other callbacks run from now on is no validation."""
        fit = self._fit
        if fit is not None:
            fit.shut()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """The metrics of the validation are reduced."""
        if not trainer.sanity_checking:
            self._tell(lambda fit: fit.validation_ends(trainer))

    # --------------------------------------------------------------------------------------

    def _session(self) -> Session:
        wire()
        return active.start(self._name, framework="lightning", **self._options)

    def _is_first(self, trainer: Any) -> bool:
        """Whether no other Watch stands before this one in the Trainer."""
        return next((c for c in trainer.callbacks if isinstance(c, Watch)), self) is self

    def _tell(self, action: Callable[[Fit], None]) -> None:
        fit = self._fit
        if fit is not None:
            fit.session.guarded("lightning adapter", lambda: action(fit))

    def _close(self) -> None:
        self._tell(lambda fit: fit.close())
        self._fit = None


def _callback(kind: type[Watch]) -> type[Watch]:
    """The class as a callback of every Lightning that is loaded, or of the one that is installed.

    Raises
    ------
    MissingExtra
        When there is none.
    """
    loaded = tuple(n for n in FLAVOURS if hasattr(sys.modules.get(n), "Callback")) or _installed()
    return _derived(kind, loaded)  # type: ignore[arg-type]  # classes are hashable


def _installed() -> tuple[str, ...]:
    for name in FLAVOURS:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        return (name,)
    raise MissingExtra("trema.lightning.Watch", "lightning")


@cache
def _derived(kind: type[Watch], loaded: tuple[str, ...]) -> type[Watch]:
    bases = tuple(sys.modules[name].Callback for name in loaded)
    members = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "_plain": kind}
    return type(kind.__name__, (kind, *bases), {**members, "__doc__": kind.__doc__})
