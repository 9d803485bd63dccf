"""Guidance for a batch: other devices and slices."""

import pytest

from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.testing import sample_guidance


@pytest.mark.parametrize("kind", [kind.name for kind in guidance_kinds()])
def test_guidance_can_be_moved_to_another_device_and_sliced(kind: str) -> None:
    guidance = sample_guidance([kind], (8, 9), batch=3)
    moved = guidance.to("meta")[1:]
    assert moved.kinds() == guidance.kinds()
    tensors = list(moved.tensors().values())
    assert tensors
    assert all(tensor.is_meta and len(tensor) == 2 for tensor in tensors)
