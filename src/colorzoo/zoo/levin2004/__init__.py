"""Levin et al. 2004, Colorization using Optimization."""
