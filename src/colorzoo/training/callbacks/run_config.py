"""The configuration of a run, in its folder."""

from __future__ import annotations

from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from colorzoo.training.loggers import run_folder

_CONFIG = "config"
_PASSING = ("ckpt_path", "fresh", "dry_run")  # not settings of the run


class RunConfig(SaveConfigCallback):
    """Write ``config.yaml``; a run resumed with another configuration adds ``config-1.yaml`` and so on."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file, unless the folder has one with the same content."""
        folder = run_folder(trainer)  # a collective call
        if self.already_saved or not trainer.is_global_zero:
            return
        self.already_saved = True
        text = self.parser.dump(self.config, skip_none=False, skip_validation=True)  # it was parsed
        kept = [path for path in sorted(folder.glob(f"{_CONFIG}*.yaml")) if path.is_file()]
        if any(_settings(path.read_text(encoding="utf-8")) == _settings(text) for path in kept):
            return
        folder.mkdir(parents=True, exist_ok=True)
        names = [_CONFIG, *(f"{_CONFIG}-{number}" for number in range(1, len(kept) + 1))]
        free = (folder / f"{name}.yaml" for name in names)
        next(path for path in free if not path.exists()).write_text(text, encoding="utf-8")


def _settings(text: str) -> Any:
    """Return the content of a configuration without entries that are not settings of the run."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if not isinstance(content, dict):
        return None
    return {key: value for key, value in content.items() if key not in _PASSING}
