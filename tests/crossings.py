"""Inputs, guidance and routes of `test_crossings`: every kind of image, of guidance and of caller.

All images show the same scene, as a photo or as line art, so that one recipe fits all of them. The ``hidden``
argument selects the colors of pixels that nobody can see: fully transparent pixels of the input, or of the
image that only provides colors. Results must not depend on it.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, ImageSequence

import colorzoo
from colorzoo import Colorizer
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.studio import Studio
from colorzoo.evaluation import evaluate
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
from colorzoo.inference.references import describe_statistics, main_colors

Kind = Literal["photo", "drawing"]
Levels = NDArray[Any]
Box = tuple[int, int, int, int]

WIDTH, HEIGHT, BORDER = 104, 80, 18
MODELS: Mapping[Kind, str] = {"photo": "colorzoo2026", "drawing": "colorzoo2026_drawing"}
ARTIST, DPI = "Ann", 300
HIDDEN = ((0, 0, 0), (0, 255, 0))
"""Colors of invisible pixels, by the value of ``hidden``."""
POINT = (70, 38)
"""A pixel inside the disc of the photo and the circle of the drawing."""
WARM, COOL = "#b05a40", "#4a68a8"
AREA: Box = (58, 26, 82, 50)
"""Left, top, right and bottom of the filled area, inside the circle of the drawing."""
LOCKED: Box = (4, 20, 46, 76)
"""Left, top, right and bottom of the locked area, around a rectangle of the drawing."""


def _photo() -> Levels:
    """Return a grainy gray scene of several surfaces in [0, 1]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    value = 0.62 + 0.2 * np.sin(x / 31) - 0.25 * (y > 46 + 6 * np.sin(x / 14))
    value = np.where(np.hypot(x - 70, y - 38) < 15, 0.3 + 0.003 * x, value)
    value = np.where((abs(x - 28) < 12) & (abs(y - 58) < 14), 0.85, value)
    return np.clip(value + np.random.default_rng(0).normal(0, 0.008, value.shape), 0.01, 0.99)


def _drawing() -> Levels:
    """Return line art of three closed shapes in [0, 1]."""
    paper = np.ones((HEIGHT, WIDTH))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    paper[abs(np.hypot(x - 70, y - 38) - 24) < 1.2] = 0
    for left, top, right, bottom in ((8, 24, 40, 72), (16, 6, 36, 18)):
        inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        paper[inside & ((x - left < 2) | (right - x < 2) | (y - top < 2) | (bottom - y < 2))] = 0
    return paper


