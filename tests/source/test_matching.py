"""Lines of layers, optimizers and losses from the source alone."""

import ast
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from trema.source import reading
from trema.source.matching import LayerSpec, find_calls, match_call, match_layers
from trema.source.reading import SourceTree


def write(tmp_path: Path, text: str, name: str = "model.py") -> str:
    path = tmp_path / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(path)


def linear(name: str, *sizes: int, **rest: object) -> LayerSpec:
    arguments: Mapping[str, object] = dict(
        zip(("in_features", "out_features"), sizes, strict=False)
    )
    return LayerSpec(name=name, class_name="Linear", arguments=arguments, **rest)  # type: ignore[arg-type] # passed through


def dense(name: str, units: int, index: int | None = None) -> LayerSpec:
    return LayerSpec(name=name, class_name="Dense", index=index, arguments={"units": units})


def lines(items: list[LayerSpec], *files: str) -> dict[str, tuple[int, int | None]]:
    return {name: (at.line, at.column) for name, at in match_layers(items, files).items()}


def test_attributes_of_the_owner(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        import torch.nn as nn
        class Other(nn.Module):
            def __init__(self):
                self.fc1 = nn.Linear(1, 1)
        class Net(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.fc1 = nn.Linear(
                    n, 5)
                self.fc2, self.act = nn.Linear(5, 2), nn.ReLU()
                self.out: nn.Module = init(nn.Linear(2, 2))
                self.add_module("extra", nn.Linear(2, 3))
                setattr(self, "more", nn.Linear(3, 4))
        """,
    )
    owner = (file, "Net")
    items = [
        linear("fc1", 7, 5, owner_class=owner, attribute="fc1"),
        linear("fc2", 5, 2, owner_class=owner, attribute="fc2"),
        LayerSpec(name="act", class_name="ReLU", owner_class=owner, attribute="act"),
        linear("out", 2, 2, owner_class=owner, attribute="out"),
        linear("extra", 2, 3, owner_class=owner, attribute="extra"),
        linear("more", 3, 4, owner_class=owner, attribute="more"),
    ]
    assert lines(items, file) == {
        "fc1": (8, 20),
        "fc2": (10, 30),
        "act": (10, 47),
        "out": (11, 36),
        "extra": (12, 34),
        "more": (13, 31),
    }
    assert lines(items) == lines(items, file)  # the owner's file is enough


def test_bases_branches_and_replaced_attributes(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        class Base(nn.Module):
            def __init__(self, wide):
                self.stem = nn.Linear(3, 3)
                if wide:
                    self.fc = nn.Linear(4, 100)
                else:
                    self.fc = nn.Linear(4, 10)
                self.same = nn.Linear(1, 1) if wide else nn.Linear(1, 1)
                self.act = nn.ReLU() if wide else nn.Tanh()
        class Net(Base):
            pass
        """,
    )
    owner = (file, "Net")
    items = [
        linear("stem", 3, 3, owner_class=owner, attribute="stem"),
        linear("fc", 4, 10, owner_class=owner, attribute="fc"),
        linear("same", 1, 1, owner_class=owner, attribute="same"),
        LayerSpec(name="act", class_name="Tanh", owner_class=owner, attribute="act"),
    ]
    assert lines(items, file) == {"stem": (3, 21), "fc": (7, 23), "act": (9, 43)}


def test_layers_of_a_library_model_have_no_line_unless_replaced(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        model = resnet18()
        model.fc = nn.Linear(512, 10)
        model.classifier[6] = nn.Linear(4096, 10)
        """,
    )
    owner = ("/x/site-packages/torchvision/models/resnet.py", "ResNet")
    items = [
        linear("fc", 512, 10, owner_class=owner, attribute="fc"),
        linear("aux", 512, 10, owner_class=owner, attribute="aux"),
        linear("classifier.6", 4096, 10, owner_class=owner, attribute="classifier", index=6),
        linear("classifier.3", 4096, 10, owner_class=owner, attribute="classifier", index=3),
    ]
    assert lines(items, file) == {"fc": (2, 12), "classifier.6": (3, 23)}


def test_a_sequential_literal(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        other = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        hidden = nn.Linear(20, 20)
        model = nn.Sequential(
            nn.Linear(28 * 28, 20),
            nn.ReLU(), hidden,
            nn.ReLU(),
            weird(),
        )
        """,
    )
    items = [
        linear("0", 784, 20, index=0),
        LayerSpec(name="1", class_name="ReLU", index=1),
        linear("2", 20, 20, index=2),
        LayerSpec(name="3", class_name="ReLU", index=3),
        LayerSpec(name="4", class_name="Softmax", index=4),
    ]
    assert lines(items, file) == {"0": (4, 5), "1": (5, 5), "2": (2, 10), "3": (6, 5)}


def test_containers_in_attributes_and_in_containers(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        class Net(nn.Module):
            def __init__(self):
                self.features = nn.Sequential(
                    nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 3)),
                    nn.Sequential(OrderedDict([("a", nn.Linear(3, 4)), ("b", nn.Linear(4, 5))])),
                )
                self.heads = nn.ModuleList([nn.Linear(5, 5) for _ in range(3)])
                self.grown = nn.ModuleList()
                for size in (6, 7):
                    self.grown.append(nn.Linear(size, 1))
        class Stack(nn.Sequential):
            def __init__(self):
                super().__init__(nn.Linear(9, 9), nn.Linear(9, 9))
        """,
    )
    owner = (file, "Net")
    stack = (file, "Stack")
    items = [
        linear("f01", 2, 3, owner_class=owner, attribute="features", index=(0, 1)),
        linear("f10", 3, 4, owner_class=owner, attribute="features", index=(1, 0)),
        linear("f11", 4, 5, owner_class=owner, attribute="features", index=(1, 1)),
        *[linear(f"h{i}", 5, 5, owner_class=owner, attribute="heads", index=i) for i in range(3)],
        *[
            linear(f"g{i}", 6 + i, 1, owner_class=owner, attribute="grown", index=i)
            for i in range(2)
        ],
        linear("s0", 9, 9, owner_class=stack, index=0),
        linear("s1", 9, 9, owner_class=stack, index=1),
    ]
    assert lines(items, file) == {
        "f01": (4, 44),
        "f10": (5, 46),
        "f11": (5, 70),
        **{f"h{i}": (7, 37) for i in range(3)},
        **{f"g{i}": (10, 31) for i in range(2)},
        "s0": (13, 26),
        "s1": (13, 43),
    }


def test_keras_lists_and_added_layers(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        a = keras.Sequential([
            keras.Input((4,)),
            layers.Dense(8, activation="relu"),
            layers.Dense(8),
        ])
        b = keras.Sequential()
        b.add(keras.Input((4,)))
        b.add(Dense(8))
        b.add(Dropout(0.5))
        b.add(
            Dense(8)
        )
        """,
    )
    first = [dense("dense", 8, 0), dense("dense_1", 8, 1)]
    dropout = LayerSpec(name="dropout", class_name="Dropout", index=1, arguments={"rate": 0.5})
    second = [dense("dense_2", 8, 0), dropout, dense("dense_3", 8, 2)]
    assert lines(first, file) == {"dense": (3, 5), "dense_1": (4, 5)}
    assert lines(second, file) == {"dense_2": (8, 7), "dropout": (9, 7), "dense_3": (11, 5)}


