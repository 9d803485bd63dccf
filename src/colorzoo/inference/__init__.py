"""Inference: any picture in, the same picture in color out."""
