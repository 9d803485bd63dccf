"""Former names of the public API: they work, and warn with today's name."""

import importlib

import pytest

from colorzoo.settings import current_arguments

FORMER = [
    ("colorzoo.color", "luma_to_rgb", "lightness_to_rgb"),
    ("colorzoo.color", "snap_to_luma", "snap_to_lightness"),
    ("colorzoo.inference", "Reference", "ReadReference"),
    ("colorzoo.zoo.colorzoo2026.task", "Colorzoo2026Trainer", "Colorzoo2026Task"),
]


@pytest.mark.parametrize(("module", "former", "name"), FORMER)
def test_a_former_name_is_todays_object_with_a_warning(module: str, former: str, name: str) -> None:
    found = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=f"{former} is now called {name}"):
        assert getattr(found, former) is getattr(found, name)


@pytest.mark.parametrize("module", sorted({module for module, *_ in FORMER}))
def test_an_unknown_name_is_an_attribute_error(module: str) -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = importlib.import_module(module).nothing_like_it


def test_former_names_of_settings_and_classes_become_todays() -> None:
    former = {"class_path": "colorzoo.zoo.colorzoo2026.task.Colorzoo2026Trainer", "x": {"luma_noise": 2.0}}
    current = {"class_path": "colorzoo.zoo.colorzoo2026.task.Colorzoo2026Task", "x": {"lightness_noise": 2.0}}
    assert current_arguments(former) == current
