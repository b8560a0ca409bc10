"""A channel order that the hardware has to rearrange in every step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.sketch import chain, conv, dense, op
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class LayoutHardware(Check):
    """Convolutions with channels first on a CPU under TensorFlow.

    Why it matters: TensorFlow's CPU kernels take channels last, so each convolution transposes
    its inputs and outputs, or is not supported at all; results are the same, time is lost.
    May be wrong when: the model is only tried on this machine and trained on a GPU.
    References: Keras, `image_data_format`; TensorFlow, `tf.nn.conv2d` (NHWC on the CPU); Schoop
    et al. (2021), Umlaut, table 1.
    """

    id = "layout-hardware"
    title = "channel order does not suit the hardware"
    cause = Cause.ARCHITECTURE
    severity = Severity.INFO
    needs = frozenset({Fact.LAYERS})
    fixes = (
        Fix('use `data_format="channels_last"` and move the channel axis of the inputs'),
        Fix("train on a GPU"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="channels_first cpu slow tensorflow",
        torch="memory_format",
        keras="layers/convolution_layers/convolution2d",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        if run.backend != "tensorflow" or not run.device.lower().startswith("cpu"):
            return
        layers = [
            layer
            for layer in run.layers
            if layer.kind in ("conv", "conv-transpose") and layer.config.get("channels") == "first"
        ]
        if layers:
            noun = "convolution takes" if len(layers) == 1 else "convolutions take"
            yield self.diagnosis(
                f"{len(layers)} {noun} channels first on a CPU, where TensorFlow works with "
                "channels last and transposes each time",
                Evidence("layers-channels-first", len(layers), limit=0, unit="layers"),
                where=Where(layer=layers[0].name),
                location=layers[0].location,
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        def net(channels: str, backend: str, device: str, framework: str = "keras") -> RunInfo:
            first = conv("conv1", 3, 8, channels=channels)
            second = conv("conv2", 8, 8, channels=channels)
            layers = (first, second, op("reshape"), dense("fc", 64, 10))
            return chain(*layers, framework=framework, backend=backend, device=device)

        yield fires("TensorFlow on a CPU", situation(net("first", "tensorflow", "cpu")))
        yield fires("TensorFlow, device numbered", situation(net("first", "tensorflow", "CPU:0")))
        yield quiet("channels last", situation(net("last", "tensorflow", "cpu")))
        yield quiet("on a GPU", situation(net("first", "tensorflow", "cuda:0")))
        yield quiet("Keras on PyTorch", situation(net("first", "torch", "cpu")))
        yield quiet("PyTorch itself", situation(net("first", "", "cpu", "torch")))
