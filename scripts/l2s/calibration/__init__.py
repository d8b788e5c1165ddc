"""Calibration: statistics of a model on calibration data, measured with one decoder layer in memory at a time."""
