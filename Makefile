# `make` alone lists the targets. Each brings its own tools; it needs Python 3.11 with pip, nothing else.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
CHECKED := $(wildcard src tests bench tools examples/*.py)
EXAMPLES := $(wildcard examples/*/)
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test check style types imports pins crash sdks docs bench bench-client bench-server bench-plan bench-peers lock clean venv

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: venv ## watch a team audit this code base; no key, no network
	$(BIN)/python examples/codebase-audit/demo.py $(ARGS)

test: venv ## run every test but the crash and SDK suites
	$(BIN)/pytest -q -m "not crash and not sdk" $(ARGS)

crash: venv ## kill it at every step and resume
	$(BIN)/pytest -q -m crash $(ARGS)

sdks: venv ## run programs of the official SDKs, Python and TypeScript, against the server
	@tools/sdks
	$(BIN)/pytest -q -rs -m sdk $(ARGS)

check: style types imports pins ## format, lint, types, import directions, pins

style: venv
	$(BIN)/ruff format --check
	$(BIN)/ruff check

# The examples' folders hold files of the same names, so mypy takes them one at a time.
types: venv
	$(BIN)/mypy $(CHECKED)
	set -e; for example in $(EXAMPLES); do $(BIN)/mypy $$example; done

imports: venv
	$(BIN)/lint-imports --no-logo

pins: venv
	$(BIN)/python tools/pins.py check

docs: venv ## build docs/ into site/, links checked; pages read from the code are written again
	@tools/bootstrap docs
	$(BIN)/python tools/reference.py
	$(BIN)/zensical build --strict --clean
	$(BIN)/python tools/offline.py site

bench: ## measure Podium against the bare loop
	@tools/bootstrap bench
	$(BIN)/python bench/run_all.py run $(ARGS)
	$(BIN)/python bench/flat.py
	$(BIN)/python bench/workflow.py

bench-client: ## what a model call costs through the real client, beside raw aiohttp
	@tools/bootstrap bench
	$(BIN)/python bench/model_client.py $(ARGS)

bench-server: ## turns a second, latency and memory of the server, with model and client beside it
	@tools/bootstrap bench
	$(BIN)/python bench/server.py $(ARGS)

bench-plan: ## how long a plan takes beside its critical path; LangGraph too, if bench-peers has made its environment
	@tools/bootstrap bench
	$(BIN)/python bench/plan.py $(ARGS)

bench-peers: ## the same beside other frameworks: makes an environment for each
	@tools/bootstrap bench
	$(BIN)/python bench/run_all.py environments
	$(BIN)/python bench/run_all.py run --peers bare podium langgraph openai_agents pydantic_ai adk agent_framework crewai $(ARGS)

lock: venv ## pin the dependencies of pyproject.toml again (ARGS=--upgrade for newer ones)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/pins.py lock $(ARGS)

clean: ## remove .venv, caches and built files
	rm -rf .venv .sdk tests/api/typescript/*/node_modules tests/api/typescript/*/built .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .cache dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@tools/bootstrap
