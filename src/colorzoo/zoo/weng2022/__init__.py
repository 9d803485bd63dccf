"""Colorization with color tokens (CT2), Weng et al. 2022."""
