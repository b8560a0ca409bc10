"""The runs of the benchmark: what is recorded belongs together; the page keeps its sections."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trema import travel

HERE = Path(__file__).resolve().parents[2] / "bench" / "travel"


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """The benchmark's modules, which are scripts beside each other and no package."""
    kept, known = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(HERE))
    try:
        yield {name: importlib.import_module(name) for name in ("subjects", "page")}
    finally:
        sys.path[:] = kept
        for name in {"subjects", "page", "data"} - known:
            sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_recorded_runs(bench: Any, tmp_path: Path, name: str) -> None:
    subjects = bench["subjects"]
    try:
        subjects.data.data_dir()
    except FileNotFoundError:
        pytest.skip("no shared/data folder beside the checkout")
    run = subjects.subject(name, 400, 2, noise=0.1, labelled=0.5, folder=tmp_path)
    assert [frame.shape for frame in run.train] == [(400, 512)] * 2
    assert len(run.test[0]) == len(run.test_labels) == 1000
    for epoch in range(2):
        # float16 keeps three digits of the representation
        said = run.train[epoch].astype(np.float32) @ run.heads[0][epoch].T + run.heads[1][epoch]
        np.testing.assert_allclose(said, run.logits[epoch], atol=0.02)
    assert (run.labels != run.clean).sum() == 40
    assert run.labelled.sum() == 200
    again = subjects.subject(name, 400, 2, noise=0.1, labelled=0.5, folder=tmp_path)
    assert again.about == run.about  # opened, not trained again
    found = travel.quality(travel.build(run.train, run.labels, run.heads, "pca"), k=10)
    # by chance 10 of 399 neighbours survive: 0.25 of 10
    assert found.mean()["neighbours"] > 0.75


def test_noise_by_class_is_the_next_class(bench: Any) -> None:
    labels = np.arange(100) % 10
    found = bench["subjects"].noisy(labels, 0.2, True, np.random.default_rng(0))
    assert ((found - labels)[found != labels] % 10 == 1).all()
    assert (found != labels).sum() == 20


def test_sections_of_the_page_stay(bench: Any, tmp_path: Path) -> None:
    page, put = tmp_path / "docs" / "travel.md", bench["page"].put
    put("one", "## One\n1 \\d", page)
    put("two", "## Two", page)
    put("one", "## One\n3 \\d", page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Time travel")
    assert text.index("3 \\d") < text.index("## Two")
    assert "1 \\d" not in text
    assert text.count("## One") == 1