def test_layers_added_in_a_loop_or_a_branch(tmp_path: Path) -> None:
    loop = write(
        tmp_path,
        """\
        model = Sequential([Dense(3)])
        for _ in range(n):
            model.add(Dense(4))
        """,
    )
    items = [dense("a", 3, 0), dense("b", 4, 1), dense("c", 4, 2)]
    assert lines(items, loop) == {"a": (1, 21), "b": (3, 15), "c": (3, 15)}
    branch = write(
        tmp_path,
        """\
        model = Sequential([Dense(3)])
        if deep:
            model.add(Dense(4))
        else:
            model.add(Dense(4))
        """,
        "branch.py",
    )
    assert lines(items[:2], branch) == {"a": (1, 21)}


def test_two_equal_models_have_no_line(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        a = Sequential([Dense(8), Dense(8)])
        b = Sequential([Dense(8), Dense(8)])
        """,
    )
    assert lines([dense("dense", 8, 0), dense("dense_1", 8, 1)], file) == {}


def test_a_model_that_holds_less_is_another(tmp_path: Path) -> None:
    file = write(tmp_path, "a = Sequential([Dense(8), Dense(8), Dense(8)])\n")
    assert lines([dense("dense", 8, 0), dense("dense_1", 8, 1)], file) == {}


def test_containers_that_cannot_be_told_apart_have_no_line(tmp_path: Path) -> None:
    file = write(
        tmp_path, "a = nn.Sequential(nn.Linear(1, 1))\nb = nn.Sequential(nn.Linear(2, 2))\n"
    )
    items = [linear("a.0", index=0), linear("b.0", index=0)]
    assert lines([linear("a.0", 1, 1, index=0)], file) == {"a.0": (1, 19)}
    assert lines([*items, linear("c.0", index=0)], file) == {}


def test_explicit_names(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        x = Dense(8, name="first")(x)
        x = Dense(8, name="second")(x)
        """,
    )
    assert lines([dense("second", 8), dense("third", 8)], file) == {"second": (2, 5)}


