"""Recording of representations while a network trains."""
