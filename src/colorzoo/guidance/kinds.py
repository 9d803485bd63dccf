"""Kinds of guidance: color points, references, text and others, and their registry.

A kind of guidance is one object. Command line, recipes, the drawing pad, evaluations and contract tests read
the registry. A package adds a kind with an entry point in the group ``colorzoo.guidance``, which must load to
a subclass of `GuidanceKind`; a script calls `register_kind`. This module imports torch only when tensors are
computed, because the command line lists the kinds at start-up.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from types import GenericAlias, MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, Vertices, check_count, read_items
from colorzoo.guidance.objects import (
    BoxHint,
    ClassHints,
    ExemplarHint,
    PaintedClass,
    PointHint,
    Rectangle,
    ReferenceFile,
    RegionColor,
    StatisticsHint,
    Stroke,
)
from colorzoo.settings import NonNegativeInt, Range

if TYPE_CHECKING:
    from torch import Tensor

ENTRY_POINT_GROUP = "colorzoo.guidance"
Widget = Literal["", "text", "number", "image", "choice"]
Size = tuple[int, int]
MOST_ITEMS = {"points": 2048, "scribbles": 512, "regions": 1024, "boxes": 64}
"""Maximum number of values of each kind whose value is a list."""
TEXT_BYTES = 256
"""Maximum length of a text in UTF-8 bytes."""
_MAX_PAINTED = 256
_MAX_REFERENCES = 16
_MAX_CLASSES = 4096
_BINS = 313  # number of ab bins inside sRGB
_SAMPLE_REGIONS = 6
_NAME = re.compile("(?!x_)[a-z][a-z0-9_]*")  # recipe fields with the prefix x_ belong to the user
RESERVED = frozenset(
    """
    allow_untrained alpha apply_matches areas border box class codec crf crop device divisions drawing dry_run
    engine explain extra failed file_name finish flats format frame frames from from_list gap has_sketch
    healing height help hints histogram_of image images jobs json key locked match_sheet max_pixels model more
    name no_sound output overwrite paint palette point precision proposal provenance quality reach reassigned
    recipe recolor reference reference_classes reference_weights render_factor replacements report rgb
    same_characters samples saturation self_made sha256 shading sheet shots sign size sketch skip_colored
    source specks steady strength studio temperature variant version wanted weights width
    """.split()  # noqa: SIM905 - a literal list takes 87 lines
)
"""Names that are options of a command, fields of a recipe, keys of a batch or columns of a table."""


class GuidanceKind:
    """A kind of guidance.

    See ``docs/guidance.md`` for an example. `name` is the field of a recipe, the entry in
    `ColoringModel.accepts` and in model cards, and the key of `Guidance.extra`. Only the kinds of colorzoo
    with a field in `Guidance` are attributes of `Guidance`.

    Attributes:
        name: Name in lower case.
        title: Plural noun for messages; empty for `name`.
        help: Help text of the command-line option ``--NAME VALUE``, whose text is passed to `parse`. An
            evaluation reads the same text from files beside the images. Empty for neither.
        suffix: Extension of the files beside images that contain values; empty for ``.NAME``.
        table: Name of the only table beside images that contains values; empty for ``NAME.csv``,
            ``metadata.csv`` and ``metadata.jsonl``.
        widget: Input element in the drawing pad; empty for none.
        choices: Values of the widget ``"choice"``.
        schema: JSON schema of the field in a recipe. The kinds of colorzoo are described in
            ``recipe.schema.json``.
        users: Simulated users of evaluations that set this kind, by name. A value is a function that returns
            a `colorzoo.simulation.SimulatedUser`; its arguments are the options in the protocol.
        optional: Whether a model has a default value, so that an evaluation without a value needs no note.
    """

    name: str = ""
    title: str = ""
    help: str = ""
    suffix: str = ""
    table: str = ""
    widget: Widget = ""
    choices: tuple[str, ...] = ()
    schema: Mapping[str, Any] = MappingProxyType({})
    users: Mapping[str, Callable[..., Any]] = MappingProxyType({})
    optional: bool = False

    def parse(self, value: Any, name: str) -> Any:
        """Validate a value of the command line or of a recipe and return it.

        The result is a JSON type, or a dataclass whose fields are the fields of the JSON object.

        Args:
            value: Text of the command line, or parsed JSON other than null.
            name: Name of the option or field for error messages.

        Raises:
            GuidanceError: The value is invalid; the message starts with ``name``.
        """
        raise NotImplementedError(f"{type(self).__name__} must define parse(value, name)")

    def moved(self, value: Any, inside: Rectangle) -> Any:
        """Convert a value to the coordinates of a part of the image; values without coordinates stay equal.

        Args:
            value: Result of `parse`.
            inside: Rectangle of the part.
        """
        return value

    def tensors(self, value: Any, lightness: Tensor, image_size: Size) -> Any:
        """Convert a value to the tensors that the network receives.

        Args:
            value: Result of `parse`.
            lightness: Lightness ``(1, 1, h, w)`` in [0, 100] at the size of the network input.
            image_size: Width and height of the original image in pixels.

        Returns:
            Tensor ``(1, ...)`` or `TensorFields` of such tensors. None if the tensors also depend on the
            model or on other images; `colorzoo.inference` computes these.
        """
        return None

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        """Return random tensors for the contract tests.

        Args:
            size: Height and width of the images.
            batch: Number of images.
            seed: Seed of the random numbers.
        """
        raise NotImplementedError(f"{type(self).__name__} must define sample(size, batch, seed)")


class _PointsKind(GuidanceKind):
    """Colors of single pixels."""

    name = "points"

    def parse(self, value: Any, name: str) -> tuple[PointHint, ...]:
        points = read_items(value, Fields, MOST_ITEMS[self.name], name)
        for fields in points:
            if fields.get("color") is None and fields.get("ab") is None:
                raise GuidanceError(f"{fields.name}.color is missing; expected '#rrggbb'")
        return tuple(fields.parse(PointHint) for fields in points)

    def tensors(self, value: tuple[PointHint, ...], lightness: Tensor, image_size: Size) -> Any:
        from colorzoo.guidance.hints import rasterize_points

        return rasterize_points(value, *image_size, _map_size(lightness))

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        import torch

        from colorzoo.guidance.hints import Points

        mask = _sample_mask(size, batch, seed, share=0.02)
        generator = torch.Generator().manual_seed(seed + 2)
        ab = 120 * torch.rand(batch, 2, *size, generator=generator) - 60
        return Points(ab * mask, mask)


class _ScribblesKind(GuidanceKind):
    """Strokes without color along edges."""

    name = "scribbles"

    def parse(self, value: Any, name: str) -> tuple[Stroke, ...]:
        return read_items(value, Stroke, MOST_ITEMS[self.name], name)

    def tensors(self, value: tuple[Stroke, ...], lightness: Tensor, image_size: Size) -> Any:
        from colorzoo.guidance.hints import rasterize_scribbles

        return rasterize_scribbles(value, *image_size, _map_size(lightness))

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        from colorzoo.guidance.hints import Scribbles

        return Scribbles(_sample_mask(size, batch, seed, share=0.1))


class _RegionsKind(GuidanceKind):
    """Colors of regions that the model proposes."""

    name = "regions"

    def parse(self, value: Any, name: str) -> tuple[RegionColor, ...]:
        return read_items(value, RegionColor, MOST_ITEMS[self.name], name)

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        import torch

        from colorzoo.guidance.hints import Regions

        generator = torch.Generator().manual_seed(seed + 3)
        columns = torch.arange(size[1]) * _SAMPLE_REGIONS // size[1]
        index = columns.expand(batch, 1, *size).clone()
        rgb = torch.rand(batch, _SAMPLE_REGIONS, 3, generator=generator)
        return Regions(index, rgb, torch.ones(batch, _SAMPLE_REGIONS))


class _BoxesKind(GuidanceKind):
    """Bounding boxes of objects."""

    name = "boxes"

    def parse(self, value: Any, name: str) -> tuple[BoxHint, ...]:
        boxes: tuple[BoxHint, ...] = read_items(value, BoxHint, MOST_ITEMS[self.name], name)
        for index, box in enumerate(boxes):
            if not (box.width > 0 and box.height > 0):
                raise GuidanceError(
                    f"{name}[{index}] must have width and height above 0, got width {box.width:g} and height "
                    f"{box.height:g}"
                )
        return boxes

    def tensors(self, value: tuple[BoxHint, ...], lightness: Tensor, image_size: Size) -> Any:
        from colorzoo.guidance.hints import boxes_of

        return boxes_of(value, *image_size)

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        import torch

        from colorzoo.guidance.hints import Boxes

        generator = torch.Generator().manual_seed(seed + 6)
        start = 0.5 * torch.rand(batch, 2, 2, generator=generator)
        end = start + 0.2 + 0.3 * torch.rand(batch, 2, 2, generator=generator)
        return Boxes(torch.cat([start, end], dim=2), torch.ones(batch, 2))


class _ExemplarKind(GuidanceKind):
    """Reference images whose colors a model transfers."""

    name = "exemplar"
    title = "references"

    def parse(self, value: Any, name: str) -> ExemplarHint:
        fields = Fields(value, name)
        return fields.parse(ExemplarHint, more=fields.read_list("more", ReferenceFile, _MAX_REFERENCES))

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        from colorzoo.guidance.hints import Exemplar
        from colorzoo.randomness import sample_image

        other = (size[0] + 8, max(8, size[1] - 4))  # not the image size, because references may have any size
        return Exemplar(sample_image(other, batch=batch, seed=seed + 4))


class _ClassesKind(GuidanceKind):
    """Semantic class of each pixel of the image and its reference."""

    name = "classes"

    def parse(self, value: Any, name: str) -> ClassHints:
        fields = Fields(value, name)
        painted = tuple(
            area.parse(
                PaintedClass,
                number=area.read("class", NonNegativeInt),
                path=area.read("path", Vertices, MISSING),
            )
            for area in fields.read_list("painted", Fields, _MAX_PAINTED)
        )
        # classes that replace other classes
        replaced: dict[int, int] | None = None
        if fields.get("map") is not None:
            map_fields = fields.child("map")
            names = map_fields.rest()
            check_count(map_fields.name, len(names), _MAX_CLASSES)
            replaced = {}
            for key in names:
                if not key.isdigit():
                    raise GuidanceError(f"{map_fields.name} must have class numbers as keys, got {key!r}")
                replaced[int(key)] = map_fields.read(key, NonNegativeInt, MISSING)
        return fields.parse(ClassHints, map=replaced, painted=painted)

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        import torch

        from colorzoo.guidance.hints import ClassMap

        exemplar = _ExemplarKind().sample(size, batch, seed).rgb
        target = (torch.arange(size[1]) * 3 // size[1]).expand(batch, 1, *size).clone()
        reference = (torch.arange(exemplar.shape[-1]) * 3 // exemplar.shape[-1]).expand_as(exemplar[:, :1])
        return ClassMap(target, reference.clone())


class _StatisticsKind(GuidanceKind):
    """Color statistics of the whole image."""

    name = "statistics"
    title = "color histograms and mean saturation"

    def parse(self, value: Any, name: str) -> StatisticsHint:
        fields = Fields(value, name)
        weight = Annotated[float, Range(0, 1e9)]
        return fields.parse(
            StatisticsHint, histogram=fields.read("histogram", GenericAlias(tuple, (weight,) * _BINS))
        )

    def tensors(self, value: StatisticsHint, lightness: Tensor, image_size: Size) -> Any:
        from colorzoo.guidance.hints import global_statistics

        return global_statistics(value)

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        import torch

        from colorzoo.guidance.hints import GlobalStatistics

        generator = torch.Generator().manual_seed(seed + 5)
        histogram = torch.rand(batch, _BINS, generator=generator) ** 8
        saturation = torch.rand(batch, 1, generator=generator)
        return GlobalStatistics(histogram / histogram.sum(dim=1, keepdim=True), saturation)


class _LabelKind(GuidanceKind):
    """Class of the whole image."""

    name = "label"
    title = "image labels"
    table = "labels.csv"

    def parse(self, value: Any, name: str) -> int:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if type(number) is not int or number < 0:  # a bool is also an int
            raise GuidanceError(f"{name} must be a whole number of at least 0, got {value!r}")
        return number

    def tensors(self, value: int, lightness: Tensor, image_size: Size) -> Any:
        import torch

        return torch.tensor([value])

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        """Return class numbers ``(B,)`` that alternate between 0 and 1; a model has at least two classes."""
        import torch

        return (torch.arange(batch) + seed + 1) % 2


class _TextKind(GuidanceKind):
    """Text that describes the colors, such as ``red car, blue sky``.

    The network receives the UTF-8 bytes ``(B, 256)`` int64, padded with zeros; see `words` and `decode_text`.
    """

    name = "text"
    help = "description of the colors, for models with text guidance"
    suffix = ".txt"
    widget = "text"

    def parse(self, value: Any, name: str) -> str:
        if not isinstance(value, str) or not 0 < len(value.encode()) <= TEXT_BYTES:
            raise GuidanceError(f"{name} must be text of 1 to {TEXT_BYTES} bytes, got {value!r}")
        return value

    def tensors(self, value: str, lightness: Tensor, image_size: Size) -> Any:
        import torch

        return torch.tensor([list(value.encode().ljust(TEXT_BYTES, b"\0"))])

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        import torch

        colors, nouns = ("red", "blue", "green", "yellow"), ("car", "sky", "field")
        texts = (f"{colors[(seed + i) % 4]} {nouns[(seed + i) % 3]}" for i in range(batch))
        return torch.cat([self.tensors(text, torch.zeros(1, 1, *size), size) for text in texts])


class _SeedKind(GuidanceKind):
    """Seed of the random numbers of a model that samples; see `ColoringModel.generators`."""

    name = "seed"
    help = "random seed, for models that sample colors (default: 0)"
    widget = "number"
    optional = True

    def parse(self, value: Any, name: str) -> int:
        number = int(value) if isinstance(value, str) and value.isdecimal() else value
        if type(number) is not int or not 0 <= number < 2**32:  # a bool is also an int
            raise GuidanceError(f"{name} must be a whole number from 0 to {2**32 - 1}, got {value!r}")
        return number

    def tensors(self, value: int, lightness: Tensor, image_size: Size) -> Any:
        import torch

        return torch.tensor([value])

    def sample(self, size: Size, batch: int, seed: int) -> Any:
        import torch

        return torch.arange(batch) + seed + 1


def decode_text(codes: Tensor) -> list[str]:
    """Return the texts of a batch.

    Examples:
        >>> decode_text(torch.tensor([[*b"red car", 0, 0]]))
        ['red car']

    Args:
        codes: ``Guidance.extra["text"]``, UTF-8 bytes ``(B, 256)`` int64, padded with zeros.
    """
    return [bytes(row).rstrip(b"\0").decode() for row in codes.tolist()]


def words(codes: Tensor, vocabulary: Sequence[str]) -> Tensor:
    """Return the numbers of the known words of texts, in the order of each text.

    The function consists of tensor operations, so a model that calls it can be exported. A word is a sequence
    of letters and digits. The case of ASCII letters is ignored, and non-ASCII characters count as letters.

    Examples:
        >>> words(torch.tensor([[*b"Red car, blue sky"]]), ("blue", "red", "sky"))[:, :4]
        tensor([[2, 1, 3, 0]])

    Args:
        codes: ``Guidance.extra["text"]``, UTF-8 bytes ``(B, 256)`` int64, padded with zeros.
        vocabulary: Known words in lower case.

    Returns:
        Numbers ``(B, 128)`` int64, padded with zeros; 1 is the first word of the vocabulary.

    Raises:
        GuidanceError: The vocabulary is empty or contains anything but words in lower case.
    """
    import torch
    from torch.nn import functional as F

    for word in vocabulary or ("",):
        if not word.isalnum() or word != word.lower():
            raise GuidanceError(f"vocabulary must contain words in lower case, got {word!r}")
    spellings = [word.encode() for word in vocabulary]
    longest, length = max(map(len, spellings)), codes.shape[1]
    table = torch.tensor([[*word.ljust(longest + 1, b"\0")] for word in spellings], device=codes.device)
    lengths = torch.tensor([len(word) for word in spellings], device=codes.device)
    # letters of all words, with zeros between the words, before the text and after it
    lower = torch.where((codes >= ord("A")) & (codes <= ord("Z")), codes + 32, codes)
    is_letter = (lower >= ord("a")) & (lower <= ord("z")) | (lower >= ord("0")) & (lower <= ord("9"))
    letters = F.pad(lower * (is_letter | (lower > 127)), (1, longest + 1))
    # (B, 256, V): a word of the vocabulary, followed by a zero, starts after a zero
    matches = (letters[:, :length] == 0)[:, :, None]
    for offset in range(longest + 1):
        letter = letters[:, offset + 1 : offset + 1 + length, None]
        matches = matches & ((letter == table[:, offset]) | (lengths < offset))
    numbers = (matches * torch.arange(1, len(spellings) + 1, device=codes.device)).amax(dim=2)
    # move the words to the start
    positions = torch.arange(length, device=codes.device)
    order = torch.where(numbers > 0, positions, positions + length).argsort(dim=1)
    return numbers.gather(1, order[:, : (length + 1) // 2])


def _map_size(lightness: Tensor) -> Size:
    height, width = lightness.shape[-2:]
    return height, width


def _sample_mask(size: Size, batch: int, seed: int, share: float) -> Tensor:
    """Return a ``(batch, 1, *size)`` mask in {0, 1} with at least one pixel."""
    import torch

    generator = torch.Generator().manual_seed(seed + 1)
    mask = (torch.rand(batch, 1, *size, generator=generator) < share).float()
    mask[..., size[0] // 2, size[1] // 2] = 1.0
    return mask


BUILT_IN = (
    _PointsKind,
    _ScribblesKind,
    _RegionsKind,
    _BoxesKind,
    _ExemplarKind,
    _ClassesKind,
    _StatisticsKind,
    _LabelKind,
    _TextKind,
    _SeedKind,
)
"""Kinds of colorzoo."""


def guidance_kinds() -> tuple[GuidanceKind, ...]:
    """Return all kinds of guidance: the kinds of colorzoo, of installed packages and of `register_kind`.

    Examples:
        >>> [kind.name for kind in guidance_kinds()][:3]
        ['points', 'scribbles', 'regions']
    """
    return tuple(_registry().values())


def guidance_kind(name: str) -> GuidanceKind:
    """Return a kind of guidance by name.

    Raises:
        GuidanceError: The kind is not registered.
    """
    kinds = _registry()
    if name not in kinds:
        raise GuidanceError(
            f"unknown kind of guidance {name!r}; known kinds: {', '.join(kinds)}. See docs/guidance.md."
        )
    return kinds[name]


def register_kind(kind: GuidanceKind) -> None:
    """Add a kind of guidance to the registry of this process.

    Raises:
        GuidanceError: The name is invalid, reserved (`RESERVED`) or already used.
    """
    _add(_registry(), kind)


def refresh() -> None:
    """Clear the registry, so that newly installed packages are found and `register_kind` is undone."""
    kind_packages.cache_clear()
    _scan.cache_clear()


def skipped_kinds() -> list[str]:
    """Return a message for each installed package that was skipped due to an invalid kind of guidance."""
    return _scan()[1]


def _registry() -> dict[str, GuidanceKind]:
    return _scan()[0]


@cache
def kind_packages() -> EntryPoints:
    """Return the entry points of installed packages that add kinds of guidance."""
    return entry_points(group=ENTRY_POINT_GROUP)


@cache
def _scan() -> tuple[dict[str, GuidanceKind], list[str]]:
    """Return all kinds by name and the skipped packages; warn about each skipped package."""
    found: dict[str, GuidanceKind] = {kind.name: kind() for kind in BUILT_IN}
    skipped = []
    for entry_point in kind_packages():
        try:
            _add(found, entry_point.load()())
        except Exception as error:  # a third-party module may raise any exception
            package = entry_point.dist.name if entry_point.dist is not None else entry_point.module
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            skipped.append(
                f"skipped the kind of guidance {entry_point.name} of the package {package}: {reason}"
            )
            warnings.warn(skipped[-1], UserWarning, stacklevel=2)
    return found, skipped


def _add(kinds: dict[str, GuidanceKind], kind: GuidanceKind) -> None:
    if not isinstance(kind, GuidanceKind) or not _NAME.fullmatch(kind.name):
        raise GuidanceError(f"a kind of guidance must have a name in lower case without x_, got {kind!r}")
    if kind.name in RESERVED:
        raise GuidanceError(
            f"the kind of guidance {kind.name!r} of {type(kind).__module__} must have another name, because "
            f"{kind.name!r} is an option, a recipe field or an entry of a batch"
        )
    if kind.name in kinds:
        raise GuidanceError(f"the kind of guidance {kind.name!r} is already registered")
    kinds[kind.name] = kind
