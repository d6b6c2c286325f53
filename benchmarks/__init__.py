"""Measurements, printed as ratios: ``python -m benchmarks``."""
