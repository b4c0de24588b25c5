# Shortcuts; each is one line that can as well be typed. `make check` is what continuous integration runs.
PIP_COMPILE = .venv-lock/bin/pip-compile -q --no-header --generate-hashes --strip-extras --allow-unsafe \
  --build-deps-for=editable --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

check:
	./tests/run
long:
	./tests/run --long
test:
	.venv/bin/python -m pytest -m "not long"
lint:
	.venv/bin/ruff check . && .venv/bin/lint-imports
types:
	.venv/bin/mypy
bench:
	.venv/bin/python tests/bench/compare.py
screenshots:
	.venv/bin/python -m tests.demo.screenshots
requirements:
	python3 -m venv .venv-lock && .venv-lock/bin/pip install -q pip-tools
	$(PIP_COMPILE) --output-file requirements.txt pyproject.toml
	$(PIP_COMPILE) --extra dev --output-file requirements-dev.txt pyproject.toml

.PHONY: check long test lint types bench screenshots requirements
