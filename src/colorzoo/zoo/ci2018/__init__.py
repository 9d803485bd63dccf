"""Ci et al. 2018, User-Guided Deep Anime Line Art Colorization with Conditional Adversarial Networks."""
