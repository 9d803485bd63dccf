"""Training: the base LightningModules, stages, schedules, validation and callbacks."""
