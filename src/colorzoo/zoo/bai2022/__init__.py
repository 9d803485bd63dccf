"""Semantic-Sparse Colorization Network (Bai et al., ECCV 2022)."""
