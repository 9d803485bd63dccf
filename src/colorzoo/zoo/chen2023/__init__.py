"""Chen et al. 2023, SPColor: Semantic Prior Guided Exemplar-based Image Colorization."""
