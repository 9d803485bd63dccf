"""Colorful Image Colorization (Zhang et al., ECCV 2016)."""
