"""Measurements, each a command: they print figures, and which promises these keep; none fails for a figure."""
