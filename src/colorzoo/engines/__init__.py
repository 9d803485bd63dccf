"""Device and precision selection, ONNX Runtime, and export of models."""
