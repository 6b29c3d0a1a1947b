"""Adapter versions: what they are, whether their files can be trusted, and which one answers."""
