"""``python -m scripts.fleet``: what people ask a running fleet, and what the code can do."""
