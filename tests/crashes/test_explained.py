"""What is said of real exceptions, and of texts that other versions and devices raise."""

from __future__ import annotations

import importlib
import os

import pytest

from trema.core.diagnosis import Diagnosis
from trema.core.facts import Layer, OptimizerInfo, Parameter, RunInfo
from trema.diagnosis.crash import CRASHES, TITLES, Crash, LayerSeen, explain
from trema.diagnosis.crash_memory import consumers, likely_batch, size
from trema.engine.crash import read_crash

TORCH = [
    ("linear", "crash-shape", "fc1", "takes 1000 features but 1352", "nn.Linear(1352, 32)"),
    ("flatten", "crash-shape", "linear|0", "(32, 1, 28, 28)", "x.flatten(1)"),
    ("channels_last", "crash-shape", "0", "3 channels but 28", "x.permute(0, 3, 1, 2)"),
    ("channels", "crash-shape", "0", "3 channels but 1", "nn.Conv2d(1, 4"),
    ("rows_as_images", "crash-shape", "conv1", "4 axes", "x.view(-1, 1, 28, 28)"),
    ("batch_mixed", "crash-shape", None, "256 outputs for 32 targets", "flatten(1)"),
    ("norm", "crash-shape", "1", "16 channels but 8", "nn.BatchNorm1d(8)"),
    ("binary", "crash-shape", None, "outputs of shape (32, 1)", "outputs.squeeze(-1)"),
    ("one_hot", "crash-shape", None, "targets of shape (32, 1)", "targets.squeeze(1)"),
    ("sequence_loss", "crash-shape", None, "but got (32, 7)", "outputs.transpose(1, 2)"),
    ("recurrent", "crash-shape", "gru", "12 features a step but 4", "nn.GRU(4, 8"),
    ("small_images", "crash-shape", "2", "kernel of (9, 9)", "pool less often"),
    ("view", "crash-shape", None, "each of the 32 samples has 1352", "take 1352"),
    ("skip", "crash-shape", None, "26 and 28 entries along axis 3", "make both sizes equal"),
    ("samples", "crash-shape", None, "(3, 8, 8) at place 0", "Resize"),
    ("doubles", "crash-dtype", "linear", "float64 met float32", "x.float()"),
    ("float_labels", "crash-dtype", None, "targets of float32", "y.long()"),
    ("int_labels", "crash-dtype", None, "targets of int32", "y.long()"),
    ("bytes_in", "crash-dtype", "conv1", "uint8 met float32", "x.float()"),
    ("float_ids", "crash-dtype", "embed", "ids, but float32 came", "ids.long()"),
    ("token", "crash-index", "embed", "50 entries, ids 0 to 49, but 50 came", "51 entries"),
    ("negative_token", "crash-index", "embed", "id of -100", "id of padding"),
    ("label", "crash-index", None, "5 outputs, labels 0 to 4, but 5 came", "y - 1"),
    ("memory", "crash-memory", None, "more were asked for", "one array of"),
    ("numpy_memory", "crash-memory", None, "128 TiB more were asked for", "one array of"),
]
KERAS = [
    ("other_width", "crash-shape", "dense", "20 entries along axis -1 but 12", "anew"),
    ("missing_channels", "crash-shape", "conv2d", "4 axes but got 3", "np.newaxis"),
    ("images_for_rows", "crash-shape", None, "(784,) but got (28, 28, 1)", "x.reshape(-1, 784)"),
    ("layer_reused", "crash-shape", "dense", "30 entries along axis -1 but 20", "anew"),
    ("integer_targets", "crash-shape", None, "targets of shape (32,)", "sparse_categorical"),
    ("one_hot_targets", "crash-shape", None, "one index a sample", '"categorical_crossentropy'),
    ("row_numbers", "crash-shape", None, "64 samples but targets 60", "same mask"),
    ("token", "crash-index", "embedding", "ids 0 to 49, but 50 came", "51 entries"),
    ("label", "crash-index", None, "5 outputs, labels 0 to 4, but 5 came", "y - 1"),
    ("concatenate", "crash-shape", None, "(32, 26, 26, 4) and (32, 24, 24, 4)", "print"),
    ("own_call", "crash-shape", None, "5 and 7 entries", "make both sizes equal"),
]


def crashed(module: str, name: str) -> Diagnosis | None:
    programs = importlib.import_module(f"tests.crashes.{module}")
    with pytest.raises(Exception) as raised:  # noqa: PT011 - any exception is a crash
        getattr(programs, name)()
    return explain(read_crash(raised.value, raised.tb), RunInfo())


def check(
    found: Diagnosis | None, check: str, layer: str | None, message: str, fix: str
) -> Diagnosis:
    assert found is not None
    assert found.check == check
    assert message in found.message
    assert fix in found.fixes[0].text
    if layer is not None:
        name = (found.where.layer or "").split("_")[0]
        assert name in layer.split("|")
    assert found.evidence
    assert found.location is not None
    assert found.location.file.endswith("crashes.py")
    assert found.message[0] == "`" or not found.message[0].isupper()
    assert found.title == TITLES[check]
    return found


@pytest.mark.parametrize(("name", "id", "layer", "message", "fix"), TORCH)
def test_torch(name: str, id: str, layer: str | None, message: str, fix: str) -> None:
    pytest.importorskip("torch")
    check(crashed("torch_crashes", name), id, layer, message, fix)


