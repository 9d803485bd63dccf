"""DeOldify (Antic, 2018 to 2024): no paper; the artistic and the stable model."""
