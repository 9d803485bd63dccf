"""Kang et al. 2023, DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders."""
