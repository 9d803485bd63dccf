"""Deprecated names warn their callers, and keep their signature and result."""

import inspect
import re

import pytest

import colorzoo
from colorzoo._deprecation import deprecated
from test_public_api import documented_modules


class Old:
    @deprecated("1.9", "Use New.")
    def __init__(self, size: int) -> None:
        self.size = size


@deprecated("1.1", "Call half with 0.5.")
def half(value: float, *, times: float = 0.5) -> float:
    """Multiply a value."""
    return value * times


def test_deprecated_function_warns_at_the_line_of_its_caller_and_returns_its_result() -> None:
    message = r"^half is deprecated since 1\.1 and will be removed in 1\.3\. Call half with 0\.5\.$"
    with pytest.warns(DeprecationWarning, match=message) as warned:
        assert half(8, times=0.25) == 2
    assert warned[0].filename == __file__
    assert half.__doc__ == "Multiply a value."
    assert [*inspect.signature(half).parameters] == ["value", "times"]


def test_deprecated_class_warns_when_it_is_created() -> None:
    with pytest.warns(DeprecationWarning, match=r"^Old is deprecated since 1\.9 .* in 1\.11"):
        assert Old(3).size == 3


def overdue(messages: list[str], version: str) -> list[str]:
    """Return the messages of `deprecated` whose removal version is not above ``version``."""

    def minor(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")[:2]))

    removals = [re.search(r"removed in (\d+\.\d+)\.", message) for message in messages]
    return [each.string for each in removals if each is not None and minor(each[1]) <= minor(version)]


def test_deprecated_public_names_are_removed_in_time() -> None:
    assert overdue([half.__deprecated__], "1.3.0") == [half.__deprecated__]
    assert overdue([half.__deprecated__], "1.2.5") == []
    promised = [getattr(module, name, None) for module in documented_modules() for name in module.__all__]
    members = [member for each in promised if inspect.isclass(each) for member in vars(each).values()]
    messages = [str(getattr(each, "__deprecated__", "")) for each in [*promised, *members]]
    assert overdue(messages, colorzoo.__version__) == []
