"""Processing stages of one image that do not run the network."""
