"""Li et al. 2018, A Closed-form Solution to Photorealistic Image Stylization."""
