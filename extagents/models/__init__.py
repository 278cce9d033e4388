"""Models: backends that only speak to their engine. `resolve` gives the one that a model string names."""
