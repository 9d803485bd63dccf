"""L-CoDe (Weng et al., AAAI 2022), which colorizes an image with text such as ``red car, blue sky``.

The text is decoupled into objects and colors. The object-color corresponding matrix (OCCM) contains, for each
pair of words, the probability that the second word is the color of the first. The attention transfer module
(ATM) locates the objects in the image and transfers their attention to their colors. The soft-gated injection
module (SIM) injects the colors into the image features where the image contains a described object.

The published network has the features of a VGG-16 and is not part of colorzoo. This smaller network has the
features of a frozen EfficientNet-Lite2, a closed list of words and half the output size. Its gate is the
transferred attention itself; the published gate is a convolution over all words of the text.
https://doi.org/10.1609/aaai.v36i3.20170
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import TextModel
from colorzoo.guidance import Guidance, decode_text
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.enlarging import enlarge_along_edges
from colorzoo.networks.imagenet_encoder import LITE2, MULTIPLE, ImageNetFeatures
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, Range
from colorzoo.weights.catalog import load_imagenet_encoder

COLORS = ("black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "gray")
"""Basic color terms (Berlin and Kay 1969)."""
OBJECTS = (
    "sky", "tree", "grass", "wall", "building", "road", "floor", "ceiling", "table", "sea", "snow",
    "sand", "mountain", "door", "cabinet", "curtain", "rug", "bed", "chair", "couch", "window",
    "fence", "car", "bus", "train", "truck", "boat", "airplane", "motorcycle", "bicycle", "dog", "cat",
    "horse", "cow", "sheep", "elephant", "giraffe", "zebra", "bear", "bird", "umbrella", "cup", "bowl",
    "bottle", "banana", "apple", "vegetable", "cake", "pizza", "flower", "plant", "book", "laptop",
    "tv", "suitcase", "bag", "tie", "refrigerator", "oven", "person", "hair", "skin", "shirt",
    "jacket", "dress", "pants", "skirt", "shorts", "shoes", "stockings", "hat", "scarf", "belt",
)  # fmt: skip
"""Objects that the network locates."""
SYNONYMS = {
    "bike": "bicycle", "blouse": "shirt", "carpet": "rug", "coat": "jacket", "curtains": "curtain",
    "field": "grass", "flowers": "flower", "grey": "gray", "house": "building", "jeans": "pants",
    "lake": "sea", "lawn": "grass", "leaves": "tree", "man": "person", "motorbike": "motorcycle",
    "ocean": "sea", "pavement": "road", "people": "person", "plane": "airplane", "river": "sea",
    "shoe": "shoes", "sofa": "couch", "street": "road", "sweater": "shirt", "top": "shirt",
    "trees": "tree", "trousers": "pants", "violet": "purple", "water": "sea", "woman": "person",
}  # fmt: skip
"""Words that are replaced before they are looked up."""
WORDS = ("", *COLORS, *OBJECTS)
"""Words by number; 0 pads the text."""
_NUMBERS = {word: number for number, word in enumerate(WORDS) if word}
LENGTH = 16
"""Maximum number of known words of a text; further words are ignored."""
AB_RANGE = 110.0
"""Largest absolute value of a predicted ab channel in CIE units."""
_OUTPUT_STRIDE = 2


_IRREGULAR = {"men": "man", "women": "woman"}
_NEGATIONS = frozenset({"no", "non", "not", "never", "neither", "nor", "without", "except"})
_IGNORED = frozenset(
    """
    a all also an and are as at be behind beside both but by each for from front has have he her his in
    into is it its left my near next of on one or other our over right she some that the their them
    there these they this those to two under very was we were where which while who whose with your
    """.split()  # noqa: SIM905 - a literal list takes 60 lines
)
_UNKNOWN = "unknown word"
_NEGATED = "negation is not understood"
_TOO_LONG = f"only the first {LENGTH} known words are used"
_NO_OBJECT = "no object has this color"
_NO_COLOR = "it has no color"


class ReadWord(NamedTuple):
    """Word of a text, its number in `WORDS` (0 if it is not used), and the reason why it is not used."""

    word: str
    number: int
    reason: str = ""


def read_words(text: str) -> list[ReadWord]:
    """Return the words of a text, without articles, prepositions and other words that need no note.

    Plurals are replaced by singulars, then synonyms are replaced. Only `LENGTH` known words are used.

    Examples:
        >>> [(each.word, WORDS[each.number]) for each in read_words("Men under blue skies")]
        [('men', 'person'), ('blue', 'blue'), ('skies', 'sky')]
        >>> read_words("not a boojum")[0].reason
        'negation is not understood'
    """
    read: list[ReadWord] = []
    known = 0
    for token in re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower().replace("\u2019", "'")):
        word = token.removesuffix("'s")
        if word in _NEGATIONS or word.endswith("n't"):
            read.append(ReadWord(word, 0, _NEGATED))
            continue
        singulars = [word, _IRREGULAR.get(word, "")]
        endings = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))
        singulars += [word.removesuffix(end) + new for end, new in endings if word.endswith(end)]
        numbers = (_NUMBERS.get(SYNONYMS.get(each, each), 0) for each in singulars)
        number = next(filter(None, numbers), 0)
        if number:
            known += 1
            read.append(ReadWord(word, number) if known <= LENGTH else ReadWord(word, 0, _TOO_LONG))
        elif word not in _IGNORED:
            read.append(ReadWord(word, 0, _UNKNOWN))
    return read


def word_numbers(text: str) -> list[int]:
    """Return the numbers of the known words of a text, padded with zeros to `LENGTH`; see `read_words`.

    Examples:
        >>> [WORDS[number] for number in word_numbers("The red cars and a blue sky")[:5]]
        ['red', 'car', 'blue', 'sky', '']
    """
    found = [each.number for each in read_words(text) if each.number]
    return found + [0] * (LENGTH - len(found))


def explain_words(words: Sequence[ReadWord], correspondence: Tensor) -> list[tuple[str, str]]:
    """Return the words of a text, each with the reason why it has no effect, or an empty text.

    Args:
        words: Words of the text.
        correspondence: ``(N, N)``, logits of the OCCM for its known words, which can be padded.
    """
    count = sum(each.number > 0 for each in words)
    is_pair = correspondence[:count, :count] >= 0
    explained, position = [], 0
    for word, number, reason in words:
        if number:
            if number <= len(COLORS):
                reason = "" if is_pair[:, position].any() else _NO_OBJECT
            else:
                reason = "" if is_pair[position].any() else _NO_COLOR
            position += 1
        explained.append((word, reason))
    return explained


class EncodedText(NamedTuple):
    """Words of a text, decoupled into objects and colors.

    Attributes:
        objects: ``(B, N, D)``, object features of each word.
        colors: ``(B, N, D)``, color features of each word.
        correspondence: ``(B, N, N)``, logits of the OCCM: word 2 is the color of word 1.
        is_word: ``(B, N)`` bool, False for padding.
    """

    objects: Tensor
    colors: Tensor
    correspondence: Tensor
    is_word: Tensor


class TextEncoder(nn.Module):
    """Bidirectional LSTM over words, with a biaffine predictor of the OCCM (section 3.2).

    Args:
        width: Channels D of the features of a word, an even number.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS), 64, padding_idx=0)
        self.drop = nn.Dropout(0.1)
        self.rnn = nn.LSTM(64, width // 2, batch_first=True, bidirectional=True)
        self.objects = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.colors = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.biaffine = nn.Parameter(torch.zeros(width + 1, width))

    def forward(self, words: Tensor) -> EncodedText:
        """Encode word numbers ``(B, N)``, which are padded with zeros."""
        with torch.autocast(words.device.type, enabled=False):  # not every CPU has a bfloat16 LSTM
            features = F.relu(self.rnn(self.drop(self.embedding(words)))[0])
        objects, colors = self.objects(features), self.colors(features)
        with_bias = F.pad(colors, (0, 1), value=1.0)
        correspondence = torch.einsum("bci,ij,boj->boc", with_bias, self.biaffine, objects)
        return EncodedText(objects, colors, correspondence, words > 0)


class InjectedColors(NamedTuple):
    """Output of `LanguageNetwork`.

    Attributes:
        ab: ``(B, 2, H/2, W/2)`` in CIE units.
        correspondence: Logits of the OCCM; see `EncodedText`.
        attention: ``(B, N, h, w)``, logits of the object attention of each word at 1/8 of the image size.
        gate: ``(B, 1, h, w)`` in [0, 1], where colors of the text are injected.
    """

    ab: Tensor
    correspondence: Tensor
    attention: Tensor
    gate: Tensor


class LanguageNetwork(nn.Module):
    """Network that injects the colors of a text into image features.

    Args:
        width: Channels of the image features at 1/8 of the image size, a multiple of 3.
        text_width: Channels of the features of a word.
        gate_sharpness: Factor on the logits of the gate.
    """

    def __init__(self, width: int, text_width: int, gate_sharpness: float = 1.0) -> None:
        super().__init__()
        self.gate_sharpness = gate_sharpness
        self.from8, self.from16, self.from32 = (nn.Conv2d(LITE2[i].width, width, 1) for i in (2, 4, 6))
        self.mid1 = nn.Sequential(*_conv_norm(width), *_conv_norm(width))
        self.query = nn.Conv2d(width, width, 1)
        self.text = TextEncoder(text_width)
        self.key = nn.Linear(text_width, width, bias=False)
        self.value = nn.Linear(text_width, width, bias=False)
        self.sharp, self.shift = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.gamma, self.beta = nn.Linear(width, width), nn.Linear(width, width)
        self.mid2 = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU())
        self.mid3 = nn.Sequential(*_conv_norm(width))
        wide, narrow = width * 2 // 3, width // 3
        self.up1 = nn.ConvTranspose2d(width, wide, 4, stride=2, padding=1)
        self.skip4 = nn.Conv2d(LITE2[1].width, wide, 1)
        self.c1 = nn.Sequential(nn.ReLU(), *_conv_norm(wide))
        self.up2 = nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1)
        self.c2 = nn.Sequential(nn.ReLU(), *_conv_norm(narrow))
        self.c3 = nn.Conv2d(narrow, 2, 3, padding=1)

    def forward(self, features: ImageNetFeatures, words: Tensor) -> InjectedColors:
        """Colorize images.

        Args:
            features: Features of the images.
            words: Word numbers ``(B, N)``, padded with zeros; only zeros for automatic colors.
        """
        size = features.maps8.shape[2:]
        coarse = (F.interpolate(layer(maps), size, mode="bilinear") for layer, maps in (
            (self.from16, features.maps16), (self.from32, features.maps32)
        ))  # fmt: skip
        image = self.mid1(F.relu(sum(coarse, self.from8(features.maps8))))
        text = self.text(words)

        # attention transfer (section 3.3): from the objects to their colors
        queries, keys = self.query(image).flatten(2), self.key(text.objects)
        attention = torch.einsum("bcp,bnc->bpn", queries, keys) / math.sqrt(image.shape[1])
        is_pair = text.is_word[:, :, None] & text.is_word[:, None]
        correspondence = torch.sigmoid(text.correspondence) * is_pair
        transferred = attention @ correspondence
        is_color = correspondence.amax(dim=1)  # (B, N), probability that a word is the color of an object
        scores = transferred + torch.log(is_color + 1e-4)[:, None]
        of_words = scores.masked_fill(~text.is_word[:, None], -1e4).softmax(dim=2) * text.is_word[:, None]
        colors = of_words @ self.value(text.colors)

        # soft-gated injection (section 3.4), only where an object of the text is
        logits = self.gate_sharpness * (self.sharp * transferred + self.shift)
        strength = torch.sigmoid(logits) * is_color[:, None]
        gate = strength.amax(dim=2)[:, None].reshape(len(words), 1, *size)
        gamma, beta = (
            layer(colors).transpose(1, 2).reshape(len(words), -1, *size) for layer in (self.gamma, self.beta)
        )
        normalized = self.norm(image)
        injected = normalized * (gamma * gate + 1 - gate) + beta * gate + normalized

        # decoder
        maps = self.mid3(self.mid2(injected))
        maps = self.c1(self.up1(maps) + self.skip4(features.maps4))
        maps = self.c2(self.up2(maps))
        ab = AB_RANGE * torch.tanh(self.c3(maps))
        attention = attention.transpose(1, 2).reshape(len(words), -1, *size)
        return InjectedColors(ab, text.correspondence, attention, gate)


def _conv_norm(width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()


class LanguageColorization(ColoringModel, TextModel):
    """Colorization with text; without text, the colors are automatic.

    Args:
        width: Channels of the image features at 1/8 of the image size, a multiple of 3.
        text_width: Channels of the features of a word, an even number.
        text_scale: Factor on the difference between the colors with and without text, as in classifier-free
            guidance (Ho and Salimans 2022), because the smooth L1 loss makes uncertain colors dull.
        gate_sharpness: Factor on the logits of the gate. Values above 1 limit the colors to positions that
            surely belong to the object.
    """

    accepts = frozenset({"text"})
    network: LanguageNetwork

    def __init__(
        self,
        width: Annotated[int, Range(3, step=3)] = 96,
        text_width: Annotated[int, Range(2, step=2)] = 96,
        text_scale: Positive = 1.4,
        gate_sharpness: Positive = 1.0,
    ) -> None:
        super().__init__(LanguageNetwork(width, text_width, gate_sharpness))
        self.text_scale = text_scale
        self.encoder = load_imagenet_encoder()

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch with the text of each image.

        Words without effect are listed in a note, each with the reason. The dict ``extras`` contains
        ``gate`` ``(B, 1, h, w)``, the positions that the text colors.
        """
        texts = [] if guidance is None or guidance.get("text") is None else decode_text(guidance.get("text"))
        numbers = [word_numbers(text) for text in texts] or [[0] * LENGTH] * len(lightness)
        words = torch.tensor(numbers, device=lightness.device)
        padded = pad_to_multiple(lightness, MULTIPLE)
        features = self.encoder(padded)
        found = self.network(features, words)
        ab = found.ab
        if texts:
            automatic = self.network(features, torch.zeros_like(words)).ab
            ab = automatic + self.text_scale * (ab - automatic)
        # align the colors with the edges of the image
        cells = F.avg_pool2d(padded, _OUTPUT_STRIDE)
        ab = enlarge_along_edges(ab, cells, padded)[..., : lightness.shape[2], : lightness.shape[3]]
        notes = []
        for text, correspondence in dict(zip(texts, found.correspondence, strict=False)).items():
            explained = explain_words(read_words(text), correspondence)
            unused = ", ".join(f"{word!r} ({reason})" for word, reason in explained if reason)
            if all(reason for _, reason in explained):
                listed = f": {unused}" if unused else ""
                notes.append(f"text: no color and object of {text!r} is known{listed}; see the model page")
            elif unused:
                notes.append(f"text: words without effect: {unused}")
        return AbPrediction(ab=ab, extras={"gate": found.gate.float()}, notes=tuple(notes))

    def read_text(self, text: str) -> list[tuple[str, str]]:
        """Return the words of a text, and the reason why a word has no effect; see `TextModel`."""
        with torch.inference_mode():
            numbers = torch.tensor([word_numbers(text)], device=self.device)
            encoded: EncodedText = self.network.text(numbers)
        return explain_words(read_words(text), encoded.correspondence[0])

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of the frozen encoder at 1/4, 1/8, 1/16 and 1/32 of the image size."""
        features: ImageNetFeatures = self.encoder(pad_to_multiple(lightness, MULTIPLE))
        return features.maps4, features.maps8, features.maps16, features.maps32