def _cut_out() -> Levels:
    """Return an alpha channel in [0, 1]: opaque, but transparent around an ellipse, with a soft edge."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.clip(6 * (1.05 - np.hypot((x - 54) / 50, (y - 40) / 38)), 0, 1)


SCENES: Mapping[Kind, Levels] = {"photo": _photo(), "drawing": _drawing()}


@dataclass(frozen=True)
class Page:
    """One image of a file.

    Attributes:
        kind: What the page shows; selects the default model.
        form: How its pixels are stored.
        offset: Position of the scene in the image, which a scan border shifts.
    """

    kind: Kind
    form: str = "gray"
    offset: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Source:
    """A kind of input file.

    Attributes:
        name: Name of the kind.
        suffix: Extension of the file.
        pages: Images of the file.
        result: Extension of its results, of a format without loss, except the palette of a GIF.
        note: Part of the note of the command about this input; empty for no note.
        deep: Whether the input has 16 bits.
    """

    name: str
    suffix: str
    pages: tuple[Page, ...]
    result: str = ".png"
    note: str = ""
    deep: bool = False

    @property
    def is_transparent(self) -> bool:
        return any("transparent" in page.form for page in self.pages)

    @property
    def has_exif(self) -> bool:
        return self.suffix != ".gif"

    def write(self, folder: Path, hidden: int = 0) -> Path:
        """Write the file."""
        path = folder / f"{self.name.replace(' ', '_')}{self.suffix}"
        if len(self.pages) == 1:
            return self.write_page(path, 0, hidden)
        if self.suffix == ".tif":
            with tifffile.TiffWriter(path) as file:
                for page in self.pages:
                    file.write(_stored(page, hidden), **_tiff_options())
            return path
        frames = [Image.fromarray(_stored(page, hidden)) for page in self.pages]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=[70, 120], loop=0)
        return path

    def write_page(self, path: Path, number: int, hidden: int = 0) -> Path:
        """Write one page as a file of its own."""
        page = self.pages[number]
        pixels = _stored(page, hidden)
        exif = Image.Exif()
        exif[315] = ARTIST
        options: dict[str, Any] = {"dpi": (DPI, DPI), "exif": exif}
        if self.suffix == ".gif":
            Image.fromarray(pixels).save(path)
        elif page.form == "cmyk":
            Image.fromarray(pixels).convert("RGB").convert("CMYK").save(path, **options)
        elif self.suffix == ".tif":
            tifffile.imwrite(path, pixels, **_tiff_options())
        elif page.form == "palette":
            Image.fromarray(pixels).quantize(64).save(path, **options)
        elif page.form == "rotated":
            exif[274] = 6  # turned by 90 degrees to be upright
            Image.fromarray(np.rot90(pixels).copy()).save(path, quality=95, **options)
        else:
            profile = {"icc_profile": _srgb_profile()} if page.form == "tinted" else {}
            Image.fromarray(pixels).save(path, **options, **profile)
        return path


@cache  # the profile contains the time of its creation
def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _tiff_options() -> dict[str, Any]:
    resolution = {"resolution": (DPI, DPI), "resolutionunit": "INCH"}
    return {"metadata": None, "extratags": [(315, "s", 0, ARTIST, True)], **resolution}


def _stored(page: Page, hidden: int) -> Levels:
    """Return the stored pixels of a page before EXIF rotation and conversion of the color mode."""
    scene = SCENES[page.kind]
    if page.form == "deep":
        return np.rint(scene * 65535).astype(np.uint16)
    gray = np.rint(scene * 255).astype(np.uint8)
    if page.form == "wide":
        return np.pad(gray, ((0, 0), (0, 12)), mode="edge")
    if page.form == "framed":
        return np.pad(gray, BORDER, constant_values=6)
    if page.form == "tinted":
        return np.asarray(ImageOps.colorize(Image.fromarray(gray), "#20140a", "#fff0d0"))
    if page.form == "transparent":
        alpha = np.rint(_cut_out() * 255).astype(np.uint8)
        return _with_alpha(np.repeat(gray[..., None], 3, 2), alpha, hidden)
    if page.form == "transparent ink":
        return _with_alpha(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 255 - gray, hidden)
    return gray


def _with_alpha(rgb: Levels, alpha: Levels, hidden: int) -> Levels:
    """Append an alpha channel, and color the pixels that it makes invisible."""
    rgb = rgb.copy()
    rgb[alpha == 0] = HIDDEN[hidden]
    return np.dstack([rgb, alpha])


_PHOTO, _DRAWING = Page("photo"), Page("drawing")
SOURCES = (
    Source("photo", ".png", (_PHOTO,)),
    Source("drawing", ".png", (_DRAWING,)),
    Source("tinted", ".png", (Page("photo", "tinted"),)),
    Source("transparent photo", ".png", (Page("photo", "transparent"),)),
    Source("transparent drawing", ".png", (Page("drawing", "transparent ink"),), note="filled with paper"),
    Source("16 bit", ".tif", (Page("photo", "deep"),), ".tif", deep=True),
    Source("CMYK", ".tif", (Page("photo", "cmyk"),), ".tif", note="converted from CMYK"),
    Source("palette", ".png", (Page("photo", "palette"),)),
    Source("rotated", ".jpg", (Page("photo", "rotated"),)),
    Source(
        "framed scan", ".png", (Page("photo", "framed", (BORDER, BORDER)),), note="inside the scan border"
    ),
    Source("pages", ".tif", (_DRAWING, Page("photo", "wide"), Page("photo", "deep")), ".tif", note="3 pages"),
    Source("animation", ".gif", (_PHOTO, _DRAWING), ".gif", note="2 frames"),
)


@dataclass(frozen=True, eq=False)
class Hint:
    """A kind of guidance.

    Attributes:
        name: Name of the kind.
        recipe: Function of the position of the scene in the image that returns fields of a recipe.
        option: Option of `colorzoo colorize` that gives the guidance; empty if only a recipe can.
        value: Function of the same position that returns the value of the option; None for the color image.
        notes: Part of the note of each kind of image; kinds without a note are omitted.
        simulated: The simulated user of an evaluation protocol with this guidance; None if there is none.
    """

    name: str
    recipe: Callable[[int, int], dict[str, Any]] = lambda _x, _y: {}
    option: str = ""
    value: Callable[[int, int], str] | None = None
    notes: Mapping[Kind, str] = field(default_factory=dict)
    simulated: Mapping[str, Any] | None = None

    @property
    def takes_image(self) -> bool:
        """Whether an image provides colors."""
        return self.name in ("reference", "palette", "histogram")


def _point(x: float, y: float, color: str = WARM, **more: Any) -> dict[str, Any]:
    return {"x": x + 0.5, "y": y + 0.5, "radius": 3, "color": color, **more}


def _area(action: str, box: Box, x: int, y: int, **more: Any) -> dict[str, Any]:
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return {"action": action, "path": [[x + across, y + down] for across, down in corners], **more}


CROP: Box = (10, 6, 80, 64)
"""Left, top, width and height of the crop."""
HEALED = ((20, 32), (44, 32), 7)
"""Ends of a healing stroke, and its width."""

HINTS = (
    Hint("none"),
    Hint(
        "point",
        lambda x, y: {"points": [_point(x + POINT[0], y + POINT[1])]},
        "--point",
        lambda x, y: f"{x + POINT[0] + 0.5},{y + POINT[1] + 0.5}={WARM}",
        simulated={"name": "uniform_points", "side": 6},
    ),
    Hint("area", lambda x, y: {"areas": [_area("color", AREA, x, y, color=COOL)]}),
    Hint(
        "lock",
        lambda x, y: {
            "areas": [_area("lock", LOCKED, x, y)],
            "points": [_point(x + POINT[0], y + POINT[1], reach="everywhere")],
        },
    ),
    Hint("reference", option="--reference", simulated={"name": "exemplar"}),
    Hint("palette", option="--palette", notes={"photo": "does not use the settings for drawings"}),
    Hint(
        "histogram",
        option="--histogram-of",
        notes={"drawing": "does not use color histograms"},
        simulated={"name": "true_statistics", "give": "histogram"},
    ),
    Hint(
        "label",
        lambda _x, _y: {"label": 3},
        "--label",
        lambda _x, _y: "3",
        notes={"photo": "does not use image labels", "drawing": "does not use image labels"},
    ),
    Hint(
        "finish",
        lambda _x, _y: {"finish": {"temperature": 60, "vibrance": -20}},
        "--finish",
        lambda _x, _y: "temperature=60,vibrance=-20",
    ),
    Hint(
        "healing",
        lambda x, y: {
            "healing": [{"path": [[x + px + 0.5, y + py + 0.5] for px, py in HEALED[:2]], "width": HEALED[2]}]
        },
    ),
    Hint(
        "crop",
        lambda x, y: {"crop": {"x": x + CROP[0], "y": y + CROP[1], "width": CROP[2], "height": CROP[3]}},
        "--crop",
        lambda x, y: f"{x + CROP[0]},{y + CROP[1]},{CROP[2]},{CROP[3]}",
    ),
    Hint(
        "division",
        lambda x, y: {
            "divisions": [{"path": [[x + 80, y + 8], [x + 80, y + 68]]}],
            "points": [_point(x + 56, y + 38, WARM), _point(x + 86, y + 38, COOL)],
        },
        notes={"photo": "does not use divisions"},
    ),
)


def color_image(folder: Path, hidden: int) -> Path:
    """Write the scene of the photo in color, with an invisible corner."""
    path = folder / "colors.png"
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    is_ground = (y > 46 + 6 * np.sin(x / 14))[..., None]
    is_disc = (np.hypot(x - 70, y - 38) < 15)[..., None]
    color = np.where(is_disc, (1.5, 0.7, 0.6), np.where(is_ground, (0.8, 1.2, 0.5), (0.7, 1.0, 1.4)))
    rgb = np.rint(255 * np.clip(SCENES["photo"][..., None] * color, 0, 1)).astype(np.uint8)
    alpha = np.where((x < 20) & (y < 24), 0, 255).astype(np.uint8)
    Image.fromarray(_with_alpha(rgb, alpha, hidden)).save(path)
    return path


@dataclass(frozen=True)
class Row:
    """One input with one kind of guidance, colorized by one route."""

    source: Source
    hint: Hint
    route: str

    def __str__(self) -> str:
        return f"{self.source.name}, {self.hint.name}, {self.route}"


@dataclass(frozen=True)
class Outcome:
    """What a route returned.

    Attributes:
        pages: Pixels of each page as stored.
        notes: Notes for the user.
        path: File of the result, or None for results in memory.
    """

    pages: tuple[Levels, ...]
    notes: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Request:
    """The files of a row in a folder of its own.

    Attributes:
        row: The row.
        folder: Folder of all files.
        image: The input.
        colors: The image that provides colors.
        recipe: Fields of the recipe, with the reference as a path relative to the folder.
    """

    row: Row
    folder: Path
    image: Path
    colors: Path
    recipe: dict[str, Any]

    @property
    def target(self) -> Path:
        return self.folder / f"result{self.row.source.result}"

    def recipe_file(self, **more: Any) -> Path:
        path = self.folder / "recipe.json"
        path.write_text(json.dumps({**self.recipe, **more}))
        return path


def request(row: Row, hidden: int = 0) -> Request:
    """Write the files of a row."""
    folder = Path(mkdtemp(prefix="row"))
    image, colors = row.source.write(folder, hidden), color_image(folder, hidden)
    recipe: dict[str, Any] = {"version": 2, **row.hint.recipe(*row.source.pages[0].offset)}
    if row.hint.name == "reference":
        recipe["exemplar"] = {"path": colors.name}
    if row.hint.name == "histogram":
        recipe["statistics"] = {"histogram": describe_statistics(read_image(colors))["histogram"]}
    if row.hint.name == "palette":
        recipe["drawing"] = {"palette": list(main_colors(read_image(colors)))}
    return Request(row, folder, image, colors, recipe)


def run_command(*words: object) -> tuple[int, str, str]:
    """Run ``colorzoo`` in this process and return the exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def colorize_command(given: Request, *inputs: object) -> str:
    """Colorize by the command line, with the option of the guidance if there is one; return its output."""
    hint = given.row.hint
    words: list[object] = ["colorize", *inputs, "--device", "cpu", "--jobs", 1]
    if hint.option:
        value = given.colors if hint.value is None else hint.value(*given.row.source.pages[0].offset)
        words += [hint.option, value]
    elif hint.name != "none":
        words += ["--recipe", given.recipe_file()]
    code, out, err = run_command(*words)
    if code:
        raise AssertionError(f"exit code {code}: {err}")
    return out


