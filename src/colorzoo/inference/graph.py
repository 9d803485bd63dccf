"""Graph of steps: each runs once, after its inputs, unless its result is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, TypeVar

from colorzoo.memory import Memory, key_of

T = TypeVar("T")
Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True)
class Step(Generic[Result]):
    """One step of coloring.

    Attributes:
        function: A pure function. It calls no other step.
        settings: Its keyword arguments: plain values that are known before the first step.
    """

    function: Callable[..., Result]
    settings: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        """The name of the function in words."""
        return self.function.__name__.replace("_", " ")

    @property
    def about(self) -> str:
        """The purpose of the function: the first line of its docstring."""
        return (self.function.__doc__ or "").partition("\n")[0]

    @property
    def key(self) -> str:
        """Text that equal steps share; `repr` is faster than `key_of`."""
        return f"{self.function.__module__} {self.function.__qualname__} {self.settings!r}"


@dataclass(frozen=True, eq=False)
class Node(Generic[T]):
    """A step with the nodes of its inputs, or a known value.

    Attributes:
        step: The step, or the known value.
        inputs: Nodes of its inputs, in order.
        key: Hash of all that its result depends on.
    """

    step: Step[T] | Given[T]
    inputs: tuple[Node[Any], ...]
    key: str


@dataclass(frozen=True)
class Given(Generic[T]):
    """A value that is known before the first step.

    Attributes:
        value: The value.
    """

    value: T


@dataclass(frozen=True)
class Ran:
    """A step that ran, or whose result was remembered.

    Attributes:
        name: Name of the step.
        about: What it does.
        seconds: Time that it took; 0 if its result was remembered.
        remembered: Whether it was.
    """

    name: str
    about: str
    seconds: float = 0.0
    remembered: bool = False


def node(function: Callable[..., T], *inputs: Node[Any], **settings: Any) -> Node[T]:
    """Return the node of a step.

    Args:
        function: A pure function of the inputs and settings.
        inputs: Nodes of its positional arguments.
        settings: See `Step`.
    """
    step = Step(function, tuple(settings.items()))
    parts = (step.key, *(each.key for each in inputs))
    return Node(step, inputs, sha256("\n".join(parts).encode()).hexdigest())


def given(value: T) -> Node[T]:
    """Return the node of a known value."""
    return Node(Given(value), (), key_of(value))


def run(target: Node[T], memory: Memory | None = None) -> tuple[T, tuple[Ran, ...]]:
    """Run the steps that a node needs, each after its inputs.

    Args:
        target: The node.
        memory: Results of earlier runs; those of this one are added. None remembers nothing.

    Returns:
        The result of the node, and the steps in the order in which they ran.
    """
    values: dict[str, Any] = {}
    ran: list[Ran] = []

    def value_of(needed: Node[Any]) -> Any:
        step = needed.step
        if isinstance(step, Given):
            return step.value
        if needed.key not in values:
            before = len(ran)

            def compute() -> Any:
                inputs = [value_of(each) for each in needed.inputs]
                started = time.perf_counter()
                found = step.function(*inputs, **dict(step.settings))
                ran.append(Ran(step.name, step.about, time.perf_counter() - started))
                return found

            values[needed.key] = compute() if memory is None else memory.get(needed.key, compute)
            if len(ran) == before:
                ran.append(Ran(step.name, step.about, remembered=True))
        return values[needed.key]

    return value_of(target), tuple(ran)
