"""Bai et al. 2022, Semantic-Sparse Colorization Network for Deep Exemplar-based Colorization."""
