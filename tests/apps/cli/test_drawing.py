"""`colorzoo colorize` with drawings: the default model, palettes, flats, errors, and repeated runs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops, ImageColor, ImageDraw

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.guidance import Recipe
from colorzoo.image_io.layers import flat_layers
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.inference.choice import choose_model
from colorzoo.inference.colorizer import Colorizer

CPU = ["--device", "cpu"]


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    """Write a house with a door, 240 x 200 pixels."""
    image = Image.new("L", (240, 200), 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 90, 180, 180), outline=0, width=3)
    draw.line((50, 90, 120, 30, 190, 90, 50, 90), fill=0, width=3)
    draw.rectangle((105, 130, 135, 180), outline=0, width=3)
    path = tmp_path / "house.png"
    image.save(path)
    return path


def colorized(path: Path, *options: str) -> np.ndarray:
    out = path.with_name("out.png")
    assert main(["colorize", str(path), "-o", str(out), "--overwrite", *CPU, *options]) == 0
    with Image.open(out) as image:
        return np.asarray(image.convert("RGB"))


def test_drawing_is_recognized_and_the_model_is_named(
    drawing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    default = colorized(drawing)
    assert "(colorzoo2026_drawing)" in capsys.readouterr().out
    assert np.array_equal(default, colorized(drawing, "--model", "colorzoo2026_drawing"))
    assert np.array_equal(default, np.asarray(colorzoo.colorize(drawing, device="cpu").convert("RGB")))


def test_hidden_colors_of_transparent_pixels_do_not_change_a_drawing(drawing: Path) -> None:
    with Image.open(drawing) as image:
        alpha = 255 - np.asarray(image)
    plain = np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha])
    hidden = plain.copy()
    hidden[alpha == 0, :3] = 60, 120, 250
    hidden[:100][alpha[:100] == 0, :3] = 250, 120, 60
    results = []
    for levels in (plain, hidden):
        Image.fromarray(levels).save(drawing)
        results.append(colorized(drawing))
        assert np.array_equal(results[-1], np.asarray(colorzoo.colorize(drawing, device="cpu")))
    assert np.array_equal(*results)
    assert np.ptp(results[0], axis=2).max() > 20  # in color


def test_colorize_files_applies_its_settings_to_drawings(drawing: Path, tmp_path: Path) -> None:
    settings = {"device": "cpu", "precision": "float32", "size": 32}
    (result,) = colorzoo.colorize_files([drawing], tmp_path, tmp_path / "out", **settings)
    with Image.open(result.output) as image:
        colored = np.asarray(image.convert("RGB"))
    assert np.array_equal(colored, np.asarray(colorzoo.colorize(drawing, **settings).convert("RGB")))


def test_model_option_overrides_the_recognition(drawing: Path) -> None:
    assert not np.array_equal(colorized(drawing), colorized(drawing, "--model", "colorzoo2026"))


@pytest.mark.parametrize(
    ("options", "guidance", "ignored"),
    [
        (
            ["--saturation", "0.2"],
            {"statistics": {"saturation": 0.2}},
            "color histograms and mean saturation",
        ),
        (["--label", "3"], {"label": 3}, "image labels"),
        (["--histogram-of", "warm.png"], None, "color histograms and mean saturation"),
        (["--box", "60,90,120,90"], {"boxes": [{"x": 60, "y": 90, "width": 120, "height": 90}]}, "boxes"),
    ],
)
def test_guidance_for_photos_does_not_color_a_drawing_as_a_photo(
    options: list[str],
    guidance: dict[str, Any] | None,
    ignored: str,
    drawing: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(drawing.parent)
    Image.new("RGB", (32, 32), "#c06020").save("warm.png")
    default = colorized(drawing)
    assert np.array_equal(default, colorized(drawing, *options))
    note = f"colorzoo2026_drawing does not use {ignored}, which had no effect"
    assert f"(colorzoo2026_drawing; {note})" in capsys.readouterr().out.splitlines()[-1]
    if guidance is not None:
        with pytest.warns(UserWarning, match=note):
            by_function = colorzoo.colorize(drawing, guidance=guidance, device="cpu")
        assert np.array_equal(default, np.asarray(by_function.convert("RGB")))


def test_region_colors_keep_the_model_that_proposed_the_regions(
    drawing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = drawing.with_name("regions.json")
    recipe.write_text(json.dumps({"version": 2, "regions": [{"index": 0, "color": "#c04020"}]}))
    colorized(drawing, "--recipe", str(recipe))
    out = capsys.readouterr().out
    assert "(cho2023_small" in out
    assert "ignored" not in out


def test_colorize_file_uses_the_arguments_of_the_caller_for_drawings(drawing: Path, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"device": "cpu", "size": 64, "precision": "float32"}
    expected = np.asarray(colorzoo.colorize(drawing, **arguments).convert("RGB"))
    target = colorzoo.colorize_file(drawing, tmp_path / "small.png", **arguments)
    with Image.open(target) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), expected)
    assert not np.array_equal(expected, colorized(drawing))


def test_colorize_file_recognizes_drawings_with_references(drawing: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.png"
    Image.fromarray(np.tile(np.uint8([[[200, 60, 40], [40, 90, 200]]]), (64, 32, 1))).save(reference)
    expected = colorized(drawing, "--reference", str(reference))
    for given in (reference, Image.open(reference)):
        target = colorzoo.colorize_file(
            drawing, tmp_path / "file.png", reference=given, device="cpu", overwrite=True
        )
        with Image.open(target) as image:
            assert np.array_equal(np.asarray(image.convert("RGB")), expected)


def test_encoded_references_of_drawings_keep_their_model(drawing: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.png"
    Image.fromarray(np.tile(np.uint8([[[200, 60, 40], [40, 90, 200]]]), (64, 32, 1))).save(reference)
    exemplar = Colorizer("colorzoo2026", device="cpu").exemplar_of(reference, Recipe(), None)
    expected = colorzoo.colorize(drawing, "colorzoo2026", reference=exemplar, device="cpu")
    assert colorzoo.colorize(drawing, reference=exemplar, device="cpu") == expected
    target = colorzoo.colorize_file(drawing, tmp_path / "a.png", reference=exemplar, device="cpu")
    with Image.open(target) as image:
        assert np.array_equal(image.convert("RGB"), expected.convert("RGB"))


def test_weights_of_the_user_are_not_replaced_for_drawings(drawing: Path, tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"model.network.weight": torch.ones(1)}}, file)
    image = read_image(drawing)
    assert choose_model(image=image) == "colorzoo2026_drawing"
    assert choose_model(image=image, weights=file) == "colorzoo2026"


def test_text_is_not_a_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = Image.new("L", (400, 300), 255)
    draw = ImageDraw.Draw(image)
    for row in range(15):
        draw.text((20, 15 + 18 * row), "The quick brown fox jumps over the lazy dog. " * 2, fill=0)
    path = tmp_path / "text.png"
    image.save(path)
    colorized(path)
    assert "(colorzoo2026; " in capsys.readouterr().out


def test_second_run_skips_a_finished_drawing(drawing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for expected in ("(colorzoo2026_drawing)", "already exists with the same source and settings"):
        assert main(["colorize", str(drawing), *CPU]) == 0
        assert expected in capsys.readouterr().out
    assert main(["colorize", str(drawing), *CPU, "--variant", "1"]) == 2
    assert "other settings" in capsys.readouterr().err


def test_palette_of_colors_or_of_an_image(drawing: Path, tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), "#2060c0").save(tmp_path / "blue.png")
    for palette in ("#2060c0", ",".join(["#2060c0"] * 40), str(tmp_path / "blue.png")):
        result = colorized(drawing, "--palette", palette)
        assert np.abs(result[100:125, 65:100].astype(int) - (0x20, 0x60, 0xC0)).max() <= 2


def test_flats_have_no_lines(drawing: Path) -> None:
    result = colorized(drawing, "--flats", "--point", "120,110=#c04020", "--point", "5,5=#80a0ff")
    assert result.min() > 0
    assert result[110, 120].tolist() == [0xC0, 0x40, 0x20]


def test_settings_for_drawings_add_a_note_for_models_of_photos(
    drawing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colorized(drawing, "--flats", "--model", "colorzoo2026")
    assert "colorzoo2026 does not use the settings for drawings" in capsys.readouterr().out


def test_palette_and_variant_add_a_note_for_models_that_choose_no_region_colors(
    drawing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", "cho2023_small"]
    plain = colorized(drawing, *model, "--gap", "6")
    assert "ignored" not in capsys.readouterr().out
    limited = colorized(drawing, *model, "--gap", "6", "--palette", "#2060c0", "--variant", "2")
    assert "cho2023_small does not use palettes" in (printed := capsys.readouterr().out)
    assert "cho2023_small does not use variants" in printed
    assert np.array_equal(plain, limited)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--palette", "#12,nothing"], "--palette must be colors such as"),
        (["--gap", "-1"], "--gap"),
    ],
)
def test_invalid_options_for_drawings_give_one_line_and_exit_code_2(
    drawing: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["colorize", str(drawing), "-o", str(drawing.with_name("x.png")), *CPU, *options])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert not drawing.with_name("x.png").exists()


def layers_of(path: Path) -> dict[str, Image.Image]:
    """Return the layers of an OpenRaster file by name, the lowest first, and its composite."""
    with zipfile.ZipFile(path) as pack:
        stack = ElementTree.fromstring(pack.read("stack.xml"))
        names = {str(each.get("name")): str(each.get("src")) for each in reversed(list(stack.iter("layer")))}
        names["merged"] = "mergedimage.png"
        return {name: Image.open(pack.open(source)).convert("RGBA") for name, source in names.items()}


Placed = tuple[Image.Image, int, int, str]  # layer, left, top, blend mode


def composite_of(size: tuple[int, int], layers: Iterable[Placed]) -> np.ndarray:
    """Blend layers from the lowest to the highest."""
    composite = Image.new("RGBA", size)
    for image, left, top, blending in layers:
        whole = Image.new("RGBA", size)
        whole.paste(image, (left, top))
        if blending == "normal":
            composite = Image.alpha_composite(composite, whole)
        else:
            blend = ImageChops.multiply if blending == "multiply" else ImageChops.screen
            neutral = "white" if blending == "multiply" else "black"  # where the layer is transparent
            whole = Image.alpha_composite(Image.new("RGBA", size, neutral), whole)
            composite = blend(composite.convert("RGB"), whole.convert("RGB")).convert("RGBA")
    return np.asarray(composite)[..., :3]


def check_layers(drawing: Path, names: list[str], layers: list[Placed], more: list[str], lines: str) -> None:
    """Test that layers reproduce the flats and the result of a drawing."""
    expected, flats = colorized(drawing, *more), colorized(drawing, "--flats")
    size = expected.shape[1::-1]
    count = sum(name.startswith("#") for name in names)
    assert 3 <= count == len(np.unique(flats.reshape(-1, 3), axis=0))
    assert names[count:] == [*(["Shading"] if more else []), "Lines"]
    # the lines above the rounded layer of a shading cannot be exact as a product
    above = ["multiply", "normal"] if more else [lines]
    assert [each[3] for each in layers] == ["normal"] * count + above
    assert np.array_equal(composite_of(size, layers[:count]), flats)
    for name, (image, *_) in zip(names[:count], layers, strict=False):
        levels = np.asarray(image)
        assert np.array_equal(
            np.unique(levels[levels[..., 3] > 0], axis=0), [[*ImageColor.getrgb(name), 255]]
        )
    # rounding of the alpha channel of the shading
    difference = composite_of(size, layers).astype(int) - expected
    assert np.abs(difference).max() <= (1 if more else 0)


def inverted(drawing: Path) -> Path:
    """Replace a drawing by its negative, with white ink on black paper."""
    with Image.open(drawing) as image:
        negative = ImageChops.invert(image.convert("RGB"))
    negative.save(drawing)
    return drawing


@pytest.mark.parametrize("more", [[], ["--shading"]])
@pytest.mark.parametrize("is_inverted", [False, True])
def test_ora_contains_a_layer_for_each_color_shading_and_lines(
    drawing: Path, tmp_path: Path, more: list[str], is_inverted: bool
) -> None:
    page = tmp_path / "page.ora"
    drawing = inverted(drawing) if is_inverted else drawing
    model = ["--model", "colorzoo2026_drawing"]
    assert main(["colorize", str(drawing), "-o", str(page), *CPU, *model, *more]) == 0
    names, layers = [], []
    with zipfile.ZipFile(page) as pack:
        stack = ElementTree.fromstring(pack.read("stack.xml"))
        assert [each.get("name") for each in stack.iter("stack")] == [None, "Flats"]
        for each in reversed(list(stack.iter("layer"))):
            blending = str(each.get("composite-op")).removeprefix("svg:").replace("src-over", "normal")
            image = Image.open(pack.open(str(each.get("src"))))
            names.append(str(each.get("name")))
            layers.append((image, int(str(each.get("x"))), int(str(each.get("y"))), blending))
        merged = np.asarray(Image.open(pack.open("mergedimage.png")))
        assert np.array_equal(merged, colorized(drawing, *model, *more))
        check_layers(drawing, names, layers, more, "screen" if is_inverted else "multiply")


@pytest.mark.parametrize("more", [[], ["--shading"]])
def test_psd_contains_the_layers_of_an_openraster_file(
    drawing: Path, tmp_path: Path, more: list[str]
) -> None:
    psd_tools = pytest.importorskip("psd_tools")
    page = tmp_path / "page.psd"
    assert main(["colorize", str(drawing), "-o", str(page), *CPU, *more]) == 0
    psd = psd_tools.PSDImage.open(page)
    assert np.array_equal(np.asarray(psd.topil().convert("RGB")), colorized(drawing, *more))
    assert next(each.name for each in psd) == "Flats"
    written = [each for each in psd.descendants() if each.kind == "pixel"]
    layers = [(each.topil(), each.left, each.top, each.blend_mode.name.lower()) for each in written]
    check_layers(drawing, [each.name for each in written], layers, more, "multiply")


def test_psd_without_its_package_is_an_error_before_the_colorization(
    drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colorzoo.image_io.layers.find_spec", {}.get)
    assert main(["colorize", str(drawing), "-o", str(tmp_path / "page.psd"), *CPU]) == 2
    assert "pip install 'colorzoo[psd]'" in capsys.readouterr().err
    assert not (tmp_path / "page.psd").exists()


def test_rare_colors_share_a_layer() -> None:
    image = np.arange(70 * 90, dtype=np.uint16).reshape(70, 90)
    image = np.dstack([np.minimum(image // 60, 255), np.full_like(image, 7), np.full_like(image, 9)])
    layers = list(flat_layers(image.astype(np.uint8)))
    assert [layers[0].name, len(layers)] == ["Other colors", 65]
    placed = [(Image.fromarray(each.levels), each.left, each.top, each.blending) for each in layers]
    assert np.array_equal(composite_of((90, 70), placed), image)


def test_ora_of_a_photo_has_a_color_layer_and_its_provenance_in_a_sidecar(tmp_path: Path) -> None:
    levels = np.linspace(30, 220, 96 * 80).reshape(80, 96).astype(np.uint8)
    photo, page = tmp_path / "photo.png", tmp_path / "photo.ora"
    Image.fromarray(levels).save(photo)
    command = ["colorize", str(photo), "-o", str(page), "--model", "zhang2017_local_small", *CPU]
    assert main([*command, "--point", "40,30=#c04020"]) == 0
    layers = layers_of(page)
    assert list(layers) == ["Photo", "Colors", "merged"]
    assert np.array_equal(np.asarray(layers["Photo"])[..., 0], levels)
    provenance = read_provenance(page)
    assert provenance is not None
    assert json.loads(provenance.recipe)["points"]
    assert main(command) == 2  # the result exists


def moved_house(drawing: Path, path: Path, color: tuple[int, int, int] = (255, 255, 255)) -> Path:
    """Write the house of `drawing`, moved by 20 pixels and with a wall in a color."""
    with Image.open(drawing) as image:
        page = Image.new("RGB", (260, 200), (255, 255, 255))
        page.paste(image, (20, 0))
    ImageDraw.floodfill(page, (90, 120), color, thresh=60)
    page.save(path)
    return path


def test_regions_of_pages_copy_the_colors_of_several_references(drawing: Path, tmp_path: Path) -> None:
    sheets = [moved_house(drawing, tmp_path / f"{number}.bmp", (200, 60, 30)) for number in range(2)]
    levels = colorized(drawing, "--reference", str(sheets[0]), "--reference", str(sheets[1]))
    assert tuple(levels[110, 80]) == (200, 60, 30)
    # the stored recipe reproduces the result
    stored = read_provenance(drawing.with_name("out.png"))
    assert stored is not None
    recipe = tmp_path / "stored.json"
    recipe.write_text(stored.recipe)
    np.testing.assert_array_equal(colorized(drawing, "--recipe", str(recipe)), levels)


def test_same_characters_have_the_colors_of_earlier_pages(
    drawing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages, out = tmp_path / "pages", tmp_path / "colored"
    pages.mkdir()
    first = pages / "a.png"
    drawing.rename(first)
    command = ["colorize", str(pages), "-o", str(out), "--same-characters", *CPU]
    assert main(command) == 0
    with Image.open(out / "a.png") as image:
        wall = image.convert("RGB").getpixel((80, 110))
    # the result of the first run is an earlier page of the second run
    second = moved_house(first, pages / "b.png")
    assert main([*command, "--jobs", "2"]) == 0
    assert "a.png (already exists" in capsys.readouterr().out
    with Image.open(out / "b.png") as image:
        assert image.convert("RGB").getpixel((100, 110)) == wall
    assert tuple(colorized(second)[110, 100]) != wall
