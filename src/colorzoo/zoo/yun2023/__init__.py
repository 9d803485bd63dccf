"""Yun et al. 2023, iColoriT."""
