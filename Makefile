.DEFAULT_GOAL := help
.PHONY: help prepare run run-https test test-pythons test-hardening format

PYTHON ?= python3
# Files are UTF-8, whatever the locale of the machine or of a library.
export PYTHONUTF8 := 1
BIN := .venv/bin
CHROMIUM ?= /usr/bin/chromium

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: prepare ## Set everything up and serve the site (HOST, PORT, MODEL_DIR... as in .env.example)
	@exec $(BIN)/python manage.py serve

run-https: prepare ## The same by https for the local network, so that phones may use their cameras
	@exec $(BIN)/python manage.py serve --https

prepare: .venv/runtime
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@$(BIN)/python manage.py fetch_models --if-possible

test: .venv/dev node_modules ## Set everything up and run every check and test
	@scripts/install-system-package $(CHROMIUM) chromium fonts-dejavu-core
	@scripts/install-system-package "$$(command -v firefox-esr)" firefox-esr || echo "Its tests are skipped."
	@scripts/install-system-package "$$(command -v WebKitWebDriver)" webkit2gtk-driver xvfb xauth || echo "Its tests are skipped."
	@scripts/install-system-package "$$(command -v jq || echo /usr/bin/jq)" jq
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm run --silent check
	npm test --silent
	$(BIN)/pytest --numprocesses 2
	CHROMIUM=$(CHROMIUM) $(BIN)/pytest tests --numprocesses 2 --dist loadfile

test-pythons: .venv/runtime ## Serve the site with every supported Python of this machine, and try it
	@PYTHONUNBUFFERED=1 $(PYTHON) scripts/test-pythons

test-hardening: .venv/dev ## Attack a served site, kill it, use it for long (35 minutes; see tests/hardening/README.md)
	$(BIN)/pytest -s tests/hardening

format: .venv/dev ## Format the Python code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/runtime: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] <= (3, 13) else f"Expected Python 3.11, 3.12 or 3.13, found {v[0]}.{v[1]}. Install one of them and run: make PYTHON=python3.13 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@$(BIN)/python -c 'import cv2' 2>/dev/null || scripts/install-system-package "" libgl1 libglib2.0-0
	@touch $@

.venv/dev: requirements-dev.txt .venv/runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

node_modules: package.json package-lock.json
	@scripts/install-system-package "$$(command -v npm || echo /usr/bin/npm)" nodejs npm
	npm ci --silent --no-audit --no-fund
	@touch $@
