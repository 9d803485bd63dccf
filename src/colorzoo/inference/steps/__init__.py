"""The steps of coloring a picture, one a file; `colorzoo.inference.plan` puts them in order."""
