# Two commands on a fresh machine: "make run" and "make test". Both set up what they need in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Containers often set this; then each of the some thousand processes that the tests start compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-traced test-others coverage lint bench docs deb deb-test lock clean

run: $(VENV)/.run
	$(BIN)/maglevd --demo

# The folders whose tests alone must reach every branch of the pure modules. Tracing doubles the time of a test, so the
# others run without, and so does one that plays long histories; they mostly wait for processes and clocks, so they run
# beside the traced ones, which leave no processor idle. What each part writes is shown when it ends.
TRACED = model announce config importers commands control healthcheck maglevt metrics peers resolver state vpp web
LONG = tests/vpp/sync/test_convergence.py
OTHERS = $(filter-out %__pycache__ $(TRACED:%=tests/%), $(patsubst %/.,%,$(wildcard tests/*/.))) $(wildcard tests/test_*.py)

test: $(VENV)/.test
	$(MAKE) --jobs=3 --keep-going --output-sync=target --no-print-directory lint test-traced test-others

test-traced: $(VENV)/.test
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report= $(TRACED:%=tests/%) --ignore=$(LONG)
	$(BIN)/python -m tests.pure_coverage

test-others: $(VENV)/.test
	$(BIN)/pytest -n 4 --dist worksteal $(LONG) $(OTHERS)

# Every line of the program that a test without processes reaches, as HTML in build/coverage.
coverage: $(VENV)/.test
	$(BIN)/pytest -n 2 --dist worksteal --cov=maglev --cov-report=html:build/coverage -m "not real" tests

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python -m tests.bench

docs: $(VENV)/.test
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet docs build/docs

# The Debian packages, for the release that this machine runs; they land in build/deb. See docs/install.rst.
deb:
	rm -rf build/deb && mkdir -p build/deb/source
	tar --exclude-vcs --exclude=./build --exclude=./dist --exclude=./$(VENV) --exclude='*.egg-info' \
		--exclude=__pycache__ --exclude='./.*_cache' --exclude=./.hypothesis -cf - . | tar -xf - -C build/deb/source
	cd build/deb/source && dpkg-buildpackage --build=binary --no-sign

# Installs the packages in a fresh Debian, under a systemd of its own: needs root, debootstrap and systemd-container.
deb-test:
	$(PYTHON) -m tests.packaging

# Pins what setup.cfg asks for. With the oldest Python that we run on: what only that one needs must be in it.
lock:
	$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet pip-tools
	build/lock/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file build/lock/pinned pyproject.toml
	(sed '/^#/!d' requirements.lock; cat build/lock/pinned) > build/lock/requirements.lock
	mv build/lock/requirements.lock requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.cfg | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: setup.cfg | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,docs]'
	touch $@ $(VENV)/.run
