"""What image corruptions cost, beside a peer: ``python -m benchmarks.corruptions``."""
