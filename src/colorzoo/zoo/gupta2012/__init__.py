"""Gupta et al. 2012, Image Colorization Using Similar Images."""
