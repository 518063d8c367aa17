# `make demo` and `make test` set up by themselves: a virtual environment pinned by constraints.txt, and the system
# libraries that Qt needs. A second `make` does no set-up work.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
PYTEST_WORKERS ?= 2

.PHONY: demo test setup bench lint types contracts suite pictures clean

demo: setup
	@$(BIN)/python .ci/demo.py

test: setup lint types contracts suite

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt mi_crow_gui/system_libraries.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) mi_crow_gui/system_libraries.py --install
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "The venv module is missing; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (PyTorch is a large download) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

suite: setup
	QT_QPA_PLATFORM=offscreen OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) tests

bench: setup
	@for script in tests/benchmarks/bench_*.py; do \
		echo; echo "== $$script"; QT_QPA_PLATFORM=$${QT_QPA_PLATFORM:-offscreen} $(BIN)/python $$script || exit 1; done

pictures: setup
	@for name in views patching neuron; do $(BIN)/python .ci/pictures.py $$name || exit 1; done
	@QT_QPA_PLATFORM=offscreen $(BIN)/mi-crow-gui --demo --fresh --size 1440x900 --theme light \
		--screenshot resources/pictures/inspector.png --quit

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .demo
