"""Parameters of constructors, and checks of their values."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypedDict, Unpack

import numpy as np
import pytest

from colorzoo import Colorizer, colorize
from colorzoo.data import ExemplarPairsDataModule
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.options import check_arguments, constructor_parameters


class Options(TypedDict, total=False):
    width: float


class Base:
    def __init__(self, **kwargs: Unpack[Options]) -> None: ...


class Narrow(Base):
    def __init__(self, width: float = 0.5, **kwargs: Unpack[Options]) -> None: ...


def test_parameter_with_a_default_takes_precedence_over_typed_keyword_arguments() -> None:
    assert constructor_parameters(Narrow)["width"].default == 0.5
    assert list(constructor_parameters(Base)) == ["width"]


IMAGE = np.zeros((8, 8), np.uint8)


@pytest.mark.parametrize(
    ("create", "message"),
    [
        (partial(create_coloring_model, "larsson2016", None, hue="modes"), "hue must be one of .*, got"),
        (partial(ExemplarPairsDataModule, "album", pairing="nearst"), "pairing must be one of 'list', "),
        (partial(colorize, IMAGE, engine="onnx"), "engine must be one of 'torch', 'onnxruntime', got 'onnx'"),
        (partial(Colorizer, "gray", engine="onnx"), "engine must be one of torch, onnxruntime, got 'onnx'"),
        (partial(Colorizer, "gray", precision="fp16"), "precision must be one of auto, .*, got 'fp16'"),
    ],
)
def test_settings_refuse_values_that_their_type_does_not_list(
    create: Callable[[], object], message: str
) -> None:
    with pytest.raises(ColorzooError, match=message):
        create()


def test_listed_values_can_be_combined_with_none_and_other_types() -> None:
    class Model:
        def __init__(self, head: Literal["a", "b"] | None, size: Literal["auto"] | int) -> None: ...

    check_arguments(Model, {"head": None, "size": 3})
    check_arguments(Model, {"head": "b"})
    with pytest.raises(ColorzooError, match="head must be one of 'a', 'b', got 'c'"):
        check_arguments(Model, {"head": "c"})
