.DEFAULT_GOAL := help
.PHONY: help prepare run run-https test check browsers test-pythons test-hardening test-cluster test-postgres services format FORCE

# Files are UTF-8, whatever the locale of the machine or of a library.
export PYTHONUTF8 := 1
# Modules are compiled when they are imported first, which is sooner done than all at once.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 0
BIN := .venv/bin
CHROMIUM ?= /usr/bin/chromium

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: ## Set everything up and serve the site (HOST, PORT, MODEL_DIR... as in .env.example)
	@exec scripts/start run

run-https: ## The same by https for the local network, so that phones may use their cameras
	@exec scripts/start run --https

prepare: ## Set everything up, without serving
	@scripts/start prepare

test: ## Set everything up and run every check and test
	@$(MAKE) --no-print-directory --jobs 2 check browsers
	$(BIN)/pytest --numprocesses 3 --dist worksteal
	CHROMIUM=$(CHROMIUM) $(BIN)/pytest tests --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: .venv/dev node_modules ## Check the code, and test the JavaScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
# What macOS lacks, Windows lacks as well; only one file asks whether it runs on macOS.
	printf "%s\n" linux win32 "darwin scripts/python_finder.py" \
		| xargs -P 2 -L 1 sh -c '$(BIN)/mypy --platform $$0 --cache-dir .mypy_cache/$$0 $$@'
	npm run --silent check
	npm test --silent

browsers:
	@scripts/install-system-package $(CHROMIUM) chromium fonts-dejavu-core
	@scripts/install-system-package /usr/bin/chromium-headless-shell chromium-headless-shell || echo "The tests take longer without it."
	@scripts/install-system-package "$$(command -v firefox-esr)" firefox-esr || echo "Its tests are skipped."
	@scripts/install-system-package "$$(command -v WebKitWebDriver)" webkit2gtk-driver xvfb xauth || echo "Its tests are skipped."
	@scripts/install-system-package "$$(command -v jq || echo /usr/bin/jq)" jq

test-pythons: .venv/runtime ## Serve the site with every supported Python of this machine, and try it
	@PYTHONUNBUFFERED=1 $(BIN)/python scripts/test-pythons

test-hardening: .venv/dev ## Attack a served site, kill it, use it for long (35 minutes; see tests/hardening/README.md)
	$(BIN)/pytest -s tests/hardening

test-cluster: .venv/dev .venvs/ray | services ## Test several processes, and models on two Ray nodes (20 minutes, as root; see tests/cluster/README.md)
	$(BIN)/pytest -s tests/cluster

test-postgres: .venv/dev | services ## Run all tests of "make test" on PostgreSQL and Redis
	@scripts/install-system-package $(CHROMIUM) chromium fonts-dejavu-core
	$(BIN)/python -m tests.cluster.services $(BIN)/pytest --numprocesses 2 --dist worksteal
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m tests.cluster.services $(BIN)/pytest tests --numprocesses 2 --dist loadfile

services:
	@scripts/install-system-package "$$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | head -1)" postgresql || echo "Its tests are skipped."
	@scripts/install-system-package "$$(command -v redis-server || echo /usr/bin/redis-server)" redis-server || echo "Its tests are skipped."
	@scripts/install-system-package "$$(command -v nginx || echo /usr/sbin/nginx)" nginx-light || echo "Its tests are skipped."

.venvs/ray: deploy/ray/requirements.txt | .venv/dev
	rm -rf $@
	$(BIN)/python -m venv $@
	$@/bin/pip install --quiet --requirement $<
	@touch $@

format: .venv/dev ## Format the Python code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Always run, as the program compares what is installed with the requirements. PYTHON=... chooses
# another Python than the newest.
.venv/runtime .venv/dev: FORCE
	@scripts/start install $(@F)

node_modules: package.json package-lock.json
	@scripts/install-system-package "$$(command -v npm || echo /usr/bin/npm)" nodejs npm
	npm ci --silent --no-audit --no-fund
	@touch $@
