"""Stages of one image; `colorzoo.inference.pipeline` calls them in order."""
