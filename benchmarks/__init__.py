"""What the harness costs, beside a floor and two other harnesses: ``python -m benchmarks``."""
