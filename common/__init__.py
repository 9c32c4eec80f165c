"""What the workers are made of. Imports run downward only; ``tests/test_house.py`` guards it."""
