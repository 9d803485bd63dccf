"""Lee et al. 2020, Reference-Based Sketch Image Colorization."""
