"""Zhao et al. 2021, Color2Embed: Fast Exemplar-Based Image Colorization using Color Embeddings."""
