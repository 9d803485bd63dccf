"""Xia et al. 2022, DISCO: Disentangled Image Colorization via Global Anchors."""
