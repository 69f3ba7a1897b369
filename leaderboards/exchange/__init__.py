"""Results that come from other harnesses, and results for other tools."""
