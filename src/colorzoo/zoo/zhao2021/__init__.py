"""Zhao et al. 2021: Color2Embed, exemplar-based colorization with color embeddings."""
