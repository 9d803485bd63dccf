"""Colorzoo 2026 for drawings: the default model for line art."""
