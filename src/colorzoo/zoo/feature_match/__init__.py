"""Global feature matching, a baseline for exemplar colorization."""
