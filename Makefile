# Two commands on a fresh machine: `make bench` measures, `make test` proves.
# Options: QUICK=1 (two minutes, with a GPU four), RESUME=<id> (continue), MNIST_DIR=<dir>, PYTHON=<interpreter for
# .venv, 3.11 to 3.13>, PROCESSES=<n> (for each case of epochs, ablation, ceilings and scaling), SEEDS=<n> or 6-15 (of
# the reference run; with RESUME these, too); what to measure: BACKENDS="theano jax" or all, VARIANTS="scan torch/eager"
# or all, DEVICES="cpu cuda".  What a chosen backend needs is installed; without a choice a machine with an NVIDIA GPU
# gets jax and torch for CUDA.  OPTIONS="--harness epoch --threads 1": any other option of `python -m bench run`.

SHELL := /bin/sh
.NOTPARALLEL:  # also with -j: a measurement must be alone
unexport PYTHON PYTHON311 PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONINSPECT PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
PIP := $(BIN)/python tools/pip_install.py
# Theano and Lasagne exist only as source archives; mlp/theano_compat/archives says why Theano's needs help on Python 3.12.
BUILD_TOOLS := setuptools==80.9.0 wheel==0.45.1
SOURCE_ONLY := $(shell grep -i -E '^(theano|lasagne)==' requirements.txt)

quoted = '$(subst ','\'',$(1))'
RUN_OPTIONS := $(if $(QUICK),--quick) $(if $(RESUME),--resume $(call quoted,$(RESUME))) \
	$(foreach b,$(BACKENDS),--backend $(b)) $(foreach v,$(VARIANTS),--variant $(v)) $(foreach d,$(DEVICES),--device $(d)) \
	$(if $(PROCESSES),--processes $(PROCESSES)) $(if $(SEEDS),--seeds $(call quoted,$(SEEDS))) $(OPTIONS)

# tools/choose.py checks the options by name and chooses the Python for .venv and what to install beside
# requirements.txt, a stamp for each; any Python 3 runs it.  `all`, and the choice made for a GPU, take what can be
# installed; a backend that is named must install.
GOALS := $(or $(MAKECMDGOALS),help)
ifneq ($(filter-out help clean,$(GOALS)),)
$(if $(wildcard tools/choose.py),,$(error make works in the folder of its Makefile: cd there, or name it: make -C FOLDER))
GIVEN := $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $(v))),$(v)))
ANY_PYTHON := $(shell unset PYTHONHOME PYTHONPATH; for p in $(BIN)/python $(call quoted,$(PYTHON)) python3 python3.13 \
	python3.12 python3.11 python; do \
	[ "$$("$$p" -c 'import sys; print(sys.version_info >= (3, 8))' 2>/dev/null)" = True ] && \
	{ echo "$$p"; break; }; done)
$(if $(ANY_PYTHON),,$(error no Python 3.11, 3.12 or 3.13 was found: install one, or name it: make PYTHON=/path/to/python3.12))
CHOICES := $(shell unset PYTHONHOME PYTHONPATH; "$(ANY_PYTHON)" tools/choose.py $(GOALS) \
	$(foreach v,$(GIVEN),$(call quoted,$(v)=$($(v)))))
$(if $(filter stop,$(or $(CHOICES),stop)),$(error nothing was started))
endif
NEW_ENVIRONMENT := $(patsubst base=%,%,$(filter base=%,$(CHOICES)))
CHOSEN := $(filter-out keep stop base=% cuda%,$(CHOICES))
EXTRAS := $(patsubst %,$(VENV)/installed-%,$(CHOSEN) $(filter cuda%,$(CHOICES)))
GIVE_UP := $(if $(filter-out all,$(BACKENDS)),exit 2,true)

GPU_VENV := .venv-theano-gpu

.PHONY: help bench test report compare history board profile gate check doctor docs lint clean theano-gpu test-gpuarray FORCE

help:
	@echo "make bench [QUICK=1] [RESUME=id]  measure this machine and write results/runs/<id>/report.html"
	@echo "make bench BACKENDS=all           ... with every backend that can be installed"
	@echo "make test [BACKENDS=all] [FAST=1] run the test suite, or what is fast of it"
	@echo "make report                       print the latest run's report again"
	@echo "make compare RUNS=\"a b\"          put runs side by side (BASE=a, PRICE_PER_HOUR=\"a=0.5 b=2\")"
	@echo "make history                      say what changed over all runs, and when"
	@echo "make board                        rank machines and stacks, as a site in results/board"
	@echo "make profile [BACKENDS=...]       explain where the time of a step goes, operation by operation"
	@echo "make gate [AGAINST=main]          is the working tree slower, larger or a worse learner than that revision?"
	@echo "make doctor                       what this machine has, lacks, and what to do about it"
	@echo "make docs                         these pages as a site, in results/docs"
	@echo "make lint                         check the code's style"
	@echo "make theano-gpu                   add the environment in which Theano reaches an NVIDIA GPU"
	@echo "make test-gpuarray                prove that path's numbers without a GPU, through OpenCL on the CPU"
	@echo "make clean                        remove .venv and caches (results stay)"

