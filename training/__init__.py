"""From the record to a judged adapter: examples, training, and the gate."""
