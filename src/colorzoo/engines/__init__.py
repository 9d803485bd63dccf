"""Faster ways to run a network: the torch fast path, ONNX Runtime, int8, and export."""
