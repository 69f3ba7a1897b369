"""Test-time adaptation of image classifiers: adapters, one module each, and the wrapper `panda`."""
