"""Memories that other packages bring, unchanged, behind thin adapters.

Each lives in a worker process, asks the run's own model and embedder over the loopback
(`harness.isolation`) and keeps its files in the worker's folder. `base` is what the adapters share,
`surroundings` what makes a package do the same thing twice.
"""
