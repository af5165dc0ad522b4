"""Benchmarks: what Carnet costs beside other packages and beside the bare operation."""
