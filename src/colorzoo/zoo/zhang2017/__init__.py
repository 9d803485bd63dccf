"""Zhang et al. 2017, Real-Time User-Guided Image Colorization."""
