"""Interactive sessions between a simulated user and a model.

`SimulatedUser.begin` starts a session with an image and returns an `InputFunction`. This function returns the
guidance of the user after n interactions; `play` calls it with increasing n. Some users place hints at
locations proposed by the model. The model's method ``propose(lightness)`` returns `Regions` in coloring
order. The method ``propose_points(lightness, guidance)`` returns the row and column of the next point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from torch import Tensor

from colorzoo.card import GuidanceKind
from colorzoo.guidance import Guidance


@dataclass(frozen=True)
class TargetImage:
    """Image to colorize, with its ground truth for the simulated user.

    Examples:
        >>> rgb = torch.rand(1, 3, 32, 48)
        >>> lab = colorzoo.rgb_to_lab(rgb)
        >>> TargetImage(lab[:, :1], rgb, lab[:, 1:], seed=0).ab.shape
        torch.Size([1, 2, 32, 48])

    Attributes:
        lightness: ``(1, 1, H, W)`` model input: L in [0, 100], or a sketch in [0, 1].
        rgb: ``(1, 3, H, W)`` ground truth in [0, 1].
        ab: ``(1, 2, H, W)`` ground truth in CIE units.
        seed: Random seed of the image.
        exemplar: ``(1, 3, h, w)`` reference image in [0, 1], or None.
    """

    lightness: Tensor
    rgb: Tensor
    ab: Tensor
    seed: int
    exemplar: Tensor | None = None


@dataclass(frozen=True)
class SessionResult:
    """Result of a model for one image.

    Examples:
        >>> SessionResult(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48)).rgb.shape
        torch.Size([1, 3, 32, 48])

    Attributes:
        rgb: ``(1, 3, H, W)`` in [0, 1].
        ab: ``(1, 2, H, W)`` in CIE units.
    """

    rgb: Tensor
    ab: Tensor


InputFunction = Callable[[int, SessionResult], tuple[Guidance, int]]
"""Function that maps a number of interactions and the latest result to the user's guidance.

The second result is the actual number of interactions. It is smaller than the requested number if no further
hint is possible.
"""
ColorFunction = Callable[[TargetImage, Guidance], SessionResult]
"""Function that colorizes an image with guidance."""


class SimulatedUser(Protocol):
    """Interface of simulated users, which derive guidance from the ground truth."""

    @property
    def kind(self) -> GuidanceKind:
        """Kind of guidance that the user provides."""

    @property
    def adaptive(self) -> bool:
        """Whether each interaction depends on the previous result.

        If True, the model must run after every interaction.
        """

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session with an image and return the function that provides the guidance.

        Args:
            target: Image to colorize.
            first: Result of the model without guidance from the user.
            model: Model to guide. Some users call its method ``propose`` or ``propose_points``.

        Returns:
            Function that provides the guidance; see `InputFunction`.

        Raises:
            GuidanceError: The image or the model lacks data required by the user.
        """
        ...


@dataclass(frozen=True)
class Turn:
    """Result of a session after a number of interactions.

    Examples:
        >>> result = SessionResult(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> Turn(count=3, interactions=2, result=result).guidance.kinds()
        ()

    Attributes:
        count: Requested number of interactions.
        interactions: Actual number of interactions.
        result: Result of the model.
        guidance: Complete guidance with which the model computed the result.
    """

    count: int
    interactions: int
    result: SessionResult
    guidance: Guidance = field(default_factory=Guidance)


def play(
    color: ColorFunction,
    user: SimulatedUser | None,
    target: TargetImage,
    counts: Sequence[int],
    *,
    model: object = None,
    background: Guidance | None = None,
) -> Iterator[Turn]:
    """Run an interactive session between a simulated user and a model.

    Examples:
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> target = TargetImage(lab[:, :1], colorzoo.lab_to_rgb(lab), lab[:, 1:], seed=0)
        >>> color = lambda target, guidance: SessionResult(target.rgb, target.ab)
        >>> [turn.interactions for turn in play(color, make_user("uniform_points"), target, [0, 3])]
        [0, 3]

    Args:
        color: Function that colorizes the image with guidance.
        user: Simulated user. None repeats the result without hints, for models that accept no guidance.
        target: Image to colorize.
        counts: Requested numbers of interactions, ascending.
        model: Model that proposes points or regions to the user, or None.
        background: Constant guidance of kinds that the user does not provide, or None.

    Yields:
        A `Turn` for each count. A turn without new input repeats the previous result.

    Raises:
        GuidanceError: The image or the model lacks data required by the user.
    """
    base = background or Guidance()
    turn = Turn(count=0, interactions=0, result=color(target, base), guidance=base)
    give_input = None if user is None else user.begin(target, turn.result, model)
    # an adaptive user reacts to each interaction
    is_adaptive = user is not None and user.adaptive
    played = range(max(counts, default=-1) + 1) if is_adaptive else sorted(set(counts))
    for count in played:
        turn = replace(turn, count=count)  # repeats the result, unless the user adds an input below
        if give_input is not None and count > 0:
            hints, interactions = give_input(count, turn.result)
            if interactions > turn.interactions:
                guidance = merged(base, hints)
                turn = Turn(count, interactions, color(target, guidance), guidance)
        if count in counts:
            yield turn


def merged(base: Guidance, more: Guidance) -> Guidance:
    """Return a copy of the guidance ``base``, updated with all fields of ``more`` except None."""
    hints = {each.name: getattr(more, each.name) for each in fields(more)}
    return replace(base, **{name: hint for name, hint in hints.items() if hint is not None})
