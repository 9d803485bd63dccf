"""Xiao et al. 2020, DEPN: Example-Based Colourization via Dense Encoding Pyramids."""
