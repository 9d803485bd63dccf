"""What the small models of Zhang 2017 add to the paper; all off in the paper's models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalExtensions:
    """Extensions of Local Hints; ``docs/extensions.md`` compares them.

    Attributes:
        hint_attention: Carry hint colors to places that look alike, see `HintUNet`.
        channel_attention: Weigh the channels of the skips by the whole picture.
        rank_layers: Linear layers between encoder and decoder (implicit rank minimization); a model with 0
            folds those of a checkpoint that it loads into its own weights.
        scene_blocks: Blocks that see the whole scene, see `SceneBlocks`.
        labels: Tell so many labels of pictures apart, too, by a head that weight files leave out: knowing
            what a thing is tells its color. A picture with a label of -1 has none.
        label_weight: Weight of that cross-entropy.
        colorfulness: Weight smooth-l1 by 1 + c * chroma / 20 of the true color, so that an unsure network
            does not fall back to gray.
        class_stride: Train the distribution on every n-th of its positions (2 costs a quarter).
        regress_every: Train the colors on every n-th picture of a batch (2 takes a third less time).
        many: Share of the training pictures with log-uniformly many points, see `PointSimulation`.
        everywhere: Share of the training pictures whose points lie uniformly, see `PointSimulation`.
    """

    hint_attention: bool = False
    channel_attention: bool = False
    rank_layers: int = 0
    scene_blocks: int = 0
    labels: int = 0
    label_weight: float = 0.1
    colorfulness: float = 0.0
    class_stride: int = 1
    regress_every: int = 1
    many: float = 0.0
    everywhere: float = 0.0


@dataclass(frozen=True)
class GlobalExtensions:
    """Extensions of Global Hints.

    Attributes:
        trunk: Registered Local Hints model whose layers are used, without points, instead of own ones. They
            are borrowed: not trained, and not in a weight file; width and scale are theirs. What it holds for
            likely is matched to the statistics, see `SteeredNetwork`.
    """

    trunk: str | None = None
