# `make` lists the targets. It works with GNU make 3.81, the one of macOS.
VENV := .venv
INSTALLED := $(VENV)/.installed
KERNELS := $(VENV)/.kernels

# The real data sets: where the caller says, else in the folder beside the checkout.
ifeq ($(CALOR_DATA),)
CALOR_DATA := $(if $(wildcard ../shared/data/.),$(CURDIR)/../shared/data)
endif
ifneq ($(CALOR_DATA),)
export CALOR_DATA
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # the kernels are compiled with what the environment holds
.PHONY: help demo test lint format docs docs-serve bench sanitize lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{ printf "make %-10s %s\n", $$1, $$2 }'

demo: $(INSTALLED)-run $(KERNELS) ## Train a classifier on pictures drawn on the spot, and show what it learned
	@$(VENV)/bin/calor demo

test: $(INSTALLED)-test $(KERNELS) ## Run the tests, with the coverage of lines and branches
ifeq ($(CALOR_DATA),)
	@echo "The tests on real data are skipped: CALOR_DATA is not set and there is no ../shared/data."
else
	@echo "The tests on real data run on $(CALOR_DATA)."
endif
	@$(VENV)/bin/python -m pytest --cov --cov-branch $(ARGS)

lint: $(INSTALLED)-lint ## Check format, style and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(INSTALLED)-lint ## Format the code and mend what Ruff can mend
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

docs: $(INSTALLED)-docs ## Build the documentation's site into build/site; open build/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "The site is in build/site."

docs-serve: $(INSTALLED)-docs ## Show the documentation on http://127.0.0.1:8000 while it is written
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs serve --watch src

bench: $(INSTALLED)-run $(KERNELS) ## Measure the speed beside TensorFlow
	$(VENV)/bin/python benchmarks/run.py $(ARGS)

sanitize: $(INSTALLED)-test $(KERNELS) ## Run the kernels under the compiler's sanitizers
	@tests/ops/native/sanitize.sh $(ARGS)

lock: ## Renew uv.lock and the pip constraints made from it (needs uv)
	uv lock --no-config --upgrade
	uv export --no-config --locked --quiet --all-groups --no-hashes --no-header --no-annotate --no-emit-project \
		--output-file constraints.txt

clean: ## Remove the environment and all that was made
	rm -rf $(VENV) .venv-peers .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	rm -f src/calor/ops/native/libcalor.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED)-run:
	@tools/environment.sh
	@touch $@

$(INSTALLED)-test:
	@tools/environment.sh test docs
	@touch $@

$(INSTALLED)-lint:
	@tools/environment.sh lint
	@touch $@

$(INSTALLED)-docs:
	@tools/environment.sh docs lint # Ruff breaks the lines of signatures
	@touch $@

$(INSTALLED)-run $(INSTALLED)-test $(INSTALLED)-lint $(INSTALLED)-docs: pyproject.toml uv.lock constraints.txt tools/environment.sh

$(KERNELS): $(wildcard src/calor/ops/native/*.cc src/calor/ops/native/*.h) hatch_build.py uv.lock
	@$(VENV)/bin/python hatch_build.py
	@test ! -f src/calor/ops/native/libcalor.so || touch $@
