"""A session: one user, one model, one picture, and a result after each wanted number of interactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

from colorzoo.guidance import Guidance
from colorzoo.users.protocol import Scene, SeenResult, SimulatedUser

Painter = Callable[[Scene, Guidance], SeenResult]
"""A model as a session sees it: colors a scene."""


@dataclass(frozen=True)
class Turn:
    """The result after some interactions.

    Attributes:
        count: How many interactions were asked for.
        interactions: How many the user had.
        answer: The result.
        guidance: All that it was made from.
    """

    count: int
    interactions: int
    answer: SeenResult
    guidance: Guidance = field(default_factory=Guidance)


def play(
    paint: Painter,
    user: SimulatedUser | None,
    scene: Scene,
    counts: Sequence[int],
    *,
    model: object = None,
    background: Guidance | None = None,
) -> Iterator[Turn]:
    """Let a user guide a model.

    Args:
        paint: Colors the scene with guidance.
        user: None if the model takes nothing that a user of this kind gives: every turn is then the result
            without guidance.
        scene: The picture.
        counts: Wanted numbers of interactions, growing.
        model: Asked for proposals.
        background: Guidance that is given from the start, of other kinds than the user's.

    Yields:
        A turn for each count; one that brings nothing new repeats the result before it.

    Raises:
        GuidanceError: The scene or the model lacks what the user needs.
    """
    base = background or Guidance()
    answer = first = paint(scene, base)
    known = base
    hand = None if user is None else user.begin(scene, first, model)
    done = 0
    for count in _steps(counts, watches=user is not None and user.watches):
        if hand is not None and count > 0:
            given = hand(count, answer)
            if given.interactions > done:
                done = given.interactions
                known = merged(base, given.guidance)
                answer = paint(scene, known)
        if count in counts:
            yield Turn(count, done, answer, known)


def merged(base: Guidance, more: Guidance) -> Guidance:
    """Return ``base`` with all kinds that ``more`` holds in place of its own."""
    kinds = {each.name: getattr(more, each.name) for each in fields(more)}
    return replace(base, **{name: kind for name, kind in kinds.items() if kind is not None})


def _steps(counts: Sequence[int], *, watches: bool) -> Sequence[int]:
    return range(max(counts, default=-1) + 1) if watches else sorted(set(counts))
