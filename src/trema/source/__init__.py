"""Which call in the user's code made a layer, an optimizer, a loss; standard library only."""
