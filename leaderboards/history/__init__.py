"""How a method's figure moved over attempts, code and harness versions, and where it stepped."""
