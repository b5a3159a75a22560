"""Benchmarks: one question a script, run from a clone; ratios measured in one run."""
