"""``trema.keras.Watch``: a callback for ``fit``, and ``Watch.attach`` for one's own loops."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import keras

from trema.adapters.keras.collect import replace, restore
from trema.adapters.keras.control import tell_monitors
from trema.adapters.keras.data import FitCall, running_fit
from trema.adapters.keras.observer import Observer, observer_of
from trema.adapters.keras.travel import follow
from trema.adapters.travel import Following, checked
from trema.adapters.wiring import wire
from trema.core.config import Config, disabled
from trema.core.errors import UsageError
from trema.engine import active
from trema.engine.schedule import mark
from trema.source.frames import call_site
from trema.travel.record.options import RecordOptions


class Watch(keras.callbacks.Callback):  # type: ignore[misc]  # keras is untyped
    """Watches each ``fit`` that it is a callback of.

    Parameters
    ----------
    name : of the run; by default the script's
    travel : samples whose way through the training is recorded: arrays ``x`` or ``(x, y)``, a data
        set, or a mapping such as ``{"train": …, "test": …, "unlabelled": …}`` of them
    travel_options : see :class:`trema.travel.record.options.RecordOptions`
    options : see :class:`trema.Config`, for example ``inputs="image"``

    Raises
    ------
    UnknownOption
        For an option that does not exist.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        travel: Any = None,
        travel_options: Mapping[str, Any] | RecordOptions | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        Config.of(**options)
        self._recording = checked(travel, travel_options)
        self._following: Following | None = None
        if self._recording is not None and self._recording[1].schedule not in ("epoch", "log"):
            # set on the instance, since having it costs Keras a look at every batch
            self.on_train_batch_end = self._batch_ended
        self._name = name
        self._options = options
        self._observer: Observer | None = None
        self.started = False  # a training was seen

    @classmethod
    def attach(cls, model: Any, name: str | None = None, **options: Any) -> Handle:
        """Watch a model that is trained by ``train_on_batch``.

        Raises
        ------
        UsageError
            When the model is no Keras model.
        """
        if not isinstance(model, keras.Model):
            raise UsageError(
                f"Watch.attach expects a keras.Model but got {type(model).__name__}: "
                "pass the model that you compile and train"
            )
        Config.of(**options)
        return Handle(model, name, options)

    def finish(self) -> dict[str, Any] | None:
        """End the run now; returns the findings document."""
        if self._observer is not None:
            self._observer.close()
            self._observer = None
        return active.finish() if not disabled() else None

    def on_train_begin(self, logs: Any = None) -> None:
        self.started = True
        if disabled() or self.model is None:
            return
        model = self.model
        known = observer_of(model)
        if known is not None and known.attached:
            return
        call = running_fit(model) or FitCall(site=call_site())
        self._observer = start_observer(model, call, self._name, self._options)
        if self._observer is not None and call.callback_list is not None:
            # when fit raises, its list of callbacks dies with its frame
            weakref.finalize(call.callback_list, _released, weakref.ref(self._observer))
            call.callback_list = None
        if self._observer is not None and self._recording is not None:
            session, (data, settings) = self._observer.session, self._recording
            self._following = session.guarded(
                "time travel", lambda: follow(session, model, data, settings, call.epochs)
            )

    def _batch_ended(self, batch: int, logs: Any = None) -> None:
        if self._following is not None and self._observer is not None:
            self._following.stepped(self._observer.step - 1)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._observer is not None:
            self._observer.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        observer = self._observer
        if observer is not None:
            if self._following is not None:
                self._following.stepped()
                self._following.epoch_over(epoch)
            observer.guard(lambda: observer.end_epoch(epoch, dict(logs or {})))

    def on_train_end(self, logs: Any = None) -> None:
        if self._following is not None:
            self._following.close()
            self._following = None
        if self._observer is not None:
            self._observer.close()
            self._observer = None


class Handle:
    """What ``Watch.attach`` returns."""

    def __init__(self, model: Any, name: str | None, options: dict[str, Any]) -> None:
        self._model = model
        self._name = name
        self._options = options
        self._undo: Any = None
        self._observer: Observer | None = None
        if disabled() or "make_train_function" in model.__dict__:
            return
        make = model.make_train_function

        def make_train_function(force: bool = False) -> Any:
            result = make(force)
            self._ensure()
            return result

        self._undo = replace(model, "make_train_function", make_train_function)

    def _ensure(self) -> None:
        """Watch the train function that the model has now."""
        model = self._model
        if getattr(model.train_function, "__trema__", False):
            return
        if self._observer is not None and self._observer.session.state != "running":
            self.detach()
            return
        if self._observer is not None:  # compile() made a new one
            self._observer.install()
            return
        if observer_of(model) is not None:
            return  # a fit with a callback of ours
        method = "fit" if running_fit(model) is not None else "train_on_batch"
        call = running_fit(model) or FitCall(site=call_site(), method=method)
        self._observer = start_observer(model, call, self._name, self._options, attached=True)

    def detach(self) -> None:
        """Leave the model as it was; the run goes on."""
        if self._undo is not None:
            restore(*self._undo)
            self._undo = None
        if self._observer is not None:
            self._observer.close()
            self._observer = None

    def finish(self) -> dict[str, Any] | None:
        """Detach and end the run; returns the findings document."""
        self.detach()
        return active.finish() if not disabled() else None


def start_observer(
    model: Any,
    call: FitCall,
    name: str | None,
    options: dict[str, Any],
    *,
    attached: bool = False,
) -> Observer | None:
    """An observer on the model, or None after an error, which is noted."""
    wire()
    begun = mark()
    session = active.start(name, framework="keras", **options)

    def start() -> Observer:
        observer = Observer(session, model, call)
        observer.attached = attached
        observer.install()
        session.before_finish.append(observer.uninstall)
        return observer

    observer = session.guarded("keras adapter", start)
    if observer is not None:
        session.guarded("keras callbacks", lambda: tell_monitors(observer, call))
        session.guarded("keras data", observer.look_at_data)
        observer.schedule.add(*begun.passed())
    return observer


def _released(reference: weakref.ref[Observer]) -> None:
    observer = reference()
    if observer is not None:
        observer.crashed()
