# The two commands of the README: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
CASES ?= 10000

.PHONY: demo test quick lint bench faults calibrate accuracy coupling gallery dist clean
.DELETE_ON_ERROR:

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

demo: $(VENV)/.ready
	$(BIN)/clustersim sweep utilization_vs_scale
	$(BIN)/clustersim validate --output results/validate
	$(BIN)/clustersim check deepseek_r2 --output results/check_deepseek_r2 --report results/check_deepseek_r2/claim.html || test $$? -eq 1
	@echo "The plots, tables and the verdict are in results/"

test: $(VENV)/.ready lint
	$(BIN)/python -m pytest --numprocesses $(JOBS) --cov --cov-report=term --cov-fail-under=95

quick: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses $(JOBS) -m "not slow"

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gallery: $(VENV)/.ready
	$(BIN)/clustersim sweep utilization_vs_scale
	cp results/utilization_vs_scale/mfu_against_devices_by_accelerator.png results/gallery/mfu_against_devices.png
	$(BIN)/clustersim plot timeline gpt3_175b_a100 --set training.global_batch=16 --output results/gallery/timeline.svg
	$(BIN)/clustersim plot layer deepseek_v3_h800_2048 --output results/gallery/layer.svg
	$(BIN)/clustersim plot memory gpt3_175b_a100 --output results/gallery/memory.svg
	$(BIN)/clustersim plot waterfall deepseek_v3_h800_2048 --output results/gallery/waterfall.svg

bench: $(VENV)/.ready
	$(BIN)/python -m pytest tests/benchmarks -W default --benchmark-enable --benchmark-timer=benchmarks.measure.cpu_seconds --benchmark-disable-gc --benchmark-quiet --benchmark-autosave --benchmark-compare

# Kills sweeps, their workers and schedulers, fills disks, alters journals, mutates inputs: the long form of tests/faults.
# CASES inputs in all (10,000), a seed of your own by CLUSTERSIM_SEED=7.
faults: $(VENV)/.ready
	CLUSTERSIM_FAULTS=full CLUSTERSIM_FUZZ=$(CASES) $(BIN)/python -m pytest tests/faults --numprocesses $(JOBS) -p no:cacheprovider --durations=10

# Refits the packaged stacks to the packaged measured runs, with groups and sources held out; rewrites their files.
calibrate: $(VENV)/.ready
	$(BIN)/clustersim calibrate --packaged

# Writes docs/accuracy.md and its figures from the packaged measured runs.
accuracy: $(VENV)/.ready
	$(BIN)/clustersim validate --page docs/accuracy.md

# Writes docs/coupling.md: how far coupling in passes lies from the fluid engine.
coupling: $(VENV)/.ready
	$(BIN)/python -m clustersim.views.coupling_page docs/coupling.md

# Builds the source archive and the wheel into dist/, and has twine check what package indexes will say of them.
dist: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[release]"
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage
