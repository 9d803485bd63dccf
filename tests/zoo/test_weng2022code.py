"""Words, simulated captions and text guidance of L-CoDe (Weng et al. 2022)."""

import pytest
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.testing import sample_batch
from colorzoo.zoo.weng2022code.model import (
    COLORS,
    LENGTH,
    OBJECTS,
    SYNONYMS,
    WORDS,
    LanguageColorization,
    word_numbers,
)
from colorzoo.zoo.weng2022code.task import COCO_STUFF_WORDS, HUES, Weng2022Code, color_name, painted
from knobs.knob import Knobs

_OF_CLASS_MAPS = (
    *("correspondence_weight", "attention_weight", "gate_weight", "object_factor", "object_weights"),
    "repaint_prob",
)
_OF_TEXT = ("text_scale", "gate_sharpness")
KNOBS = {"weng2022code_small": Knobs(exempt=(*_OF_CLASS_MAPS, *_OF_TEXT, "class_numbers"))}


def text_guidance(*texts: str) -> Guidance:
    kind = guidance_kind("text")
    rows = [kind.tensors(text, torch.zeros(1, 1, 8, 8), (8, 8)) for text in texts]
    return Guidance(extra={"text": torch.cat(rows)})


def test_words_are_found_in_any_spelling() -> None:
    expected = [WORDS.index(word) for word in ("red", "car", "gray", "sky")]
    for text in ("red car, gray sky", "The RED cars -- and a grey, grey-ish? sky".replace("grey-ish? ", "")):
        found = [number for number in word_numbers(text) if number]
        assert list(dict.fromkeys(found)) == expected
    assert len(word_numbers("red car " * 40)) == LENGTH
    assert not any(word_numbers("ein rotes Auto"))


@pytest.mark.parametrize(
    "word", [word for word in (*OBJECTS, *SYNONYMS) if not word.endswith(("s", "people"))]
)
def test_plurals_of_objects_and_synonyms_are_known(word: str) -> None:
    singular = WORDS[word_numbers(word)[0]]
    irregular = {"man": "men", "woman": "women", "scarf": "scarves", "sky": "skies"}
    is_hissed = word.endswith(("ch", "sh", "x", "ss"))
    plural = irregular.get(word, word + ("es" if is_hissed else "s"))
    assert [WORDS[number] for number in word_numbers(f"blue {plural}")[:2]] == ["blue", singular]
    assert singular in OBJECTS or singular in COLORS


def test_plurals_that_end_with_es_are_known() -> None:
    found = [WORDS[number] for number in word_numbers("dresses, buses, couches; blouses, ties") if number]
    assert found == ["dress", "bus", "couch", "shirt", "tie"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("red car, blue sky", {}),
        ("The red cars and a sky's blue", {}),
        ("red", {"red": "object"}),
        ("car", {"car": "color"}),
        ("car, blue sky", {}),  # the network gives the blue to both
        ("red, blue sky", {"red": "object"}),
        ("shiny red car", {"shiny": "unknown"}),
        ("not a red car", {"not": "negation"}),
        ("the car isn\u2019t red", {"isn't": "negation"}),
        ("red car without roof", {"without": "negation", "roof": "unknown"}),
        (
            "rotes Auto, blauer \u00dcberhang",
            dict.fromkeys(("rotes", "auto", "blauer", "\u00fcberhang"), "unknown"),
        ),
        ("blue sky " * 8 + "red car", {"red": "first 16", "car": "first 16"}),
    ],
)
def test_words_without_effect_are_named_with_the_reason(text: str, wanted: dict[str, str]) -> None:
    model = create_coloring_model("weng2022code_small")
    reasons = {word: reason for word, reason in model.read_text(text) if reason}  # type: ignore[operator]
    assert reasons.keys() == wanted.keys()
    assert all(wanted[word] in reason for word, reason in reasons.items())
    lightness = 100 * torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        notes = model(lightness, text_guidance(text[:256])).notes
    assert all(any(repr(word) in note for note in notes) for word in reasons)
    assert bool(notes) == bool(reasons)


def test_every_trained_object_is_a_word() -> None:
    assert set(COCO_STUFF_WORDS) <= set(WORDS)
    numbers = [number for numbers in COCO_STUFF_WORDS.values() for number in numbers]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("color", HUES)
def test_painted_color_has_the_name_of_its_term(color: str) -> None:
    lightness = {"yellow": 85.0, "pink": 75.0, "orange": 65.0, "brown": 35.0}.get(color, 45.0)
    a, b = painted(torch.full((1, 1, 1), lightness), color).flatten().tolist()
    assert color_name(lightness, a, b) == color


@pytest.mark.parametrize(
    ("class_numbers", "car", "sky"),
    [
        ("coco_stuff", COCO_STUFF_WORDS["car"][0], COCO_STUFF_WORDS["sky"][0]),
        ("objects", 1 + OBJECTS.index("car"), 1 + OBJECTS.index("sky")),
    ],
)
def test_captions_pair_each_object_with_its_color_and_its_mask(class_numbers, car, sky) -> None:
    task = Weng2022Code(width=24, text_width=16, repaint_prob=1.0, class_numbers=class_numbers)
    batch = sample_batch((64, 64), batch=8)
    batch["classes"] = torch.zeros(8, 1, 64, 64, dtype=torch.uint8)
    batch["classes"][..., :32] = car
    batch["classes"][..., 32:] = sky
    lab = rgb_to_lab(batch["rgb"])
    captions = task.captions_of(batch, lab)
    assert (captions.words > 0).any()
    for index in range(8):
        for at, color_at in captions.correspondence[index].nonzero().tolist():
            name, color = WORDS[captions.words[index, at]], WORDS[captions.words[index, color_at]]
            mask = torch.zeros(8, 8)
            if name in ("car", "sky"):
                columns = slice(0, 4) if name == "car" else slice(4, 8)
                mask[:, columns] = 1.0
                middle = (slice(8, -8), slice(8, 24) if name == "car" else slice(40, 56))
                target = painted(lab[index, :1], color)[:, *middle]
                torch.testing.assert_close(captions.ab[index][:, *middle], target)
            assert torch.equal(captions.attention[index, at], mask)
    named = captions.correspondence.amax(dim=2) > 0
    assert torch.equal(named, (captions.attention >= 0).flatten(2).all(dim=2))


def test_captions_of_mostly_unlabeled_images_name_only_visible_objects() -> None:
    task = Weng2022Code(width=24, text_width=16)
    batch = sample_batch((64, 64), batch=32)
    batch["classes"] = torch.zeros(32, 1, 64, 64, dtype=torch.uint8)
    batch["classes"][..., :16] = COCO_STUFF_WORDS["car"][0]
    captions = task.captions_of(batch, rgb_to_lab(batch["rgb"]))
    named = {WORDS[number] for number in captions.words[captions.correspondence.amax(dim=2) > 0].tolist()}
    assert named == {"car"}


def test_texts_of_a_batch_replace_simulated_captions() -> None:
    task = Weng2022Code(width=24, text_width=16)
    batch = sample_batch((64, 48), batch=4)
    batch["classes"] = torch.full((4, 1, 64, 48), COCO_STUFF_WORDS["car"][0], dtype=torch.uint8)
    simulated = task.captions_of(batch, rgb_to_lab(batch["rgb"]))
    texts = ["green bus", "", "nothing", ""]
    rows = [torch.tensor(list(text.encode().ljust(256, b"\0"))) for text in texts]
    batch["text"] = torch.stack(rows)
    found = task.captions_of(batch, rgb_to_lab(batch["rgb"]))
    assert [WORDS[number] for number in found.words[0, :3]] == ["green", "bus", ""]
    assert not found.words[2].any()
    for column, expected in zip(found, simulated, strict=True):
        assert torch.equal(column[1::2], expected[1::2])
    assert [float(each.max()) for each in found.correspondence[::2]] == [-1, -1]
    assert torch.equal(found.ab[::2], rgb_to_lab(batch["rgb"])[::2, 1:])


def test_loss_of_the_words_ignores_images_whose_objects_are_unknown() -> None:
    torch.manual_seed(0)
    task = Weng2022Code(width=24, text_width=16)
    task.log_losses = lambda losses, *_: logged.append(losses)  # type: ignore[method-assign, assignment]
    logged: list[dict[str, Tensor]] = []
    task.model.network.eval()
    batch = sample_batch((64, 64), batch=2)
    batch["text"] = text_guidance("red car", "blue sky").extra["text"]
    task.training_step(batch, 0)
    assert logged[0]["correspondence"] == logged[0]["gate"] == logged[0]["attention"] == 0
    assert logged[0]["color"] > 0


def test_objects_with_a_higher_weight_are_named_more_often() -> None:
    task = Weng2022Code(width=24, text_width=16, object_weights={"car": 4.0, "sky": 0.25})
    batch = sample_batch((64, 64), batch=64)
    batch["classes"] = torch.zeros(64, 1, 64, 64, dtype=torch.uint8)
    batch["classes"][..., :16] = COCO_STUFF_WORDS["car"][0]
    batch["classes"][..., 32:] = COCO_STUFF_WORDS["sky"][0]
    captions = task.captions_of(batch, rgb_to_lab(batch["rgb"]))
    first = [WORDS[number] for number in captions.words[:, :2].flatten().tolist()]
    assert first.count("car") > 4 * first.count("sky")
    with pytest.raises(ValueError, match="spaceship"):
        Weng2022Code(width=24, text_width=16, object_weights={"spaceship": 2.0})


def test_text_scale_multiplies_the_difference_to_automatic_colors() -> None:
    torch.manual_seed(0)
    model = LanguageColorization(width=24, text_width=16).eval()
    lightness = 100 * torch.rand(1, 1, 32, 32)
    automatic = model(lightness).to_ab()
    changes = []
    for model.text_scale in (1.0, 2.0):
        changes.append(model(lightness, text_guidance("red car")).to_ab() - automatic)
    assert changes[0].abs().max() > 1e-3
    torch.testing.assert_close(changes[1], 2 * changes[0], atol=2e-3, rtol=1e-3)


def test_sharp_gate_is_closer_to_0_and_1() -> None:
    torch.manual_seed(0)
    lightness = 100 * torch.rand(1, 1, 32, 32)
    model = LanguageColorization(width=24, text_width=16).eval()
    model.network.sharp.data.fill_(5.0)
    gates = []
    for model.network.gate_sharpness in (1.0, 4.0):
        gates.append(model(lightness, text_guidance("red car")).extras["gate"])
    assert gates[1].std() > 1.5 * gates[0].std() > 0


def test_text_without_a_known_word_has_no_effect_and_gives_a_note() -> None:
    torch.manual_seed(0)
    model = LanguageColorization(width=24, text_width=16).eval()
    lightness = 100 * torch.rand(1, 1, 40, 56)
    found = model(lightness, text_guidance("nothing of this is known"))
    torch.testing.assert_close(found.colors, model(lightness).colors)
    assert any("nothing of this is known" in note for note in found.notes)
    assert not model(lightness, text_guidance("red car")).notes


def test_text_of_an_image_does_not_change_other_images_of_the_batch() -> None:
    torch.manual_seed(0)
    model = LanguageColorization(width=24, text_width=16).eval()
    lightness = 100 * torch.rand(2, 1, 32, 32)
    both = model(lightness, text_guidance("red car", "green tree")).colors
    alone = model(lightness[1:], text_guidance("green tree")).colors
    torch.testing.assert_close(both[1:], alone, atol=1e-3, rtol=1e-4)


def test_embedded_weights_color_a_uniform_sky_as_named() -> None:
    """A bright upper half with a horizon; the test compares directions of the hue only."""
    model = create_coloring_model("weng2022code_small")
    rows = torch.linspace(85, 70, 96).view(1, 1, 96, 1).expand(1, 1, 96, 192)
    generator = torch.Generator().manual_seed(0)
    ground = 35 + 12 * torch.rand(1, 1, 96, 192, generator=generator)
    lightness = torch.cat([rows, ground], dim=2)
    red, blue = (model(lightness, text_guidance(f"{color} sky")).colors for color in ("red", "blue"))
    difference = (red - blue)[0, :, 16:80].mean(dim=(1, 2))
    assert difference[0] > 5  # a: red
    assert difference[1] > 5  # b: against blue
