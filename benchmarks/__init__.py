"""Measurements: each module is a command with a make target and a row in docs/explanation/benchmarks.md."""
