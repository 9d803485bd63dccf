"""The steps of coloring an image, one a file; `colorzoo.inference.pipeline` puts them in order."""
