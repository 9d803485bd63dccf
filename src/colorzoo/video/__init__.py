"""Moving pictures: frames in, the same frames in steady color out."""
