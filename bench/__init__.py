"""Measurements, each a command: they print figures, and judge nothing."""
