# Everything a contributor runs. Needs Python 3.11 or newer and make 3.81 or newer; `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
ADDRESS ?= 127.0.0.1:8000
CONSTRAINTS ?= constraints.txt
# The fences of a page share one process.
PYTEST ?= -q -n auto --dist loadfile

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
# Programs of .venv are called by their path: not every make looks for them in a PATH that it exports itself.
RUN := $(BIN)/python -m
export NO_MKDOCS_2_WARNING := 1
# Tests, figures and trainings are small: a process for each core is faster than threads within one.
export OMP_NUM_THREADS ?= 1
# What a machine's pip is told for other folders, and what would keep it from saying what it downloads.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_QUIET := 0
export PIP_USER := 0
export PIP_NO_DEPS := 0
export PIP_DRY_RUN := 0
export PIP_REQUIRE_HASHES := 0
unexport PIP_TARGET
unexport PIP_PREFIX
unexport PIP_ROOT
unexport PIP_PYTHON

# Where .venv lies, if its Python runs, and where it lay when it was made: an environment does not move.
HERE := $(shell cd $(BIN) 2>/dev/null && ./python -c "" 2>/dev/null && pwd -P)
READY := $(VENV)/.ready
DOCS := $(VENV)/.docs
DEV := $(VENV)/.dev
# Each the last file that npm and vendor.py write.
FRONT_END := docs/_site/node_modules/.package-lock.json
VENDOR := docs/assets/vendor/katex.min.css
# A site is stale when a file it is made from is newer, or when one was added or taken away.
SOURCES := .cache/sources
SOURCE_FILES := $(shell find attnref docs mkdocs.yml README.md CONTRIBUTING.md CHANGELOG.md \
    \( -name node_modules -o -name __pycache__ -o -path docs/assets/figures -o -path docs/assets/vendor \) -prune \
    -o -type f -print 2>/dev/null)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup serve site test lint types pytest doctest shapes slow browser-test mistakes mutants
.PHONY: packages successors format constraints clean address FORCE

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

setup: $(DEV) $(VENDOR)  ## make .venv, install everything, fetch the front-end packages

# Made anew if it was left half-made, if its Python is gone, or if it was moved; one that works is kept.
$(READY): $(if $(filter-out $(HERE),$(shell cat $(READY) 2>/dev/null)),FORCE) $(if $(HERE),,FORCE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "attnref needs Python 3.11 or newer: make PYTHON=...")'
	@if test -f $@ || ! $(RUN) pip --version >/dev/null 2>&1; then \
		echo "$(PYTHON) -m venv --clear $(VENV)"; $(PYTHON) -m venv --clear $(VENV); fi
	$(RUN) pip install --upgrade "pip>=25.1" --constraint $(CONSTRAINTS)
	@cd $(BIN) && pwd -P > $(abspath $@)

# What the site needs, and no more.
$(DOCS): $(READY) pyproject.toml constraints.txt
	$(RUN) pip install --editable ".[plot,tasks]" --group docs --constraint $(CONSTRAINTS)
	@touch $@

$(DEV): $(READY) pyproject.toml constraints.txt
	$(RUN) pip install --editable ".[plot,tasks]" --group dev --constraint $(CONSTRAINTS)
	@touch $(DOCS) $@

# Node and npm come with the group `docs`, so that the machine need not have them.
$(FRONT_END): docs/_site/package-lock.json | $(DOCS)
	$(BIN)/npm ci --prefix docs/_site --ignore-scripts --no-audit --no-fund
	@touch $@

$(VENDOR): $(FRONT_END) docs/_site/vendor.py | $(DOCS)
	$(BIN)/python docs/_site/vendor.py

serve: address $(DOCS) $(VENDOR)  ## show the site on this machine, rebuilt at every save
	$(RUN) mkdocs serve --dev-addr $(ADDRESS)

address:
	@$(PYTHON) docs/_site/hooks/serving.py $(ADDRESS)

site: site/index.html  ## build the site into site/; a warning is an error

site/index.html: $(DOCS) $(VENDOR) $(SOURCES) $(SOURCE_FILES)
	$(RUN) mkdocs build --strict
	@touch $@

$(SOURCES): FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(sort $(SOURCE_FILES)) | cmp -s - $@ || printf '%s\n' $(sort $(SOURCE_FILES)) > $@

test: setup  ## everything that must hold before a commit, but what takes long
	@$(BIN)/python tests/parts.py "make test" "$(MAKE)" lint types pytest+site

lint: | $(DEV)  ## the rules and the layout of the code
	$(RUN) ruff check
	$(RUN) ruff format --check

types: | $(DEV)  ## the types of the code
	$(RUN) pyright

pytest: | $(DEV)  ## what pytest runs before a commit: doctest, then shapes
	@$(BIN)/python tests/parts.py "make pytest" "$(MAKE)" doctest shapes

# What a reader runs, as a reader runs it, and refusals: with shapes enforced, the shapes would refuse first, in other words.
doctest: | $(DEV)  ## the snippets of all pages, and the tests that must run without enforced shapes
	$(RUN) pytest $(PYTEST) -m "page or (plain and not slow)" docs tests README.md CONTRIBUTING.md

shapes: | $(DEV)  ## all other tests and the docstrings, with every shape annotation enforced
	$(RUN) pytest $(PYTEST) -m "not (page or plain or slow or browser)" --jaxtyping-packages=attnref,beartype.beartype attnref tests

slow: | $(DEV)  ## what takes long: what torch compiles and exports, and trainings
	$(RUN) pytest $(PYTEST) -m slow tests

browser-test: setup site  ## open the built site in Chromium and use it as a reader would
	$(RUN) pytest -q -n auto --dist worksteal -m browser tests/browser

mistakes: | $(DEV)  ## make deliberate mistakes in what has changed (BASE=...), or in all the code (ALL=1); each must fail a test
	$(BIN)/python tests/mistakes.py $(if $(ALL),--all) $(if $(BASE),--since $(BASE))

mutants: | $(DEV)  ## make random mistakes all over the code (N=200, SEED=...) and print those that no test catches
	$(BIN)/python tests/mutants.py $(if $(N),--count $(N)) $(if $(SEED),--seed $(SEED))

packages: setup site  ## build the wheel and the source archive, and try each alone, outside the checkout
	$(BIN)/python tests/packages.py

successors: site  ## build the site with ProperDocs, a fork of MkDocs, and compare the pages
	$(BIN)/python docs/_site/successors.py

format: | $(DEV)  ## format the code and put its imports in order
	$(RUN) ruff format
	$(RUN) ruff check --fix

constraints: setup  ## write the versions installed now into constraints.txt
	@{ sed '/^[^#]/,$$d' constraints.txt; $(RUN) pip freeze --all --exclude-editable --exclude setuptools --exclude wheel | sed 's/+.*//'; } > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt && touch $(READY) $(DOCS) $(DEV)

clean:  ## remove all that set-up, builds and tests have made
	rm -rf $(VENV) .cache .hypothesis .pytest_cache .ruff_cache build dist site docs/_site/node_modules docs/assets/vendor docs/assets/figures
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
