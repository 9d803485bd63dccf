"""The steps of coloring a picture, one a file; `colorzoo.inference.pipeline` puts them in order."""
