"""Lu et al. 2020, Gray2ColorNet: Transfer More Colors from Reference Image."""
