"""Global match by features, a baseline of exemplar colorization."""