@pytest.mark.parametrize(("name", "id", "layer", "message", "fix"), KERAS)
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "torch", reason="texts of this back end")
def test_keras(name: str, id: str, layer: str | None, message: str, fix: str) -> None:
    pytest.importorskip("keras")
    check(crashed("keras_crashes", name), id, layer, message, fix)


def test_what_is_not_understood_is_not_explained() -> None:
    pytest.importorskip("torch")
    assert crashed("torch_crashes", "own_error") is None
    assert crashed("torch_crashes", "other_error") is None
    for text in ("", "bad thing at (3, 4)", "the shape (3, 4) is fine", "index 3"):
        assert explain(Crash(("ValueError",), text), RunInfo()) is None


LINEAR = LayerSeen("fc", "Linear", {"in_features": 8, "out_features": 2})
EMBED = RunInfo(layers=(Layer(name="embed", kind="embedding", config={"inputs": 100}),))


@pytest.mark.parametrize(
    ("text", "id", "message"),
    [
        (
            "Expected all tensors to be on the same device, but found at least two devices, "
            "cuda:0 and cpu!",
            "crash-device",
            "cuda:0 and on cpu",
        ),
        (
            "Expected all tensors to be on the same device, but got mat1 is on cpu, different "
            "from other tensors on cuda:0 (when checking argument in method)",
            "crash-device",
            "cpu",
        ),
        (
            "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the "
            "same or input should be a MKLDNN tensor",
            "crash-device",
            "the GPU",
        ),
        ("expected m1 and m2 to have the same dtype, but got: float != c10::Half", "crash-dtype",
         "float16"),
        ('"nll_loss_forward" not implemented for \'Int\'', "crash-dtype", "int32"),
        ("mean(): could not infer output dtype. Input dtype must be either a floating point or "
         "complex dtype. Got: Long", "crash-dtype", "int64"),
        ("can't convert np.ndarray of type numpy.object_.", "crash-dtype", "Python objects"),
        ("CUDA error: device-side assert triggered", "crash-index", "on the GPU"),
        ("indices[3,1] = 120 is not in [0, 100)", "crash-index", "120"),
        ("Given normalized_shape=[64], expected input with shape [*, 64], but got input of "
         "size[32, 10, 48]", "crash-shape", "ends in (48,)"),
        ("Given input size: (64x1x1). Calculated output size: (64x0x0). Output size is too small",
         "crash-shape", "(64, 1, 1)"),
        ("Sizes of tensors must match except in dimension 1. Expected size 26 but got size 24 for "
         "tensor number 1 in the list.", "crash-shape", "number 1 has 24"),
        ("size mismatch for fc.weight: copying a param with shape torch.Size([10, 64]) from "
         "checkpoint, the shape in current model is torch.Size([5, 64]).", "crash-shape",
         "`fc.weight`"),
        ("add got incompatible shapes for broadcasting: (32, 10), (32, 5).", "crash-shape",
         "(32, 10) and (32, 5)"),
        ("dot_general requires contracting dimensions to have the same shape, got (10,) and (20,).",
         "crash-shape", "(10,) and (20,)"),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 5368709120 bytes.",
         "crash-memory", "5 GiB"),
    ],
)  # fmt: skip
def test_texts(text: str, id: str, message: str) -> None:
    found = explain(Crash(("RuntimeError",), text, layers=(LINEAR,)), EMBED)
    assert found is not None
    assert found.check == id
    assert message in found.message
    assert found.fixes
    assert found.evidence


def test_memory_by_consumer_and_a_batch_that_fits() -> None:
    info = RunInfo(
        layers=(
            Layer(name="a", kind="linear", output_shape=(None, 1024)),
            Layer(name="b", kind="activation", output_shape=(None, 1024)),
        ),
        parameters=(
            Parameter(name="a.weight", shape=(1024, 1024), dtype="float32"),
            Parameter(name="frozen", shape=(1024, 1024), dtype="float32", trainable=False),
        ),
        optimizers=(OptimizerInfo(name="0", kind="adam", learning_rates=(1e-3,)),),
        batch_size=4096,
    )
    parts = consumers(info)
    assert (parts.parameters, parts.gradients) == (2 * 2**22, 2**22)
    assert (parts.state, parts.per_sample) == (2 * 2**22, 8192)
    text = (
        "CUDA out of memory. Tried to allocate 16.00 MiB. GPU 0 has a total capacity of 32.00 MiB "
        "of which 1.00 MiB is free."
    )
    found = explain(Crash(("OutOfMemoryError", "RuntimeError"), text), info)
    assert found is not None
    assert found.check == "crash-memory"
    for part in ("8 MiB", "gradients 4 MiB", "the state of adam 8 MiB", "32 MiB", "16 MiB more"):
        assert part in found.message
    # 0.8 x 32 MiB less 20 MiB leaves 5.6 MiB: 716 samples of 8 KiB, so 512
    assert found.fixes[0].text == "a batch of 512 is likely to fit, instead of 4096"
    assert "8 such batches" in found.fixes[1].text


def test_a_likely_batch() -> None:
    parts = consumers(RunInfo())
    assert likely_batch(parts, None, 10) is None
    assert likely_batch(parts, 1, 10) is None
    assert likely_batch(parts, 100, None) == 32  # half of it as a power of two
    assert likely_batch(parts, 64, 2**20, tried=2**21) == 16
    assert likely_batch(parts, 64, 2**10, tried=2**30) is None
    assert [size(n) for n in (5, 2**10, 3 * 2**29)] == ["5 bytes", "1 KiB", "1.5 GiB"]


def test_each_crash_has_a_page() -> None:
    assert set(CRASHES) == set(TITLES)
