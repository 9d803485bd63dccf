"""Parameters of constructors."""

from typing import TypedDict, Unpack

from colorzoo.settings import constructor_parameters


class Options(TypedDict, total=False):
    width: float


class Base:
    def __init__(self, **kwargs: Unpack[Options]) -> None: ...


class Narrow(Base):
    def __init__(self, width: float = 0.5, **kwargs: Unpack[Options]) -> None: ...


def test_parameter_with_a_default_takes_precedence_over_typed_keyword_arguments() -> None:
    assert constructor_parameters(Narrow)["width"].default == 0.5
    assert list(constructor_parameters(Base)) == ["width"]
