# Two commands do everything: `make demo` and `make test`. Both install what they need.
PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo demo-down test lint install clean

demo: $(VENV)/.demo
	$(BIN)/ha-monitor demo $(if $(KEEP),--keep)

demo-down: $(VENV)/.demo
	$(BIN)/ha-monitor demo --down

test: $(VENV)/.test lint
	$(BIN)/pytest $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check ha_monitor plugins tests bench
	$(BIN)/ruff format --check ha_monitor plugins tests bench
	$(BIN)/mypy

install: $(VENV)/.demo

$(VENV)/.demo: setup.cfg ha_monitor/lab/prerequisites.py
	$(PYTHON) -m ha_monitor.lab.prerequisites
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PYTHON) -m ha_monitor.lab.prerequisites --test
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .[dev]
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
