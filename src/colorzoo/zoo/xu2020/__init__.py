"""Xu et al. 2020, Stylization-Based Architecture for Fast Deep Exemplar Colorization."""
