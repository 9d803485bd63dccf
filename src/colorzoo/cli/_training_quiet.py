"""Keep the terminal calm: what Lightning says on every run and nobody can act on is left out."""

from __future__ import annotations

import logging
import warnings

_INFORMATION = (
    "litlogger",
    "litmodels",
    "TPU available",
    "`weights_only` was not set",
    "Loading `train_dataloader`",
    "Found current_model_state",
    "Restoring states from the checkpoint",
    "Restored all states",
    "Using bfloat16 Automatic Mixed Precision",
    "You are using the plain ModelCheckpoint",
    "Seed set to",
)
_WARNINGS = (
    r".*isinstance\(treespec, LeafSpec\)",
    r".*does not have many workers",
    r".*is smaller than the logging interval",
    r".*ended before the epoch ended and your dataloader is",  # ours resumes exactly
    r".*Using `DistributedSampler` with the dataloaders",  # ours repeats no sample
    r".*Checkpoint directory .* exists and is not empty",
    r".*is not supported by the model summary",
    r".*module\(s\) in eval mode at the start of training",
    r"[\s\S]*was deprecated in v4\.\d+\.0 and will be removed in v5",  # jsonargparse, of Lightning
    r".*callbacks used to create the checkpoint need to be provided",  # see ResumeGuard
    r".*WeightAveraging callback, but loading a checkpoint outside",
)


def filter_messages() -> None:
    """Filter those messages for the rest of the process."""
    for pattern in _WARNINGS:
        warnings.filterwarnings("ignore", pattern)
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).addFilter(_is_news)
    logging.getLogger("lightning.fabric.utilities.rank_zero").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not any(phrase in text for phrase in _INFORMATION)
