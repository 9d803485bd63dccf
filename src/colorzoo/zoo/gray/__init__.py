"""The gray baseline."""
