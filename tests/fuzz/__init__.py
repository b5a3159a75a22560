"""Damaged files and what the readers make of them: `python -m tests.fuzz`."""
