"""The contracts between tasks and methods, one package each, with the loop that joins them."""
