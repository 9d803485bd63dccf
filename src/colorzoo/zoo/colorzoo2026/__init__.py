"""Colorzoo 2026: the default model of this project."""