def test_functional_models_by_count_and_arguments(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        from keras.layers import Dense as D
        UNITS = 16
        def build():
            x = D(64)(inputs)
            y = D(UNITS)(x)
            z = D(UNITS)(y)
            return D(1)(z)
        """,
    )
    # Keras numbers layers as they are made, whatever the order in the model
    items = [dense("dense_1", 16), dense("dense", 64), dense("dense_2", 16), dense("dense_3", 1)]
    assert lines(items, file) == {
        "dense": (4, 9),
        "dense_1": (5, 9),
        "dense_2": (6, 9),
        "dense_3": (7, 12),
    }


def test_one_call_in_a_repeated_function_makes_them_all(tmp_path: Path) -> None:
    program = """\
        def block(n):
            return nn.Linear(n, n)
        model = Model(block(1), {more})
        """
    items = [linear("a", 1, 1), linear("b", 2, 2)]
    twice = write(tmp_path, program.format(more="block(2)"))
    assert lines(items, twice) == {"a": (2, 12), "b": (2, 12)}
    once = write(tmp_path, program.format(more="load()"), "once.py")
    assert lines(items, once) == {}


@pytest.mark.parametrize(
    "program",
    [
        "if deep:\n    x = Dense(8)(x)\nelse:\n    x = Dense(8)(x)\n",
        "layer = Dense\nx = layer(8)(Dense(8)(x))\n",
        "x = make(Dense)\nx = Dense(8)(x)\ny = Dense(8)(x)\n",
        "x = Dense(8)(x)\n",
        "x = Dense(8)(Dense(8)(Dense(8)(x)))\n",
        "def f():\n    return Dense(8)\ndef g():\n    return Dense(8)\n",
        "x = Dense(7)(x)\ny = Dense(9)(x)\n",
        "broken(",
    ],
)
def test_no_line_rather_than_a_guess(tmp_path: Path, program: str) -> None:
    assert lines([dense("dense", 8), dense("dense_1", 8)], write(tmp_path, program)) == {}


def test_plain_uses_of_the_class_do_not_hide_calls(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        from keras.layers import Dense
        def check(layer: Dense, kinds: list[Dense]) -> Dense:
            return isinstance(layer, (Dense, str)) and type(layer) is Dense
        class Mine(Dense): pass
        x = Dense(8)(x)
        """,
    )
    assert lines([dense("dense", 8)], file) == {"dense": (5, 5)}


