"""Applications: the command line, the drawing pad and video. The library does not import them."""
