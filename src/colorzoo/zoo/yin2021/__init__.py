"""Yin et al. 2021: Yes, "Attention Is All You Need", for Exemplar based Colorization."""
