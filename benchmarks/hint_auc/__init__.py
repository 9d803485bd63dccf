"""Hint-AUC of drawing models, scored by the package hintauc; see ``python -m benchmarks.hint_auc --help``."""
