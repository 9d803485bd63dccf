"""Readers of weight files that PyTorch cannot read: Caffe, Caffe in HDF5, Torch7."""