$(STAMP): requirements.txt pyproject.toml $(if $(NEW_ENVIRONMENT),FORCE)
	@echo "installing pinned packages into $(VENV) (a minute or two)"
	@$(if $(NEW_ENVIRONMENT),"$(NEW_ENVIRONMENT)" -I -m venv --clear $(VENV))
	@$(PIP) $(BUILD_TOOLS)
	@PYTHONPATH="$(CURDIR)/mlp/theano_compat/archives" $(PIP) --no-build-isolation --no-deps $(SOURCE_ONLY) --editable .
	@$(PIP) --requirement requirements.txt
	@touch $@

$(VENV)/installed-%: requirements/%.txt $(STAMP)
	@echo "installing $*"
	@if $(PIP) --constraint requirements.txt --requirement $<; then touch $@; else \
		echo "warning: $* could not be installed; pip says why above, and the report lists what was skipped" >&2; \
		$(GIVE_UP); fi

bench: $(STAMP) $(EXTRAS)
	@$(BIN)/python -m bench run $(RUN_OPTIONS)

# With BACKENDS=..., the tests of those backends must run; without, of whatever is installed.  FAST=1: those that take
# no time, and fewer examples of each property, to be run after each change.
test: $(STAMP) $(EXTRAS)
	@MLP_BENCH_REQUIRED_BACKENDS="$(CHOSEN)" $(BIN)/python -m pytest --numprocesses auto --dist loadfile \
		--no-loadscope-reorder $(if $(FAST),-m "not slow" --hypothesis-profile fast)

report: $(STAMP)
	@$(BIN)/python -m bench report

# RUNS: ids, folders, committed records or other tools' files; the first is the base, unless BASE names another.
compare: $(STAMP)
	@$(BIN)/python -m bench compare $(RUNS) $(if $(BASE),--base $(call quoted,$(BASE))) \
		$(foreach p,$(PRICE_PER_HOUR),--price-per-hour $(p)) $(if $(HTML),--html $(call quoted,$(HTML)))

history: $(STAMP)
	@$(BIN)/python -m bench history $(FOLDERS)

# FOLDERS: folders of runs (default: the committed records).
board: $(STAMP)
	@$(BIN)/python -m bench board $(FOLDERS)

# Options: BACKENDS, VARIANTS as above, one of DEVICES; RUN=<id, folder or latest>: the run whose report explains them.
profile: $(STAMP) $(EXTRAS)
	@$(BIN)/python -m bench profile $(foreach b,$(BACKENDS),--backend $(b)) $(foreach v,$(VARIANTS),--variant $(v)) \
		$(foreach d,$(firstword $(DEVICES)),--device $(d)) $(if $(RUN),--run $(call quoted,$(RUN)))

# Options: AGAINST=<revision> (default: main), BUDGET=5m, METRICS="load train_epoch" or all, UNDECIDED=pass.
gate check: $(STAMP)
	@$(BIN)/python tools/gate_exit_code.py $(if $(AGAINST),--against $(call quoted,$(AGAINST))) \
		$(if $(BUDGET),--budget $(call quoted,$(BUDGET))) $(foreach m,$(METRICS),--metric $(m)) \
		$(if $(UNDECIDED),--undecided $(UNDECIDED))

doctor: $(STAMP)
	@$(BIN)/python -m bench doctor

docs: $(STAMP) $(VENV)/installed-docs
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs results/docs
	@echo "results/docs/index.html"

lint: $(STAMP)
	@$(BIN)/python -m ruff check .

# Options: PYTHON311=<a Python 3.11>, DEBS=<folder with Debian 12's python3-pygpu, libgpuarray3, libgpuarray-dev>.
theano-gpu: $(STAMP)
	@$(BIN)/python -m tools.theano_gpu.build $(if $(PYTHON311),--python $(call quoted,$(PYTHON311))) \
		$(if $(DEBS),--debs $(call quoted,$(DEBS)))

test-gpuarray: theano-gpu
	@$(BIN)/python -m tools.theano_gpu.opencl
	@LD_LIBRARY_PATH="$(CURDIR)/$(GPU_VENV)/lib:$$LD_LIBRARY_PATH" $(GPU_VENV)/bin/python -m pytest tests/gpuarray

clean:
	rm -rf $(VENV) $(GPU_VENV) .pytest_cache .hypothesis .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
