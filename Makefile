# All targets use the virtual environment $(VENV), with pinned versions.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
DEMO ?= demo

.PHONY: help demo test test-browser soak fuzz bench check lint clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    run the whole pipeline on a small problem, about four minutes"
	@echo "make test    run the tests"
	@echo "make test-browser    test the report in Chromium, one minute"
	@echo "make soak    test recovery from repeated faults, about 20 minutes"
	@echo "make fuzz    read thousands of damaged and hostile files, about an hour"
	@echo "make bench   run the benchmarks, about seven minutes"
	@echo "make check   run the linter, the type checker and the tests"
	@echo "make clean   delete the virtual environment and the demo"

$(VENV)/ready: tests/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt -e .
	@touch $@

# A small problem: a quarter of the grid cells and half of the frames of the defaults.
demo: $(VENV)/ready
	@mkdir -p "$(DEMO)"
	cd "$(DEMO)" && "$(abspath $(BIN))/simvp" simulate --samples 80 --frames 10 --image-size 32
	cd "$(DEMO)" && "$(abspath $(BIN))/simvp" split
	cd "$(DEMO)" && "$(abspath $(BIN))/simvp" train --overwrite --name demo --epochs 18 --batch-size 4 \
		--pre-seq-length 5 --aft-seq-length 5 \
		--set model.hid_S=32 --set model.hid_T=96 --set model.N_S=2 --set model.N_T=4
	cd "$(DEMO)" && "$(abspath $(BIN))/simvp" test --name demo
	cd "$(DEMO)" && "$(abspath $(BIN))/simvp" viz boiling_26 --name demo --cmap Purples
	@echo "Figure:" && ls "$(DEMO)"/work_dirs/demo/pictures/*.png

test: $(VENV)/ready
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not gpu and not browser" $(ARGS)

# Skipped, with the reason, where Chromium and its driver are not installed.
test-browser: $(VENV)/ready
	$(BIN)/python -m pytest -q -rs -m browser $(ARGS)

# The faults in simvp/docs/reliability.md, many times over; about 20 minutes on two cores.
soak: $(VENV)/ready
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m slow $(ARGS)

# Files that differ each time; `make test` reads a few of each kind, the same ones.
fuzz: $(VENV)/ready
	SIMVP_FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest -q -n 2 tests/pipeline/test_fuzz_*.py $(ARGS)

# The tables in simvp/docs/speed.md, as ratios measured in one run.
bench: $(VENV)/ready
	$(BIN)/python tests/bench/speed.py

lint: $(VENV)/ready
	$(BIN)/ruff check simvp tests
	$(BIN)/ruff format --check simvp tests
	$(BIN)/mypy

check: lint test

clean:
	rm -rf "$(VENV)" "$(DEMO)"
