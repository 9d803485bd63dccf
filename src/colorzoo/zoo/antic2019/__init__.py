"""DeOldify (Antic, 2018 to 2024): artistic, stable and video models."""
