"""Steps, what they get from each other, and running them: each once, and none that is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from colorzoo.memory import Memory, key_of

T = TypeVar("T")
Result = TypeVar("Result", covariant=True)


class Step(Protocol[Result]):
    """One step of coloring: a frozen dataclass of what it depends on besides its inputs.

    Its call is a pure function of the inputs. Steps do not call each other.
    """

    def __call__(self, *inputs: Any) -> Result:
        """Return the result of the step."""

    def __str__(self) -> str:
        """Return the step in a few words, for `Ran`."""


@dataclass(frozen=True, eq=False)
class Node(Generic[T]):
    """A step with the nodes whose results it gets.

    Attributes:
        step: The step.
        inputs: Nodes of its inputs, in order.
        key: Hash of the step and of all that its inputs depend on.
    """

    step: Callable[..., T]
    inputs: tuple[Node[Any], ...]
    key: str = field(default="")

    def __post_init__(self) -> None:
        # a step holds plain values alone, whose text is made faster than `key_of` walks through them
        object.__setattr__(self, "key", self.key or key_of(repr(self.step), [n.key for n in self.inputs]))


@dataclass(frozen=True)
class Given(Generic[T]):
    """What is known before the first step.

    Attributes:
        value: The value.
    """

    value: T

    def __call__(self) -> T:
        """Return the value."""
        return self.value


@dataclass(frozen=True)
class Ran:
    """A step that ran, or whose result was remembered.

    Attributes:
        name: Name of the step.
        about: The step in a few words.
        seconds: Time that it took; 0 if its result was remembered.
        remembered: Whether it was.
    """

    name: str
    about: str
    seconds: float = 0.0
    remembered: bool = False


def node(step: Step[T], *inputs: Node[Any]) -> Node[T]:
    """Return the node of a step."""
    return Node(step, inputs)


def given(value: T, key: str = "") -> Node[T]:
    """Return the node of a known value.

    Args:
        value: The value.
        key: Its key, if that is known too.
    """
    return Node(Given(value), (), key or key_of(value))


def run(target: Node[T], memory: Memory) -> tuple[T, tuple[Ran, ...]]:
    """Run the steps that a node needs, each after its inputs.

    Args:
        target: The node.
        memory: Results of earlier runs; those of this one are added.

    Returns:
        The result of the node, and the steps in the order in which they ran.
    """
    values: dict[str, Any] = {}
    ran: list[Ran] = []

    def value_of(needed: Node[Any]) -> Any:
        if isinstance(needed.step, Given):
            return needed.step.value
        if needed.key not in values:
            values[needed.key] = result_of(needed)
        return values[needed.key]

    def result_of(needed: Node[Any]) -> Any:
        name, before = type(needed.step).__name__, len(ran)

        def compute() -> Any:
            inputs = [value_of(each) for each in needed.inputs]
            started = time.perf_counter()
            found = needed.step(*inputs)
            ran.append(Ran(name, str(needed.step), time.perf_counter() - started))
            return found

        found = memory.get(needed.key, compute)
        if len(ran) == before:
            ran.append(Ran(name, str(needed.step), remembered=True))
        return found

    return value_of(target), tuple(ran)


def in_order(target: Node[Any]) -> Iterator[Node[Any]]:
    """Yield the nodes that one needs, each after its inputs, and itself last."""
    seen: set[str] = set()

    def visit(needed: Node[Any]) -> Iterator[Node[Any]]:
        if needed.key not in seen:
            seen.add(needed.key)
            for each in needed.inputs:
                yield from visit(each)
            yield needed

    yield from visit(target)
