"""Runs of the stream protocol."""
