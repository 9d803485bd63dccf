"""Deep Edge-Aware Interactive Colorization against Color-Bleeding Effects (Kim et al., ICCV 2021)."""
