"""Boards of adapt tasks: accuracy under shift, calibration, what adapting costs."""