def test_lazy_layers_and_scalars_for_tuples(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        a = nn.LazyLinear(10)
        b = nn.Conv2d(3, 8, 3)
        c = nn.Conv2d(3, 8, (5, 5))
        """,
    )
    conv = LayerSpec(
        name="c",
        class_name="Conv2d",
        arguments={"in_channels": 3, "out_channels": 8, "kernel_size": (5, 5)},
    )
    assert lines([linear("a", 99, 10), conv], file) == {"a": (1, 5), "c": (3, 5)}


def test_missing_files_and_deep_code(tmp_path: Path) -> None:
    deep = write(tmp_path, "x = Dense(" + "1 + " * 900 + "1)\n")
    assert match_layers([dense("dense", 8)], [deep, str(tmp_path / "none.py")]) == {}
    assert match_layers([], []) == {}


def test_optimizers_and_losses(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        opt_d = torch.optim.Adam(d.parameters(), lr=1e-3)
        opt_g = torch.optim.Adam(g.parameters(), lr=2e-3)
        loss = nn.CrossEntropyLoss()
        pick = {"sgd": optim.SGD}
        slow = optim.SGD(p, 1)
        """,
    )
    assert match_call([file], "Adam") is None
    one = match_call([file], "Adam", {"params": ..., "lr": 2e-3})
    assert one is not None
    assert (one.line, one.column) == (2, 9)
    assert one.text == "opt_g = torch.optim.Adam(g.parameters(), lr=2e-3)"
    loss = match_call([file], "CrossEntropyLoss")
    assert loss is not None
    assert loss.line == 3
    assert match_call([file], "SGD") is None  # the class in the dictionary may be called anywhere


def test_method_calls(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """\
        for x, y in loader:
            loss_fn(model(x), y).backward()
            self.optimizer.step()
            (model
                .fit(x))
        step()
        """,
    )
    found = [
        (call.receiver, call.method, call.location.line, call.location.column)
        for call in find_calls(file)
    ]
    assert found == [
        ("loss_fn(model(x), y)", "backward", 2, 5),
        ("self.optimizer", "step", 3, 5),
        ("model", "fit", 5, 10),
    ]
    assert find_calls(file, ("zero_grad",)) == ()


def test_only_files_that_name_a_class_are_parsed(tmp_path: Path) -> None:
    made = tmp_path / "made.py"
    made.write_text("from torch.nn import Linear as L\nlayer = L(3, 4)\n")
    others = [tmp_path / f"other{i}.py" for i in range(50)]
    for other in others:
        other.write_text("LinearRegression = Bilinear = 1\n")
    parsed: list[str] = []

    def parse(file: str, text: str) -> SourceTree | None:
        parsed.append(file)
        return SourceTree(file, text, ast.parse(text))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_parse", parse)
        found = match_call([*map(str, others), str(made)], "Linear")
    assert found is not None
    assert (found.file, found.line) == (str(made), 2)
    assert parsed == [str(made)]
    made.write_text("layer = None\n# a longer text than before\n")  # a new version is read anew
    assert match_call([str(made)], "Linear") is None


def test_trees_are_kept_by_the_length_of_their_text(tmp_path: Path) -> None:
    files = [tmp_path / f"part{i}.py" for i in range(40)]
    for file in files:
        file.write_text(f"x = {file.stem[4:]}\n")
    first = [reading.source_tree(str(file)) for file in files]
    assert [reading.source_tree(str(file)) for file in files] == first  # more than 32, all kept
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_MAX_KEPT", 20)
        new = reading.source_tree(write(tmp_path, "y = 1\n", "new.py"))
    assert reading.source_tree(str(tmp_path / "new.py")) is new
    assert reading.source_tree(str(files[0])) is not first[0]
