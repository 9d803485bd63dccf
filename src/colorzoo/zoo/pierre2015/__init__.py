"""Pierre et al. 2015, Luminance-Chrominance Model for Image Colorization."""
