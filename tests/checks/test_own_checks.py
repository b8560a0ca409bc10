"""A check in a package of its own: written as the guide says, found by its entry point."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trema.checks.base import all_checks
from trema.checks.data.input_dtype import InputDtype
from trema.cli.pages import check_pages
from trema.testing.checks import CaseFailed, problems_of, run_cases

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guide" / "own-checks.md"
PAGE = """# gap

## Theory

A sensor says -999 where it measured nothing.

## May be wrong when

-999 is measured.

## Bad

```python keras
model.fit(x, y)
```

```python torch
model(x)
```

## Good

```python keras
model.fit(filled, y)
```

```python torch
model(filled)
```
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The guide's package as pip would install it: modules beside a dist-info folder."""
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
        if "class SensorGap" in block
    )
    modules = tmp_path / "trema_lab"
    modules.mkdir()
    (modules / "__init__.py").write_text("", encoding="utf-8")
    (modules / "sensor_gap.py").write_text(code, encoding="utf-8")
    (modules / "sensor_gap.md").write_text(PAGE, encoding="utf-8")
    info = tmp_path / "trema_lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: trema-lab\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[trema.checks]\nlab-sensor-gap = trema_lab.sensor_gap:SensorGap\n"
        "broken = trema_lab.nothing:Nothing\n",
        encoding="utf-8",
    )
    return tmp_path


def run(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(package), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=package,
        env={**os.environ, "PYTHONPATH": paths},
    )


@pytest.mark.slow
def test_an_installed_package_is_found_tested_and_run(package: Path) -> None:
    listed = json.loads(run(package, "-m", "trema", "checks", "--format", "json").stdout)
    (mine,) = [check for check in listed if check["id"] == "lab-sensor-gap"]
    assert mine["thresholds"] == {"gap": -999.0}
    assert "sensor" in run(package, "-m", "trema", "explain", "lab-sensor-gap").stdout
    test = "from trema.testing.checks import run_cases; from trema_lab.sensor_gap import SensorGap"
    done = run(package, "-c", f"{test}; run_cases(SensorGap); run_cases(SensorGap, gap=-999.0)")
    assert done.returncode == 0, done.stderr
    doctor = run(package, "-m", "trema", "doctor").stdout
    assert "plug-in broken fails (ModuleNotFoundError" in doctor


def test_run_cases_names_all_that_is_wrong() -> None:
    run_cases(InputDtype)

    class Wrong(InputDtype):
        title = ""

        def diagnose(self, history: object) -> object:  # type: ignore[override]  # wrong on purpose
            return iter(())

    with pytest.raises(CaseFailed) as raised:
        run_cases(Wrong)
    said = str(raised.value)
    assert "the declaration lacks title" in said
    assert "nothing was found" in said
    assert problems_of(InputDtype) == []


@pytest.mark.parametrize("check", all_checks().values(), ids=all_checks())
def test_every_check_passes_the_public_test(check: type) -> None:
    run_cases(check)


def test_the_pages_are_up_to_date() -> None:
    folder = ROOT / "docs" / "checks"
    written = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    assert written == check_pages(all_checks()), "run make docs-checks"
