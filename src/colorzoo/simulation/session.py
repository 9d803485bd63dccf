"""Sessions of a simulated user with a model, and the protocols that both follow.

A user begins a session with an image and returns a function that gives its input after n interactions; the
session calls it with growing n. A model may guide its user: ``propose(lightness)`` returns `Regions` in the
order in which to color them, ``propose_points(lightness, guidance)`` the row and column of the next point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from torch import Tensor

from colorzoo.card import GuidanceKind
from colorzoo.guidance import ClassMap, Guidance


@dataclass(frozen=True)
class TargetPicture:
    """An image to color, with its true colors, which only the user sees.

    Examples:
        >>> rgb = torch.rand(1, 3, 32, 48)
        >>> lab = colorzoo.rgb_to_lab(rgb)
        >>> TargetPicture(lab[:, :1], rgb, lab[:, 1:], seed=0).ab.shape
        torch.Size([1, 2, 32, 48])

    Attributes:
        lightness: ``(1, 1, H, W)`` input of the model: L in [0, 100], or a sketch in [0, 1].
        rgb: ``(1, 3, H, W)`` truth in [0, 1].
        ab: ``(1, 2, H, W)`` truth in CIE units.
        seed: The image's own seed.
        exemplar: ``(1, 3, h, w)`` reference image in [0, 1], or None.
        classes: True classes of the image (and of its reference), or None.
    """

    lightness: Tensor
    rgb: Tensor
    ab: Tensor
    seed: int
    exemplar: Tensor | None = None
    classes: ClassMap | None = None


@dataclass(frozen=True)
class ColoredPicture:
    """A model's result, as the user sees it.

    Examples:
        >>> ColoredPicture(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48)).rgb.shape
        torch.Size([1, 3, 32, 48])

    Attributes:
        rgb: ``(1, 3, H, W)`` in [0, 1].
        ab: ``(1, 2, H, W)`` in CIE units.
    """

    rgb: Tensor
    ab: Tensor


@dataclass(frozen=True)
class UserInput:
    """The input of a user so far.

    Examples:
        >>> UserInput(colorzoo.Guidance(), interactions=0).guidance.kinds()
        ()

    Attributes:
        guidance: Hints of the user's own kind.
        interactions: Number of interactions; fewer than requested when nothing is left to do.
    """

    guidance: Guidance
    interactions: int


InputFunction = Callable[[int, ColoredPicture], UserInput]
"""Returns the input after n interactions, given the last result; adaptive users are called for every n."""
ColorFunction = Callable[[TargetPicture, Guidance], ColoredPicture]
"""A model in a session."""


class SimulatedUser(Protocol):
    """Protocol of all simulated users."""

    @property
    def kind(self) -> GuidanceKind:
        """Kind of the hints that the user gives."""

    @property
    def adaptive(self) -> bool:
        """True if each interaction depends on the previous result, so that none can be skipped."""

    def begin(self, target: TargetPicture, first: ColoredPicture, model: object) -> InputFunction:
        """Begin a session.

        Args:
            target: The image.
            first: The model's result without this user.
            model: The model, for its proposals.

        Raises:
            GuidanceError: The image or the model lacks what the user needs.
        """
        ...


@dataclass(frozen=True)
class Turn:
    """The result after some interactions.

    Examples:
        >>> result = ColoredPicture(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> Turn(count=3, interactions=2, result=result).guidance.kinds()
        ()

    Attributes:
        count: Requested number of interactions.
        interactions: Number of interactions the user had.
        result: The model's result.
        guidance: All guidance for that result.
    """

    count: int
    interactions: int
    result: ColoredPicture
    guidance: Guidance = field(default_factory=Guidance)


def play(
    color: ColorFunction,
    user: SimulatedUser | None,
    target: TargetPicture,
    counts: Sequence[int],
    *,
    model: object = None,
    background: Guidance | None = None,
) -> Iterator[Turn]:
    """Let a user guide a model.

    Examples:
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> target = TargetPicture(lab[:, :1], colorzoo.lab_to_rgb(lab), lab[:, 1:], seed=0)
        >>> color = lambda target, guidance: ColoredPicture(target.rgb, target.ab)
        >>> [turn.interactions for turn in play(color, make_user("uniform_points"), target, [0, 3])]
        [0, 3]

    Args:
        color: Colors the image with guidance.
        user: None for models that do not take this kind of hints: each turn is the result without them.
        target: The image.
        counts: Requested numbers of interactions, ascending.
        model: The model, for its proposals.
        background: Guidance of other kinds that is given from the start.

    Yields:
        A turn for each count; without new input it repeats the previous result.

    Raises:
        GuidanceError: The image or the model lacks what the user needs.
    """
    guidance = base = background or Guidance()
    result = color(target, base)
    give_input = None if user is None else user.begin(target, result, model)
    done = 0
    adaptive = user is not None and user.adaptive
    for count in range(max(counts, default=-1) + 1) if adaptive else sorted(set(counts)):
        if give_input is not None and count > 0:
            given = give_input(count, result)
            if given.interactions > done:
                done, guidance = given.interactions, merged(base, given.guidance)
                result = color(target, guidance)
        if count in counts:
            yield Turn(count, done, result, guidance)


def merged(base: Guidance, more: Guidance) -> Guidance:
    """Return ``base`` with its hints replaced by those of ``more`` that are not None."""
    hints = {each.name: getattr(more, each.name) for each in fields(more)}
    return replace(base, **{name: hint for name, hint in hints.items() if hint is not None})
