"""The parts of the quick start: what is started, what arrives, and whether it is the truth."""
