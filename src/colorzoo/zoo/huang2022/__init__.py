"""Huang, Zhao and Liao 2022, UniColor: A Unified Framework for Multi-Modal Colorization with Transformer."""
