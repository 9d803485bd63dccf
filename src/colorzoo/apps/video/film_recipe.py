"""Film recipe: key frames, references and corrected shots of a film as a JSON file (``film.json``)."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import Any

from colorzoo.apps.video.frames import VideoError
from colorzoo.batch import input_files, used_files
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.files import sha256_of, write_atomic
from colorzoo.guidance import Recipe
from colorzoo.guidance.fields import Fields
from colorzoo.settings import NonNegativeInt, PositiveInt

VERSION = 1
_MAX_KEYS = 4096
_MAX_REFERENCES = 64
_MAX_SHOTS = 100_000


@dataclass(frozen=True)
class KeyFrame:
    """Frame whose colors a person sets with a color image, or with a recipe for this frame.

    With a recipe, only the pixels that the recipe changes are key colors.

    Attributes:
        frame: Frame number, counted from 0.
        image: Color image; None for a recipe.
        recipe: Recipe; None for a color image.
        folder: Folder to which reference paths in the recipe are relative.
        sha256: Hash of the image, or of the recipe and all files that the recipe names.
        file: File of the image or recipe; None for a recipe inside the film recipe.
    """

    frame: int
    image: Path | None
    recipe: Recipe | None
    folder: Path
    sha256: str
    file: Path | None = None

    @classmethod
    def read(cls, frame: int, source: Path | dict[str, Any], folder: Path) -> KeyFrame:
        """Return the key frame of an image file, a recipe file or a parsed recipe.

        Args:
            frame: Frame number.
            source: Path of an image or a recipe, relative to ``folder``; or a parsed recipe.
            folder: Folder of the film recipe.

        Raises:
            ColorzooError: The file is missing, or the recipe is invalid.
        """
        if isinstance(source, dict):
            recipe = _read_recipe(source, folder)
            return cls(frame, None, recipe, folder, _recipe_digest(source, recipe, folder))
        path = folder / source
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise VideoError(f"{error.filename}: {error.strerror}") from error
        if path.suffix.lower() == ".json":
            recipe = _read_recipe(path, path.parent)
            digest = _recipe_digest(json.loads(path.read_bytes()), recipe, path.parent)
            return cls(frame, None, recipe, path.parent, digest, path)
        return cls(frame, path, None, folder, digest, path)

    def recipe_in(self, folder: Path) -> Recipe:
        """Return the recipe with paths relative to another folder; an empty recipe for a color image."""
        if self.recipe is None:
            return Recipe()
        references = [
            (path if Path(path).is_absolute() else os.path.relpath(self.folder / path, folder), file.sha256)
            for file in self.recipe.exemplar.files
            for path in [file.path]
        ]
        labels = (os.path.relpath(name, folder) for name in self.recipe.classes.label_files)
        return self.recipe.with_references(references).with_label_files(labels)


@dataclass(frozen=True)
class FilmRecipe:
    """Everything that a person sets for the colors of a film.

    Attributes:
        keys: Key frames.
        references: Color images whose colors are transferred.
        join: Numbers of frames at which a shot is detected that continues the previous shot.
        split: Numbers of frames at which a shot starts that is not detected.
        apply_matches: Whether a recipe of a frame also changes other shots in which its objects are found.
    """

    keys: tuple[KeyFrame, ...] = ()
    references: tuple[Path, ...] = ()
    join: tuple[int, ...] = ()
    split: tuple[int, ...] = ()
    apply_matches: bool = False

    def __post_init__(self) -> None:
        for name, numbers in (
            ("key frames", [key.frame for key in self.keys]),
            ("join and split", [*self.join, *self.split]),
        ):
            number, count = Counter(numbers).most_common(1)[0] if numbers else (0, 0)
            if count > 1:
                raise GuidanceError(f"{name} contain frame {number} twice. Remove one of the two.")

    @property
    def has_images(self) -> bool:
        """True if the image of a key frame sets its colors."""
        return any(key.image is not None for key in self.keys)

    @property
    def color_images(self) -> list[Path]:
        """Color images that a model must match with the frames."""
        return [*(key.image for key in self.keys if key.image is not None), *self.references]

    @property
    def files(self) -> list[Path]:
        """Files that the film recipe and the recipes of its frames name."""
        found = [key.file for key in self.keys if key.file is not None]
        for key in self.keys:
            if key.recipe is not None:
                found += [path for _, path in input_files(key.recipe, key.folder)]
        return [*found, *self.references]

    @classmethod
    def read(
        cls,
        path: Path | None,
        keys: Mapping[int, Path],
        references: Sequence[Path],
        *,
        apply_matches: bool = False,
    ) -> FilmRecipe:
        """Return a film recipe with the edits of the command line.

        Args:
            path: Film recipe; None for no film recipe.
            keys: Color image or recipe of each key frame, by frame number.
            references: Color images.
            apply_matches: Whether to set ``apply_matches`` if the film recipe does not set it.

        Raises:
            ColorzooError: A file is missing or damaged, or a frame has two keys.
        """
        edits = cls() if path is None else cls.from_json(path)
        added = [KeyFrame.read(number, file, Path()) for number, file in keys.items()]
        sorted_keys = sorted((*edits.keys, *added), key=lambda key: key.frame)
        return replace(
            edits,
            keys=tuple(sorted_keys),
            references=(*references, *edits.references),
            apply_matches=edits.apply_matches or apply_matches,
        )

    @classmethod
    def from_json(cls, path: Path) -> FilmRecipe:
        """Read a film recipe; paths of images and recipes are relative to its folder.

        Raises:
            GuidanceError: The file is missing or damaged, or a field is invalid.
        """
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or error
            raise GuidanceError(f"film recipe {str(path)!r} cannot be read: {reason}") from error
        try:
            if isinstance(document, dict) and {"points", "areas", "width"} & document.keys():
                raise GuidanceError("this is the recipe of an image. Set --key FRAME=FILE instead.")
            fields = Fields(document, "film")
            version = fields.read("version", PositiveInt, VERSION)
            if version > VERSION:
                raise GuidanceError(
                    f"film.version must be at most {VERSION}, got {version}. Install a newer version of "
                    "colorzoo."
                )
            keys = []
            for item in fields.read_list("keys", Fields, _MAX_KEYS):
                frame = item.read("frame", NonNegativeInt, MISSING)
                sources = [each for each in (item.take("image"), item.take("recipe")) if each is not None]
                _reject_unknown(item)
                if len(sources) != 1 or not isinstance(sources[0], str | dict):
                    raise GuidanceError(
                        f"{item.name} must have a path in `image`, or a path or a recipe in `recipe`"
                    )
                source = sources[0] if isinstance(sources[0], dict) else Path(sources[0])
                keys.append(KeyFrame.read(frame, source, path.parent))
            shots = fields.child("shots")
            found = cls(
                tuple(keys),
                tuple(path.parent / name for name in fields.read_list("references", str, _MAX_REFERENCES)),
                shots.read_list("join", NonNegativeInt, _MAX_SHOTS),
                shots.read_list("split", NonNegativeInt, _MAX_SHOTS),
                fields.read("apply_matches", bool, default=False),
            )
            _reject_unknown(shots)
            _reject_unknown(fields)
        except ColorzooError as error:
            raise GuidanceError(f"film recipe {str(path)!r}: {error}") from error
        return found


def set_key_recipe(path: Path, frame: int, recipe: Recipe | None) -> None:
    """Set or remove the recipe of a frame in a film recipe, which is written atomically.

    The film recipe is created if it is missing, and it stays unchanged if the frame already has this recipe.

    Args:
        path: Film recipe.
        frame: Frame number.
        recipe: Recipe, whose paths are relative to the folder of the film recipe; None removes the recipe.

    Raises:
        GuidanceError: The film recipe is damaged, or the frame has a key image.
        OSError: The film recipe cannot be written.
    """
    edits = FilmRecipe.from_json(path) if path.exists() else FilmRecipe()  # raises an error if it is damaged
    if any(key.frame == frame and key.image is not None for key in edits.keys):
        raise GuidanceError(
            f"frame {frame} has a key image in {path.name}. Remove this key to edit the frame."
        )
    document: dict[str, Any] = {"version": VERSION}
    if path.exists():
        document = json.loads(path.read_bytes())
    earlier = document.get("keys", [])
    keys = [key for key in earlier if key["frame"] != frame]
    if recipe is not None:
        keys.append({"frame": frame, "recipe": json.loads(recipe.to_json())})
        keys.sort(key=lambda key: int(key["frame"]))
    if keys != earlier:
        write_atomic(path, json.dumps(document | {"keys": keys}, indent=1).encode())


def _read_recipe(source: Path | dict[str, Any], folder: Path) -> Recipe:
    """Read a recipe whose label images are relative to a folder; `KeyFrame.folder` completes references."""
    recipe = Recipe.from_json(source)
    return recipe.with_label_files(str(folder / name) for name in recipe.classes.label_files)


def _recipe_digest(document: Mapping[str, Any], recipe: Recipe, folder: Path) -> str:
    """Return the SHA-256 of a recipe and of the content of all files that it names."""
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for file in used_files(recipe, folder):
        digest.update(f"\0{file.sha256}".encode())
    return digest.hexdigest()


def _reject_unknown(fields: Fields) -> None:
    if unknown := list(fields.rest()):
        raise GuidanceError(f"{fields.name} has the unknown field {unknown[0]!r}")