def by_command(given: Request) -> Outcome:
    out = colorize_command(given, given.image, "-o", given.target, "--overwrite")
    return Outcome(stored_pages(given.target), out, given.target)


def by_folder(given: Request) -> Outcome:
    """Colorize a folder that also contains a photo and a drawing, one before and one after the input."""
    album, output = given.folder / "album", given.folder / "colored"
    album.mkdir(exist_ok=True)
    image = album / given.image.name
    image.write_bytes(given.image.read_bytes())
    framed = [Page(kind, "framed") for kind in MODELS]  # large enough for all coordinates
    neighbors = [Source("0", ".png", (framed[1],)), Source("zz", ".png", (framed[0],))]
    for neighbor in neighbors:
        neighbor.write(album)
    suffix = given.row.source.result
    formats = [] if suffix == given.image.suffix else ["--format", suffix[1:]]
    out = colorize_command(given, album, "-o", output, *formats, "--overwrite")
    target = output / f"{image.stem}{suffix}"
    note = next(line for line in out.splitlines() if target.name in line)
    return Outcome(stored_pages(target), note, target)


def by_colorize_file(given: Request) -> Outcome:
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        colorzoo.colorize_file(
            given.image, given.target, guidance=given.recipe_file(), device="cpu", overwrite=True
        )
    return Outcome(stored_pages(given.target), _text(issued), given.target)


