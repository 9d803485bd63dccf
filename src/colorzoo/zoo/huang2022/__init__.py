"""UniColor: multi-modal colorization with a transformer (Huang et al. 2022)."""
