# One command each: `make demo` shows it, `make test` proves it, `make serve` keeps it running.
# A fresh machine needs Python 3.11, make and git; everything else comes into .venv, but the tests'
# Chromium (`make browser`) and PgBouncer (`make pgbouncer`).

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Linters and type checkers load the settings and touch no database.
NO_DATABASE := DEBUG=True DATABASE_URL=postgres://nobody@localhost/none
# Seconds to wait for another apt-get.
APT_GET := --quiet --yes -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120

.PHONY: help setup demo serve chaos pressure bench proof quick test test-mitxonline browser pgbouncer audit lint lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.complete ## Make .venv with the pinned dependencies; quick when nothing changed

.venv/.complete: requirements/dev.txt
.venv-mitxonline/.complete: requirements/mitxonline.txt
.venv/.complete .venv-mitxonline/.complete:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed.")'
	$(PYTHON) -m venv --clear $(@D)
	@# The file is complete; asked for dependencies again, pip may want a newer one for an extra.
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	$(@D)/bin/pip check --quiet --disable-pip-version-check
	@touch $@

demo: setup ## Show the way of an event, from Open edX to the certificate
	$(BIN)/python -m tools.demo

serve: setup ## Run the site, its worker, the simulated Open edX and PostgreSQL until Ctrl-C
	$(BIN)/python -m tools.demo.serve

chaos: setup ## Kill and break everything for minutes, and show that nothing is lost
	$(BIN)/python -m tools.chaos

pressure: setup ## Measure what a slow or silent Open edX costs the others, in a table
	$(BIN)/python -m tools.benchmarks.pressure

bench: setup ## Measure sweeps and the webhook for half an hour, and write docs/performance.md
	$(BIN)/python -m tools.benchmarks --write docs/performance.md

proof: setup ## Try all that can happen in models of the promise (docs/proof), for ten minutes
	$(BIN)/python -m tools.proof

quick: setup ## Run what is tested in a moment, without processes, browsers and linters
	$(BIN)/python -m pytest -m "not slow" --reuse-db --numprocesses auto --quiet

test: setup browser pgbouncer lint ## Run every check and every test; without a browser where NO_BROWSER=1
	$(BIN)/python -m pytest -W error --strict-markers --strict-config --numprocesses 4 --dist worksteal

test-mitxonline: .venv-mitxonline/.complete ## Run the app's and its host's tests under MITx Online's versions, with their coverage
	@# urllib3-future leaves it to Python to close the connections of a pool that is thrown away.
	NO_BROWSER=1 .venv-mitxonline/bin/python -m pytest -W error -W ignore:unclosed:ResourceWarning --strict-markers --strict-config --cov --numprocesses 4 --dist worksteal \
	  openedx_certificates cms courses openedx users

browser: setup ## Fetch a Chromium for the tests, where the machine has none
	@$(BIN)/python -m tools.browser

pgbouncer: ## Install PgBouncer for the tests, as root by apt-get; without it they leave it out
	@command -v pgbouncer >/dev/null || test -x /usr/sbin/pgbouncer || { \
	  echo "No PgBouncer here: apt-get installs it, if we are root." >&2; \
	  test "$$(id -u)" = 0 && apt-get $(APT_GET) update >/dev/null && \
	  DEBIAN_FRONTEND=noninteractive apt-get $(APT_GET) install --no-install-recommends pgbouncer >/dev/null; \
	} || echo "The tests leave PgBouncer out." >&2

audit: setup ## Ask the vulnerability service of PyPI about every pinned package; needs the internet
	@# Strict: a package that the service does not know fails, and is not passed over.
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --requirement requirements/dev.txt

lint: setup ## Check style, types, layers, prose, migrations and the Dockerfile
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(NO_DATABASE) $(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m tools.prose
	$(NO_DATABASE) $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/hadolint Dockerfile

lock: setup ## Pin the dependencies anew, with hashes and without the address of an index
	for name in base dev mitxonline; do \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-emit-index-url --no-emit-find-links \
	    requirements/$$name.in --output-file requirements/$$name.txt; \
	done
