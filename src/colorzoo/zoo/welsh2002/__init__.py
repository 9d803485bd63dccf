"""Welsh et al. 2002, Transferring Color to Greyscale Images."""
