"""Operators' pages, and the same conversation in a terminal."""
