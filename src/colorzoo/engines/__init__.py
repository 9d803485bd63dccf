"""Devices and precisions, ONNX Runtime, and export."""