def by_colorizer(given: Request) -> Outcome:
    """Colorize in memory with the model that the other routes choose."""
    model = colorizer(model_of(given.row))
    with warnings.catch_warnings(record=True) as issued:
        warnings.simplefilter("always")
        image = model(given.image, given.recipe_file())
    return Outcome((np.asarray(image),), _text(issued))


def by_pad(given: Request) -> Outcome:
    path, notes = export(given, given.recipe)
    return Outcome(stored_pages(path), notes, path)


def by_recipe(given: Request) -> Outcome:
    """Colorize by the command, then with its recorded recipe in the pad, then with the recipe of the pad."""
    colorize_command(given, given.image, "-o", given.target, "--overwrite")
    exported, _ = export(given, recorded_recipe(given.target))
    path = given.folder / "recorded.json"
    path.write_text(json.dumps(recorded_recipe(exported)))
    again = given.folder / f"again{given.row.source.result}"
    words = ["colorize", given.image, "-o", again, "--recipe", path, "--overwrite"]
    code, out, err = run_command(*words, "--frames", "first")  # the pad made the recipe for the first page
    if code:
        raise AssertionError(f"exit code {code}: {err}")
    return Outcome(stored_pages(again), out, again)


def recorded_recipe(path: Path) -> dict[str, Any]:
    """Return the recipe in the provenance record of a result."""
    record = read_provenance(path)
    if record is None:
        raise AssertionError(f"{path.name} has no provenance record")
    recipe: dict[str, Any] = json.loads(record.recipe)
    return recipe


