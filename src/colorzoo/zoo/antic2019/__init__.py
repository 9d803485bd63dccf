"""DeOldify (Antic, 2018 to 2024): the artistic, stable and video models. There is no paper."""
