"""Learning Representations for Automatic Colorization (Larsson et al., ECCV 2016)."""
