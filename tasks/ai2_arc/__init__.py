"""AI2's Reasoning Challenge: school questions, asked by lm-eval. No relative of ARC-AGI."""
