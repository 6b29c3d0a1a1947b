"""Words everyone shares; imports nothing of ours and no torch."""
