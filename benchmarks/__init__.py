"""Measurements of minicnn beside other engines: ``python -m benchmarks``."""
