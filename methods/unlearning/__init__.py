"""Unlearning: editors, one module each, and under `surgery` what may become of their gradients."""
