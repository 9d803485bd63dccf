"""AlacGAN: user-guided line art colorization (Ci et al., ACM MM 2018)."""
