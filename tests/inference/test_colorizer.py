"""The colorizer: sizes, lightness, points, kinds of input, and errors."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import colorzoo
from colorzoo.color import rgb_to_lab
from colorzoo.color.lab import at_lightness
from colorzoo.errors import ColorzooError, GuidanceError, WeightsError
from colorzoo.guidance import Guidance, PointHint, Recipe
from colorzoo.guidance.hints import color_lab
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io.read import read_image
from colorzoo.inference.choice import choose_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import BicubicUpsampler, working_size
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from tiny_model import NAME, gray_image, tiny_model, tiny_task, write_tiny_weights

RED = PointHint(20, 15, 4, "#c04020")


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(tiny_model(), device="cpu", precision="float32")


class Painter(ColoringModel):
    """Predicts a constant color; raises `fail` in the first forward pass."""

    def __init__(self, value: float = 0.0, fail: BaseException | None = None) -> None:
        self.value, self.fail = value, fail
        super().__init__(torch.nn.Identity())
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        del guidance
        if self.fail is not None:
            fail, self.fail = self.fail, None
            raise fail
        return AbPrediction(ab=torch.full_like(lightness, self.value).expand(-1, 2, -1, -1))


def lab_of(image: Image.Image | np.ndarray) -> Tensor:
    pixels = np.asarray(image)[..., :3].astype(np.float32) / 255
    return rgb_to_lab(torch.from_numpy(pixels).permute(2, 0, 1))


def test_colorizer_result_has_the_size_of_the_image(colorizer: Colorizer) -> None:
    for size in [(1, 1), (5000, 1), (1, 5000), (9, 600), (193, 255), (53, 37)]:
        result = colorizer(gray_image(*size))
        assert result.size == (size[1], size[0])
        assert result.mode == "RGB"


def test_colorizer_preserves_lightness(colorizer: Colorizer) -> None:
    image = gray_image(300, 420)
    result = lab_of(colorizer(image))
    truth = lab_of(np.repeat(image[..., None], 3, 2))
    assert (result[0] - truth[0]).abs().mean() < 0.1
    assert result[1:].abs().mean() > 2  # the result has color


def test_strength_scales_chroma_down_to_gray(colorizer: Colorizer) -> None:
    gray = np.asarray(colorizer(gray_image(40, 60), strength=0))
    assert np.array_equal(gray, np.repeat(gray_image(40, 60)[..., None], 3, 2))
    full = colorizer.colorize(read_image(gray_image(40, 60))).ab
    half = colorizer.colorize(read_image(gray_image(40, 60)), Recipe(strength=0.5)).ab
    torch.testing.assert_close(half, full / 2)
    with pytest.raises(GuidanceError, match="strength"):
        colorizer(gray_image(4, 4), strength=7)


def test_colorizer_result_has_the_hint_color_at_each_point(colorizer: Colorizer) -> None:
    for radius in [0, 3, 25]:
        for size in [(50, 70), (255, 193), (700, 900), (40, 2000)]:
            height, width = size
            hints = tuple(
                PointHint(width * u + 0.3, height * v, radius, color)
                for u, v, color in ((0.2, 0.25, "#c04020"), (0.5, 0.8, "#2040ff"), (0.9, 0.3, "#20c040"))
            )
            image = gray_image(height, width)
            result = lab_of(colorizer(image, Recipe(points=hints)))
            lightness = lab_of(np.repeat(image[..., None], 3, 2))[0]
            for hint in hints:
                y, x = int(hint.y), int(hint.x)
                hint_lab = torch.tensor(color_lab(hint.color)).view(3, 1, 1)
                expected = at_lightness(hint_lab, lightness[y, x].view(1, 1, 1)).flatten()
                assert (result[:, y, x] - expected).norm() <= 2


def test_later_point_replaces_an_earlier_point_at_the_same_pixel(
    colorizer: Colorizer,
) -> None:
    image = np.full((600, 800), 130, np.uint8)
    hints = [
        PointHint(x, 300, 2, ab=ab) for x, ab in ((400, (40.0, 0.0)), (400, (0.0, 30.0)), (412, (30.0, 0.0)))
    ]
    result = lab_of(colorizer(image, Recipe(points=tuple(hints))))
    for hint in hints[1:]:
        assert (result[1:, 300, int(hint.x)] - torch.tensor(hint.ab)).norm() <= 2


def test_tensor_guidance_and_recipe_produce_equal_images(colorizer: Colorizer) -> None:
    for size in [(48, 64), (500, 600)]:
        points = (replace(RED, reach="everywhere"), replace(RED, x=35, color="#3060a0", reach="everywhere"))
        image, recipe = gray_image(*size), Recipe(points=points)
        tensors = recipe.to_guidance(size[1], size[0])
        by_recipe = np.asarray(colorizer(image, recipe)).astype(int)
        assert np.abs(by_recipe - np.asarray(colorizer(image, tensors))).max() <= 1
        assert np.array_equal(by_recipe, np.asarray(colorizer(image, recipe.to_json())))
    with pytest.raises(GuidanceError, match="reach"):  # tensors have no reach
        Recipe(points=(RED,)).to_guidance(64, 48)
    with pytest.raises(GuidanceError, match="border"):  # tensors cover the whole image
        Recipe(border=Rectangle(8, 8, 40, 30)).to_guidance(64, 48)


def test_colorizer_results_are_equal_in_concurrent_threads(colorizer: Colorizer) -> None:
    images = [gray_image(60, 80), gray_image(75, 50)]
    expected = [np.asarray(colorizer(p, Recipe(points=(RED,)))) for p in images]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(4):
            if not np.array_equal(colorizer(images[index], Recipe(points=(RED,))), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_bicubic_upsampler_rows_equal_torch_interpolate() -> None:
    image = torch.randn(2, 13, 17, generator=torch.Generator().manual_seed(0)) * 30
    whole = F.interpolate(image[None], size=(101, 67), mode="bicubic", align_corners=False)[0]
    upsampler = BicubicUpsampler(image, (101, 67))
    tiles = torch.cat([upsampler.rows(a, min(a + 32, 101)) for a in range(0, 101, 32)], dim=1)
    torch.testing.assert_close(tiles, whole, atol=3e-3, rtol=0)


def test_colorizer_keeps_16_bit_depth_and_alpha(colorizer: Colorizer) -> None:
    deep = gray_image(30, 40, np.uint16)
    rgb = colorizer.colorize(read_image(deep)).rgb
    lightness = rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1))[0]
    true = rgb_to_lab(torch.from_numpy(deep / np.float32(65535)).expand(3, -1, -1))[0]
    assert (lightness - true).abs().mean() < 0.005  # 8 bits would be off by 0.1
    rgba = np.dstack([gray_image(30, 40)] * 3 + [np.arange(1200).reshape(30, 40).astype(np.uint8)])
    result = colorizer(rgba)
    assert result.mode == "RGBA"
    assert np.array_equal(np.asarray(result)[..., 3], rgba[..., 3])


def test_colorize_accepts_arrays_paths_pil_images_and_tensors(colorizer: Colorizer, tmp_path: Path) -> None:
    levels, path = gray_image(20, 30), tmp_path / "a.png"
    Image.fromarray(levels).save(path)
    wanted = colorizer.colorize(read_image(levels)).rgb
    tensor = torch.from_numpy(levels)
    for image in (levels, path, str(path), Image.fromarray(levels), tensor, tensor[None]):
        assert np.array_equal(colorizer.colorize(image).rgb, wanted)
    assert np.abs(colorizer.colorize(levels / np.float32(255)).rgb - wanted).max() < 1e-3


def test_recipe_with_another_image_hash_adds_a_note(colorizer: Colorizer, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(gray_image(20, 20)).save(path)
    right = Recipe(sha256=sha256(path.read_bytes()).hexdigest())
    assert colorizer.colorize(read_image(path), right).notes == ()
    wrong = replace(right, sha256="0" * 64)
    assert colorizer.colorize(read_image(path), wrong).notes == (
        "the recipe was made for another image file",
    )


def test_notes_of_the_image_file_are_python_warnings(tmp_path: Path) -> None:
    path, pages = tmp_path / "pages.tif", [Image.fromarray(gray_image(20, 20)) for _ in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        colorzoo.colorize(path, NAME, weights=write_tiny_weights(tmp_path / "tiny.safetensors"), device="cpu")
    assert [str(each.message) for each in issued] == ["first of 2 pages"]


def test_divisions_of_a_photo_are_ignored_with_a_note(colorizer: Colorizer) -> None:
    recipe = Recipe.from_json({"version": 2, "divisions": [{"path": [[2, 2], [18, 18]]}]})
    (note,) = colorizer.colorize(gray_image(20, 20), recipe).notes
    assert note.endswith("does not use divisions, which had no effect")


def test_colorizer_raises_for_nan_predictions() -> None:
    with pytest.raises(ColorzooError, match="Painter predicted NaN or inf"):
        Colorizer(Painter(float("nan")), device="cpu")(gray_image(20, 20))


def test_out_of_memory_error_names_the_device_and_the_size_option() -> None:
    errors = (torch.OutOfMemoryError("full"), RuntimeError("MPS backend out of memory"))
    for error, expected, message in (
        *((error, ColorzooError, r"cpu ran out of memory.* --size") for error in errors),
        (RuntimeError("wrong shape"), RuntimeError, "wrong shape"),
    ):
        with pytest.raises(expected, match=message):
            Colorizer(Painter(10.0, error), device="cpu", precision="float32").colorize(gray_image(20, 20))


def test_colorizer_rejects_untrained_models_and_invalid_size_or_device() -> None:
    for name, weights in ((NAME, None), ("chen2023", "default")):
        with pytest.raises(ColorzooError, match=rf"^{name} is untrained.*--allow-untrained"):
            Colorizer(name, weights=weights)
    assert Colorizer(NAME, weights=None, allow_untrained=True, device="cpu").model.trained is False
    for size in (0, 10_000):
        with pytest.raises(ColorzooError, match="size must be between 16 and 4096"):
            Colorizer(tiny_model(), size=size)
    with pytest.raises(ColorzooError, match=r"device.*warp"):
        Colorizer(tiny_model(), device="warp")


def test_colorize_uses_the_model_of_the_recipe_and_reloads_changed_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written, path, image = write_tiny_weights(tmp_path / "w"), "~/w", gray_image(30, 40)
    colored = np.asarray(colorzoo.colorize(image, weights=path))
    assert colored.shape == (30, 40, 3)
    gray = colorzoo.colorize(image, NAME, {"strength": 0}, weights=path)
    assert np.ptp(np.asarray(gray), axis=2).max() == 0
    with pytest.raises(colorzoo.registry.UnknownModelError, match="zhang"):
        colorzoo.colorize(image, guidance={"model": "zhang2017_locl"}, weights=path)
    written.write_bytes(b"damaged")
    with pytest.raises(WeightsError):
        colorzoo.colorize(image, weights=path)


def test_working_size_scales_the_shorter_side_and_limits_the_longer_side() -> None:
    assert working_size(512, 1024, 256) == (256, 512)
    assert working_size(100, 90, 256) == (100, 90)
    assert working_size(1, 5000, 256) == (1, 1024)
    assert working_size(300, 30000, 256) == (10, 1024)
    assert (working_size(100, 400, 50), working_size(100, 440, 50)) == ((50, 200), (45, 200))


@pytest.mark.parametrize(("asked", "seen"), [(None, 48), (64, 64)])
def test_colorizer_size_defaults_to_the_working_size_of_the_model(asked: int | None, seen: int) -> None:
    class Sharp(Painter):
        working_size = 48

    colorizer = Colorizer(Sharp(5.0), device="cpu", size=asked)
    assert colorizer.colorize(read_image(gray_image(96, 120))).ab.shape == (2, seen, seen * 120 // 96)
    assert Colorizer(Painter(), device="cpu").size == 256


def test_temperature_raises_for_models_without_this_argument() -> None:
    with pytest.raises(ColorzooError, match="has no setting 'temperature'"):
        Colorizer("zhang2017_local_small", temperature=0.5)
    with pytest.raises(ColorzooError, match="temperature"):
        Colorizer(Painter(), temperature=0.5)
    Colorizer(Painter(), temperature=None)


def test_choose_model_reads_the_model_name_from_the_weight_file(tmp_path: Path) -> None:
    path = write_tiny_weights(tmp_path / "tiny.safetensors")
    assert choose_model(weights=path) == NAME
    assert choose_model(name="zhang2016", weights=path) == "zhang2016"
    assert choose_model() == "colorzoo2026"
    with pytest.raises(WeightsError, match=f"belongs to {NAME}"):
        colorzoo.create_model("zhang2016_small", path)


def test_colorizer_does_not_change_the_module_of_the_caller() -> None:
    image, task = gray_image(48, 64), tiny_task()
    expected = np.array(Colorizer(task, device="cpu")(image))
    task.train()
    first = next(task.model.network.children())
    first.eval()  # such as a frozen backbone
    modes = {name: module.training for name, module in task.named_modules()}
    colorizer = Colorizer(task, device="cpu")
    for _ in range(2):
        assert np.array_equal(np.array(colorizer(image)), expected)
        assert {name: module.training for name, module in task.named_modules()} == modes
    with torch.no_grad():
        for weight in task.parameters():
            weight.zero_()
    assert np.array_equal(np.array(colorizer(image)), expected)
