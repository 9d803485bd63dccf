"""The network of this project (2026)."""
