"""Processing stages of one image, which `colorzoo.inference.pipeline` calls in order."""
