"""Faster ways to run a network: the torch fast path, ONNX Runtime, and export."""