@cache
def _studio() -> Studio:
    return Studio(device="cpu")


def export(given: Request, recipe: Mapping[str, Any]) -> tuple[Path, str]:
    """Open the input in a drawing pad, which chooses the model, and export the result of a recipe."""
    from pads import DirectPad

    pad = DirectPad(_studio())
    photo = pad.open(given.image.read_bytes(), given.image.name)
    sent = {"image": photo["image"], **recipe}
    if photo["proposed"]:
        sent.setdefault("model", photo["proposed"])
    if given.row.hint.name == "reference":
        reply = pad.call("attach", given.colors.read_bytes(), name=given.colors.name, model=sent.get("model"))
        if reply.type != "attached":
            raise AssertionError(reply.body)
    kind = {".png": "png", ".tif": "tiff", ".gif": "png"}[given.row.source.result]
    exported = pad.call("export", recipe=sent, format=kind).body
    if exported["type"] != "exported":
        raise AssertionError(exported)
    path = given.folder / f"exported.{kind[:3]}"
    path.write_bytes(pad.session.file(exported["url"].removeprefix("api/download/").partition("?")[0]).data)
    pad.studio.disconnect(pad.session)
    return path, "; ".join([*photo["notes"], *exported["notes"]])


def stored_lock(given: Request) -> Levels:
    """Return the result of a pad that stores the colors of the locked area before its points are set."""
    from pads import DirectPad

    pad = DirectPad(_studio())
    photo = pad.open(given.image.read_bytes(), given.image.name)
    recipe = {"image": photo["image"], **given.recipe}
    if photo["proposed"]:
        recipe["model"] = photo["proposed"]
    (area,) = recipe["areas"]
    reply = pad.call("keep", area=area, recipe={**recipe, "areas": [], "points": []}).body
    pad.studio.disconnect(pad.session)
    path, _ = export(given, {**recipe, "areas": [{**area, "kept": reply["kept"]}]})
    return stored_pages(path)[0]


def _text(issued: Sequence[warnings.WarningMessage]) -> str:
    return "; ".join(str(each.message) for each in issued)


ROUTES: Mapping[str, Callable[[Request], Outcome]] = {
    "command": by_command,
    "folder": by_folder,
    "colorize_file": by_colorize_file,
    "Colorizer": by_colorizer,
    "pad": by_pad,
    "recipe of another route": by_recipe,
}
EVALUATE = "evaluate"
IN_MEMORY = ("Colorizer", "pad")
"""Routes that open only the first page, with a note, and that get their model from the caller."""
FIRST_PAGE_ONLY = (*IN_MEMORY, "recipe of another route")


@cache
def colorizer(model: str) -> Colorizer:
    return Colorizer(model, device="cpu")


def model_of(row: Row, number: int = 0) -> str:
    """Return the documented default model for a page of an input.

    Pages are separate images. The frames of an animation have one model.
    """
    pages = row.source.pages if row.source.suffix == ".gif" else row.source.pages[number : number + 1]
    return MODELS["photo" if any(page.kind == "photo" for page in pages) else "drawing"]


@cache
def alone(row: Row, number: int) -> Levels:
    """Return the result of one page as a file of its own, by the plainest call with the expected model."""
    given = request(row)
    path = row.source.write_page(given.folder / f"page{row.source.suffix}", number)
    model, image = colorizer(model_of(row, number)), read_image(path)
    colored = model.colorize(image, given.recipe_file())
    if row.route in IN_MEMORY and given.target.suffix == ".gif":
        given = replace(given, row=replace(row, source=replace(row.source, result=".png")))
    target = given.folder / f"alone{given.row.source.result}"
    depth = 16 if image.bit_depth == 16 and target.suffix != ".gif" else 8
    write_image(target, colored.levels(depth), colored.source(image))
    return stored_pages(target)[0]


