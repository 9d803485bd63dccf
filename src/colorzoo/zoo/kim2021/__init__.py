"""Edge-aware interactive colorization against color bleeding (Kim et al., ICCV 2021)."""
