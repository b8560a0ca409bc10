PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export KERAS_BACKEND ?= torch

.PHONY: demo test check format types layers unit bench-faults bench-overhead test-tensorflow clean

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q $(VENV)/lib >/dev/null 2>&1 || true
	touch $@

demo: $(STAMP)  ## train a buggy program and show what Trema says about it
	$(BIN)/trema demo

test: check  ## every check and every test
	$(BIN)/python -m pytest -m slow

check: $(STAMP) format types layers unit  ## format, lint, types, layers, unit tests

format: $(STAMP)
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/python -m pytest -m "not slow"

bench-faults: $(STAMP)  ## recall by bug and alarms per healthy run, into docs/bench/faults.md
	$(BIN)/python bench/faults/run.py

bench-overhead: $(STAMP)  ## cost of watching, into docs/bench/overhead.md
	$(BIN)/python bench/overhead/run.py

test-tensorflow:  ## the Keras tests on the tensorflow back end, in an environment apart
	test -x .venv-tf/bin/python || $(PYTHON) -m venv .venv-tf
	.venv-tf/bin/python -m pip install --quiet tensorflow keras pytest pytest-timeout -e .
	TREMA_TEST_TENSORFLOW=1 KERAS_BACKEND=tensorflow .venv-tf/bin/python -m pytest \
		tests/adapters/test_keras.py -k tensorflow -m slow

clean:
	rm -rf $(VENV) .venv-tf dist build .mypy_cache .pytest_cache .ruff_cache
