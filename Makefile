PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export PATH := $(abspath $(BIN)):$(PATH)
export DVC_NO_ANALYTICS := 1
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help install repro check test lint docs sources ablations clean

help: ## list these targets
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(STAMP) ## set up the virtual environment .venv; the other targets do, too

repro: $(STAMP) ## set up and run the whole experiment of params.yaml (as committed: the profile demo)
	python workflow/repro.py

check: lint ## set up and run lint, import contracts and the fast tests: within a minute
	OMP_NUM_THREADS=1 python -m pytest -q -n 2 --dist loadfile -m 'not slow'

test: lint docs ## the same with all tests, and the documentation
	OMP_NUM_THREADS=1 python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=15

lint: $(STAMP) ## check style, spelling and import contracts
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile
	yamllint --strict .
	codespell
	lint-imports

docs: $(STAMP) ## check the generated parts of the documentation and write the site to site/
	python docs/tools/generate.py --check
	mkdocs build --strict

sources: $(STAMP) ## after a change of imports: update the links to the code that each stage depends on
	python workflow/sources.py

ablations: $(STAMP) ## train and score the ablations, by Snakemake
	snakemake --cores all ablations

clean: ## remove the virtual environment and what Snakemake remembers
	rm -rf $(VENV) .snakemake

# pip installs torch and torchvision first, for CPU or CUDA as its index has them; uv keeps these builds and installs the
# rest faster.
$(STAMP): pyproject.toml requirements/constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11, 3.12 or 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11")'
	@git rev-parse --quiet --verify HEAD >/dev/null 2>&1 || { echo "DVC needs a git repository with a commit, as a clone is; in an unpacked archive: git init && git add . && git commit -m Start" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements/constraints.txt torch torchvision uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode -c requirements/constraints.txt --group dev --editable '.[all,docs]'
	touch $@
