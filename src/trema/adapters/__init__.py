"""One module a framework: turns what happens in a training into facts."""
