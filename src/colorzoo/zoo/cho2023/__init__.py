"""Cho et al. 2023, Guiding Users to Where to Give Color Hints."""
