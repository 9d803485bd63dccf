"""Training of models: LightningModules, stages, schedules, validation and callbacks."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
