"""Guidance for a batch: other devices and slices."""

from typing import get_args

import pytest

from colorzoo.card import GuidanceKind
from colorzoo.testing import sample_guidance


@pytest.mark.parametrize("kind", get_args(GuidanceKind))
def test_guidance_can_be_moved_to_another_device_and_sliced(kind: GuidanceKind) -> None:
    guidance = sample_guidance([kind], (8, 9), batch=3)
    moved = guidance.to("meta")[1:]
    assert moved.kinds() == guidance.kinds()
    tensors = list(moved.tensors().values())
    assert tensors
    assert all(tensor.is_meta and len(tensor) == 2 for tensor in tensors)
