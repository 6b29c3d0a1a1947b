"""The gateway and the model holder: one messages list in, one token stream out."""
