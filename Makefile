.PHONY: test
test:
	python3 -m venv .venv
	.venv/bin/pip install -q -e ".[dev]"
	.venv/bin/python -m pytest -q tests/jwt/test_first_steps.py
