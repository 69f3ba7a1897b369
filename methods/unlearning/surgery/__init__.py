"""Gradient surgeries and their controls, one module each."""
