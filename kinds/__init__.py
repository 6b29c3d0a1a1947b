"""Kinds of task, torch-free: which score compares a reply with its reference."""
