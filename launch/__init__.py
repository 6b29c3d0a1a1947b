"""One machine, one command: the bundled database, the processes, and what to say when something is missing."""
