"""Instance-aware Image Colorization (Su et al., CVPR 2020)."""
