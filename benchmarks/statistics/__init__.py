"""What the statistics of ``harness compare`` promise, measured on simulated and on real runs."""
