"""Every figure that the documents quote, by a command that anyone can run."""
