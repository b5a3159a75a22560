"""Experiments: run from a clone, `python -m experiments.classify smoke --out runs/smoke`."""
