"""Wingbeat measured beside its peers: one module per row, run with `python -m benchmarks NAME`. README.md says how."""
