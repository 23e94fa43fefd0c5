"""Measurements of the real service. Each run writes a table with machine, versions and commit into `results/`."""
