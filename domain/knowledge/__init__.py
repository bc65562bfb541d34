"""Knowledge: bases, the documents in them, and the chunks that are searched."""
