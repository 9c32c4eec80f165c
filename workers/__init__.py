"""The processes. Thin: they wire ``common`` together and own what runs."""
