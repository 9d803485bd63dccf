"""Steps of coloring an image, one step per module; `colorzoo.inference.pipeline` puts them in order."""
