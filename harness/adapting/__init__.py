"""Runs of the adapt protocol: planned, fed with images, executed with saved states, published."""
