"""He et al. 2018, Deep Exemplar-based Colorization."""
