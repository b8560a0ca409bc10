"""From a value in the text to the configuration key that decides it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from trema.core.diagnosis import Location
from trema.source.reading import source_tree
from trema.source.settings import Setting, setting_of
from trema.source.syntax import argument

FILES = {
    "run.json": '{\n "lr": 3.0,\n "model": {"p": 0.9,\n  "hidden": [3]},\n "dtype": "half"\n}\n',
    "run.toml": 'lr = 3.0\n\n[generator]\nrate = 1e-3\n\n[critic]\nrate = 3.0\nkind = "sgd"\n',
    "run.yaml": "optim:\n  lr: 3.0\nepochs: 2\n",
}
#: What comes before the call, the argument, and key, file, line that it has.
READ = [
    ("cfg = json.load(open('run.json'))", "cfg['lr']", "lr", "run.json", 2),
    ("cfg = json.loads(Path('run.json').read_text())", "float(cfg['lr'])", "lr", "run.json", 2),
    ("with open('run.json') as f:\n    cfg = json.load(f)", "cfg['lr']", "lr", "run.json", 2),
    ("cfg = json.load(open('run.json'))", "cfg['model']['p']", "model.p", "run.json", 3),
    ("cfg = json.load(open('run.json'))\nm = cfg['model']", "m.get('p')", "model.p", "run.json", 3),
    ("cfg = tomllib.load(open('run.toml', 'rb'))", "10 ** cfg['lr']", "lr", "run.toml", 1),
    (
        "cfg = tomllib.loads(open('run.toml').read())['critic']",
        "cfg['rate']",
        "critic.rate",
        "run.toml",
        7,
    ),
    ("cfg = yaml.safe_load(open('run.yaml'))", "cfg['optim']['lr']", "optim.lr", "run.yaml", 2),
    ("cfg = OmegaConf.load('run.yaml')", "cfg.optim.lr", "optim.lr", "run.yaml", 2),
    (
        "name = 'run.json'\ndef load(p):\n    with open(p) as f:\n        return json.load(f)\n"
        "cfg = load(name)",
        "cfg['lr']",
        "lr",
        "run.json",
        2,
    ),
    ("cfg = SimpleNamespace(**json.load(open('run.json')))", "cfg.lr", "lr", "run.json", 2),
    (
        "cfg = json.load(open('run.json'))\nkind = getattr(torch, cfg['dtype'])",
        "kind",
        "dtype",
        "run.json",
        5,
    ),
    (
        "cfg = json.load(open('run.json'))",
        "torch.half if cfg['dtype'] == 'half' else torch.float",
        "dtype",
        "run.json",
        5,
    ),
    ("cfg = json.load(open('elsewhere.json'))", "cfg['lr']", "lr", None, None),
    ("args = parser.parse_args()", "args.lr", "lr", None, None),
    ("args = parser.parse_args()\nopts = vars(args)", "opts['lr']", "lr", None, None),
    ("", "float(os.environ['LR'])", "LR", None, None),
    ("", "float(os.environ.get('LR', '1e-3'))", "LR", None, None),
    ("", "float(os.getenv('LR', '1e-3'))", "LR", None, None),
    ("CFG = {'lr': 1.0,\n  'p': 2}", "CFG['p']", "p", "program.py", 3),
    ("@dataclass\nclass C:\n    lr: float = 3.0\ncfg = C()", "cfg.lr", "lr", "program.py", 4),
    ("@dataclass\nclass C:\n    lr: float = 3.0\ncfg = C(lr=2.0)", "cfg.lr", "lr", "program.py", 5),
    ("class C:\n    lr = 3.0", "C.lr", "lr", "program.py", 3),
    ("from helper import RATE", "RATE", "RATE", "helper.py", 2),
    ("import helper", "helper.RATE", "RATE", "helper.py", 2),
    ("from helper import SET", "SET['lr']", "lr", "helper.py", 3),
    (
        "def f(given):\n    return given\ncfg = json.load(open('run.json'))\nv = f(cfg['lr'])",
        "v",
        "lr",
        "run.json",
        2,
    ),
    (
        "cfg = json.load(open('run.json'))\nfor a, b in zip(cfg['lr'], cfg['dtype']):\n    pass",
        "b",
        "dtype",
        "run.json",
        5,
    ),
]
#: … and that have none.
NONE = [
    ("cfg = json.load(open('run.json'))", "cfg['lr'] * cfg['dtype']"),
    ("z = np.load('x.npz')", "z['lr']"),
    ("", "1e-3"),
    ("class Net(nn.Module):\n    lr = 3\nn = Net()", "n.lr"),
    ("class Net(nn.Module):\n    lr = 3\nn = Net()", "n.weight.shape[0]"),
    ("data = fetch()", "data['lr']"),
    ("", "torch.float16"),
]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "helper.py").write_text("import math\nRATE = 3.0\nSET = {'lr': 1.0}\n")
    spec = importlib.util.spec_from_file_location("helper", tmp_path / "helper.py")
    assert spec is not None
    monkeypatch.setitem(sys.modules, "helper", importlib.util.module_from_spec(spec))
    return tmp_path / "program.py"


def given(program: Path, name: str = "lr") -> Location:
    tree = source_tree(str(program))
    assert tree is not None
    call = max((c for c in tree.calls if "made(" in tree.segment(c)[:5]), key=lambda c: c.lineno)
    return argument(tree.location(call), name) or tree.location(call)


def found(program: Path, text: str) -> Setting | None:
    program.write_text("import json, torch\n" + text)
    return setting_of(given(program), [("lr", None)])


@pytest.mark.parametrize(
    ("before", "value", "key", "file", "line"), READ, ids=lambda v: str(v)[:40]
)
def test_a_value_has_its_key(
    program: Path, before: str, value: str, key: str, file: str | None, line: int | None
) -> None:
    setting = found(program, f"{before}\nmade(lr={value})\n")
    assert setting is not None
    assert setting.key == key
    assert setting.line == line
    assert (Path(setting.file).name if setting.file else None) == file


@pytest.mark.parametrize(("before", "value"), NONE)
def test_what_no_single_key_decides_has_none(program: Path, before: str, value: str) -> None:
    assert found(program, f"{before}\nmade(lr={value})\n") is None


def test_options_that_are_passed_on_whole(program: Path) -> None:
    text = "cfg = tomllib.load(open('run.toml', 'rb'))['critic']\nmade(**cfg)\n"
    program.write_text(text)
    place = given(program)
    setting = setting_of(place, [("rate", None), ("clipnorm", None)])
    assert setting is not None
    assert (setting.key, setting.line) == ("critic.rate", 7)
    assert setting_of(place, [("clipnorm", None)]) is None


def test_through_a_factory(program: Path) -> None:
    setting = found(
        program,
        "def build(model, **options):\n    return made(model, **options)\n"
        "cfg = json.load(open('run.json'))\nnet = build(m, lr=cfg['lr'])\n",
    )
    assert setting is not None
    assert setting.key == "lr"


def test_through_the_parameter_of_a_function_with_one_caller(program: Path) -> None:
    text = "def main(cfg):\n    made(lr=cfg['lr'])\nmain(json.load(open('run.json')))\n"
    setting = found(program, text)
    assert setting is not None
    assert (setting.key, setting.line) == ("lr", 2)
    twice = "def main(rate):\n    made(lr=rate)\nc = json.load(open('run.json'))\n"
    twice += "main(c['lr'])\nmain(1)\n"
    assert found(program, twice) is None


def test_the_end_of_a_range(program: Path) -> None:
    program.write_text(
        "c = yaml.safe_load(open('run.yaml'))\nfor i in range(c['epochs']):\n    f()\n"
    )
    tree = source_tree(str(program))
    assert tree is not None
    setting = setting_of(tree.span(2, 0, 2, 26))
    assert setting is not None
    assert (setting.key, setting.line) == ("epochs", 3)
