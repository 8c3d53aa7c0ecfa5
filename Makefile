# Everything a contributor runs. Needs Python 3.11 or newer and make; `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev
ADDRESS ?= 127.0.0.1:8000
# The fences of a page share one process.
PYTEST ?= -q -n auto --dist loadfile

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
export PATH := $(abspath $(BIN)):$(PATH)
export NO_MKDOCS_2_WARNING := 1
# Tests, figures and trainings are small: a process for each core is faster than threads within one.
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PACKAGES := $(VENV)/.packages
FRONT_END := docs/_site/node_modules/.front-end
# A site is stale when a file it is made from is newer, or when one was added or taken away.
SOURCES := .cache/sources
SOURCE_FILES := $(shell find attnref docs mkdocs.yml README.md CONTRIBUTING.md CHANGELOG.md \
	\( -name node_modules -o -name __pycache__ -o -path docs/assets/figures -o -path docs/assets/vendor \) -prune \
	-o -type f -print 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup serve site test lint types doctest shapes browser-test mistakes wheel format constraints clean FORCE

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

setup: $(PACKAGES) $(FRONT_END)  ## make .venv, install everything, fetch the front-end packages

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "attnref needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(PACKAGES): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[$(EXTRAS)]" --constraint constraints.txt
	@touch $@

# Node and npm come with the extra `docs` and stand first on PATH, so that the machine need not have them.
$(FRONT_END): docs/_site/package-lock.json docs/_site/vendor.py | $(PACKAGES)
	npm ci --prefix docs/_site --no-audit --no-fund --loglevel=error
	$(BIN)/python docs/_site/vendor.py
	@touch $@

serve: setup  ## show the site on this machine, rebuilt at every save
	$(BIN)/mkdocs serve --dev-addr $(ADDRESS)

site: site/index.html  ## build the site into site/; a warning is an error

site/index.html: $(PACKAGES) $(FRONT_END) $(SOURCES) $(SOURCE_FILES)
	$(BIN)/mkdocs build --strict
	@touch $@

$(SOURCES): FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(sort $(SOURCE_FILES)) | cmp -s - $@ || printf '%s\n' $(sort $(SOURCE_FILES)) > $@

test: setup lint types doctest shapes site  ## everything that must hold before a commit

lint: | $(PACKAGES)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: | $(PACKAGES)
	$(BIN)/pyright

# Docstrings, pages and unit tests.
doctest: | $(PACKAGES)
	$(BIN)/python -m pytest $(PYTEST) -m "not browser"

# Once more with every shape annotation enforced. Refusals are left out: the shapes would refuse first, in other words.
shapes: | $(PACKAGES)
	$(BIN)/python -m pytest $(PYTEST) -m "not browser and not refusal" --jaxtyping-packages=attnref,beartype.beartype attnref tests

browser-test: setup site  ## open the built site in Chromium and use it as a reader would
	$(BIN)/python -m pytest -q -n 2 -m browser tests/browser

mistakes: setup  ## make deliberate mistakes in the code; each must fail a test
	$(BIN)/python tests/mistakes.py

wheel: setup  ## build the wheel and test it alone, outside the checkout
	$(BIN)/python tests/wheel.py

format: | $(PACKAGES)  ## format the code and put its imports in order
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

constraints: setup  ## write the versions installed now into constraints.txt
	@{ sed '/^[^#]/,$$d' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+.*//'; } > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt && touch $(PACKAGES)

clean:  ## remove all that set-up, builds and tests have made
	rm -rf $(VENV) .cache .hypothesis .pytest_cache .ruff_cache build dist site docs/_site/node_modules docs/assets/vendor docs/assets/figures
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