def stored_pages(path: Path) -> tuple[Levels, ...]:
    """Decode all pages of a result without colorzoo."""
    if path.suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(path) as file:
            return tuple(page.asarray() for page in file.pages)
    if path.suffix == ".png":
        return (imagecodecs.png_decode(path.read_bytes()),)
    with Image.open(path) as image:
        return tuple(np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image))


# evaluation


@dataclass(frozen=True)
class Evaluation:
    """Outcome of an evaluation of one input.

    Attributes:
        scores: PSNR by method and number of interactions; the methods are ``model`` and ``results``.
        result: First page of the evaluated result of ``colorzoo colorize``.
    """

    scores: Mapping[tuple[str, int], float]
    result: Levels


def by_evaluate(given: Request) -> Evaluation:
    """Evaluate results of ``colorzoo colorize`` with the guidance of a row, and the default model."""
    row, hint = given.row, given.row.hint
    data, results = (given.folder / name for name in ("data", "results"))
    kind = row.source.pages[0].kind
    protocol: dict[str, Any] = {"resize": {"mode": "none"}, "coloring": "colorizer", "metrics": ["psnr"]}
    protocol |= {"name": "crossings", "version": 1, "title": "results at their own size", "source": "tests"}
    folders = ["images", "lines"] if kind == "drawing" else [""]  # the lines of a drawing are its own pixels
    if kind == "drawing":
        protocol |= {"layout": "drawings", "sketches": "drawn"}
    for folder in folders:
        (data / folder).mkdir(parents=True)
        (data / folder / given.image.name).write_bytes(given.image.read_bytes())
    if is_simulated(row):
        protocol |= {"user": hint.simulated, "interactions": [0, 1]}
    if hint.name == "reference" and kind == "photo":
        protocol["references"] = "pairs"
        (data / "colors.png").write_bytes(given.colors.read_bytes())
        (data / "pairs.csv").write_text(f"target,reference\n{given.image.name},colors.png\n")
    if hint.name == "label":
        (data / "labels.csv").write_text(f"image,label\n{Path(folders[0], given.image.name)},3\n")
    target = results / folders[0] / f"{given.image.stem}{row.source.result}"
    colorize_command(given, given.image, "-o", target, "--precision", "float32")
    file = given.folder / "protocol.yaml"
    file.write_text(json.dumps(protocol))  # YAML includes JSON
    methods: dict[str, Any] = {"results": results}
    if is_simulated(row) or hint.name == "none":  # other guidance does not reach the model
        methods["model"] = colorizer(MODELS[kind]).model
    outcome = evaluate(methods, data, str(file))
    scores = {
        (each["method"], each["interactions"]): next(each[key] for key in each if key.startswith("psnr"))
        for each in outcome.per_image()
    }
    return Evaluation(scores, stored_pages(target)[0])


def is_simulated(row: Row) -> bool:
    """Return whether an evaluation simulates the guidance of a row; drawings have no references there."""
    return row.hint.simulated is not None and (
        row.hint.name != "reference" or model_of(row) == MODELS["photo"]
    )


def expected_notes(row: Row) -> list[str]:
    """Return parts of the notes that the documentation promises for a row."""
    is_first_only = row.route in FIRST_PAGE_ONLY
    models = {model_of(row, number) for number in range(1 if is_first_only else len(row.source.pages))}
    notes = [note for kind, note in row.hint.notes.items() if MODELS[kind] in models]
    if is_first_only and len(row.source.pages) > 1:
        return [*notes, f"first of {row.source.note}"]
    return [*notes, row.source.note] if row.source.note else notes


def source_levels(row: Row, number: int) -> tuple[Levels, Levels | None]:
    """Return the decoded pixels of a page in [0, 1], cropped as its result, and its alpha."""
    folder = Path(mkdtemp(prefix="page"))
    image = read_image(row.source.write_page(folder / f"page{row.source.suffix}", number))
    rgb, alpha = image.rgb, image.alpha
    if row.hint.name == "crop":
        rows, columns = crop_slices(row)
        rgb, alpha = rgb[rows, columns], None if alpha is None else alpha[rows, columns]
    return rgb, alpha


def crop_slices(row: Row) -> tuple[slice, slice]:
    """Return the rows and columns of the crop."""
    x, y = row.source.pages[0].offset
    return slice(y + CROP[1], y + CROP[1] + CROP[3]), slice(x + CROP[0], x + CROP[0] + CROP[2])


def parsed(given: Request) -> Recipe:
    """Return the recipe of a request."""
    return Recipe.from_json(given.recipe)
