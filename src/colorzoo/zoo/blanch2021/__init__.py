"""Gorriz Blanch et al. 2021, Attention-based Stylisation for Exemplar Image Colourisation."""
