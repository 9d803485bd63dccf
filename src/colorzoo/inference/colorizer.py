"""`Colorizer`: colors an image of any kind at its full size.

The network runs on a small copy and predicts only ab. Lightness stays the picture's own, in float at full
size; files then round it to their bits, and JPEG compresses it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from colorzoo.engines.device import choose_device
from colorzoo.errors import ColorzooError, PictureError
from colorzoo.guidance import Exemplar, Guidance, Recipe
from colorzoo.guidance.frame import FrameSetting
from colorzoo.inference.answer import ColoredPicture, NetworkAnswer, answer
from colorzoo.inference.job import (
    GuidanceLike,
    Job,
    Part,
    frame_of,
    make_job,
    read_guidance,
    recipe_folder,
    see,
)
from colorzoo.inference.models import load_model
from colorzoo.inference.network import NetworkRunner
from colorzoo.inference.pipeline import network_input, state_of
from colorzoo.inference.references import (
    Look,
    ReadReference,
    make_exemplar,
    read_reference,
    recipe_references,
)
from colorzoo.inference.stages import Stages
from colorzoo.inference.steps.sketch import PAPER_NOTE
from colorzoo.memory import Memory
from colorzoo.pictures.picture import Picture, on_paper
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.write import to_pil
from colorzoo.prediction import Prediction
from colorzoo.settings import Engine, Precision
from colorzoo.weights.choice import ModelChoice

ImageLike = str | Path | Image.Image | NDArray[Any] | Tensor | Picture
ReferenceLike = ImageLike | Look | Exemplar
MIN_SIZE, MAX_SIZE = 16, 4096


class Colorizer:
    """A model ready to color any number of images, from any thread.

    Examples:
        >>> colorizer = Colorizer("zhang2017_local_small", device="cpu")
        >>> colorizer("photo.png").size
        (48, 32)
        >>> [picture.size for picture in colorizer(["photo.png", "photo.png"])]
        [(48, 32), (48, 32)]

    It can be copied and pickled, with its weights, as workers need it; a copy begins with an empty memory.

    Attributes:
        size: Shorter side in pixels of an image for the network.
        requested_size: The same if the user chose it, else None.
        choice: Registered model and weights; None for a module of your own.
        settings: Settings of the model that the user chose.
        precision: Precision as it was asked for.
        engine: Engine that runs the model.
        memory: Results that an edit leaves unchanged.

    Args:
        model: Registered name, a `ModelChoice`, a module of your own (it is moved to the device and to
            float32, and must not be trained while in use here), or None for the best model whose weights are
            on this machine.
        weights: See `create_model`; only for a name.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        precision: ``"auto"`` takes bfloat16 if the hardware multiplies it.
        size: Shorter side in pixels of an image for the network, 16 .. 4096; None takes the model's own
            (`ColoringModel.working_size`).
        allow_untrained: Color with random weights.
        fast: Take the default only from models whose weights ship with the package.
        engine: ``"torch"``, or ``"onnxruntime"``: in float32 on the CPU, from a graph that is made on first
            use and kept in the user's cache; it requires the extra ``export``.
        memory: Results that an edit leaves unchanged; None begins with an empty memory.
        **settings: Settings of a named model, such as ``temperature`` of one that predicts a distribution (1
            decodes its mean, safe and pale; towards 0 its most likely color, vivid and blotchy) or
            ``render_factor`` of `antic2019`. None takes the model's own.

    Raises:
        ColorzooError: An unknown model or device, a setting that the model does not have, missing weights, an
            untrained model, or one that the engine cannot run.
    """

    def __init__(
        self,
        model: str | ModelChoice | nn.Module | None = None,
        *,
        weights: str | Path | None = "default",
        device: str = "auto",
        precision: Precision = "auto",
        size: int | None = None,
        allow_untrained: bool = False,
        fast: bool = False,
        engine: Engine = "torch",
        memory: Memory | None = None,
        **settings: Any,
    ) -> None:
        if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
            raise ColorzooError(f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, got {size}.")
        if engine == "onnxruntime":
            if device not in ("auto", "cpu") or precision == "bfloat16":
                raise ColorzooError(
                    "engine onnxruntime runs on the CPU in float32; leave out other devices and precisions."
                )
            device, precision = "cpu", "float32"
        chosen = {setting: value for setting, value in settings.items() if value is not None}
        loaded, self.choice = load_model(model, weights, chosen, fast=fast, allow_untrained=allow_untrained)
        self.name = type(model).__name__ if self.choice is None else self.choice.name
        self.requested_size = size
        self.settings, self.precision, self.engine = chosen, precision, engine
        self.size = size or loaded.working_size
        self.model = loaded.float()
        self._network = NetworkRunner(self.model, self.name, choose_device(device), precision, engine)
        self.memory = Memory() if memory is None else memory

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the memory and what belongs to this process."""
        return {**self.__dict__, "memory": None, "_network": self.device}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.memory = Memory()
        self._network = NetworkRunner(self.model, self.name, state["_network"], self.precision, self.engine)

    @overload
    def __call__(
        self,
        image: ImageLike,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        frame: FrameSetting | None = None,
    ) -> Image.Image: ...

    @overload
    def __call__(
        self,
        image: list[ImageLike],
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        frame: FrameSetting | None = None,
    ) -> list[Image.Image]: ...

    def __call__(
        self,
        image: ImageLike | list[ImageLike],
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        frame: FrameSetting | None = None,
    ) -> Image.Image | list[Image.Image]:
        """Color an image, or a list of images of any sizes one after the other.

        Remarks for the user (`ColoredPicture.notes`) are issued as Python warnings.

        Args:
            image: Path, Pillow image, `Picture`, array ``(H, W[, C])`` or tensor ``(C, H, W)`` of uint8,
                uint16 or float in [0, 1]; or a list of them, all with the same guidance.
            guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
            strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.
            reference: Image whose colors to use, for models that take an exemplar; also a `Look` or the
                path of one, or a result of `exemplar`. By default the reference named in a recipe file, which
                is relative to it.
            frame: The part of the image to color, see `FrameSetting`; None takes the recipe's, or finds
                the frame of a scan.

        Returns:
            A Pillow image of the same size, or of the recipe's crop, alpha included; of a list a list.

        Raises:
            ColorzooError: The image or the guidance cannot be used, or the prediction is not finite.
        """
        if isinstance(image, list):
            exemplar = self.exemplar_of(reference, read_guidance(guidance), recipe_folder(guidance))
            return [
                self(each, guidance, strength=strength, reference=exemplar, frame=frame) for each in image
            ]
        picture = _as_picture(image)
        colored = self.colorize(picture, guidance, strength=strength, reference=reference, frame=frame)
        for note in colored.notes:
            warnings.warn(note, UserWarning, stacklevel=2)
        return to_pil(colored.levels(), colored.source(picture))

    def colorize(
        self,
        image: ImageLike,
        guidance: GuidanceLike = None,
        *,
        strength: float | None = None,
        reference: ReferenceLike | None = None,
        frame: FrameSetting | None = None,
    ) -> ColoredPicture:
        """Color one image and return the colors at the network's size, with the notes; see `__call__`.

        Args:
            image: See `__call__`.
            guidance: See `__call__`.
            strength: See `__call__`.
            reference: See `__call__`.
            frame: See `__call__`.

        Raises:
            GuidanceError: The guidance is broken or belongs to another image.
            ColorzooError: The prediction is not finite.
        """
        given = read_guidance(guidance)
        exemplar = self.exemplar_of(reference, given, recipe_folder(guidance))
        job = self.job(_as_picture(image), given, strength, exemplar, frame)
        return self.run(job).on_picture()

    def job(
        self,
        picture: Picture,
        guidance: Guidance | Recipe,
        strength: float | None = None,
        reference: Exemplar | None = None,
        frame: FrameSetting | None = None,
    ) -> Job:
        """Return the job of coloring an image: what the model sees of it, and the guidance for that part.

        Drawings have no frame: their margin is paper. Their transparent parts are filled with white paper.

        Args:
            picture: The image.
            guidance: Guidance in pixels of the image, or tensors of any size.
            strength: See `__call__`.
            reference: Reference whose colors to use.
            frame: See `__call__`.

        Raises:
            GuidanceError: The guidance does not fit the image.
        """
        setting = "none" if self.paints else frame_of(guidance) if frame is None else frame
        healing = guidance.healing if isinstance(guidance, Recipe) else ()
        seen = on_paper(picture) if self.paints else picture
        part = see(seen, setting, self.size, healing)
        job = make_job(self._network, part, guidance, strength=strength, reference=reference, whole=seen)
        return job if seen is picture else replace(job, notes=(*job.notes, PAPER_NOTE))

    def job_of(self, part: Part, recipe: Recipe, reference: Exemplar | None = None) -> Job:
        """Return the job of coloring a part of an image whose lightness is known.

        Args:
            part: The part.
            recipe: Recipe in pixels of the part.
            reference: Reference whose colors to use.

        Raises:
            GuidanceError: The recipe does not fit the part.
        """
        return make_job(self._network, part, recipe, reference=reference)

    def run(self, job: Job, memory: Memory | None = None) -> NetworkAnswer:
        """Color an image at the network's size.

        Args:
            job: A job of this colorizer.
            memory: Results of earlier runs; None takes that of the colorizer.

        Raises:
            GuidanceError: The recipe names regions, classes or statistics that do not exist.
            ColorzooError: The prediction is not finite.
        """
        return answer(job, self.memory if memory is None else memory)

    def stages(self) -> Stages:
        """Return a runner of stages with the results of earlier runs; see `colorzoo.inference.pipeline`."""
        return Stages(self.memory)

    def forget(self) -> None:
        """Forget all earlier images and edits, so that they cannot change the next result.

        An edit is computed from the answer before it, which may change the last digits.
        """
        self.memory.clear()

    def exemplar(self, references: Sequence[ReadReference]) -> Exemplar:
        """Convert references to what the model takes, once for any number of images.

        Args:
            references: One; or several, if the model gives looks.

        A model that takes no reference gets a placeholder, and the result a remark.

        Raises:
            GuidanceError: The model cannot use them.
        """
        if "exemplar" not in self.model.accepts:
            return Exemplar(torch.zeros(1, 3, 1, 1))
        return self._network.ask(lambda model: make_exemplar(model, references, self.size))

    def exemplar_of(
        self, reference: ReferenceLike | None, guidance: Guidance | Recipe, folder: Path | None
    ) -> Exemplar | None:
        """Return the exemplar of a reference, or of those that a recipe names; None if there is none.

        Args:
            reference: The reference; None takes those of the recipe.
            guidance: The recipe.
            folder: Folder that its paths are relative to; None for one that is in no file.
        """
        if isinstance(reference, Exemplar):
            return reference
        if reference is None:
            if folder is None or not isinstance(guidance, Recipe):
                return None
            found = recipe_references(guidance, folder)
        elif isinstance(reference, str | Path):
            found = [read_reference(Path(reference))]
        elif isinstance(reference, Look):
            found = [ReadReference(reference)]
        else:
            found = [ReadReference(_as_picture(reference))]
        return self.exemplar(found) if found else None

    def predict(self, lightness: Tensor, guidance: Guidance) -> Prediction:
        """Run the model as fast as the device allows; if its memory is too small, on the CPU from then on.

        Args:
            lightness: ``(B, 1, h, w)`` in [0, 100].
            guidance: Guidance of the same size.

        Returns:
            The prediction: its colors in float32 on the CPU, its extras on the model's device.

        Raises:
            ColorzooError: The prediction is not finite, in float32 either.
        """
        job = Job(self._network, Part(lightness, (lightness.shape[3], lightness.shape[2])))
        others, points = replace(guidance, points=None, scribbles=None), guidance.points
        stages = self.stages()
        state = state_of(stages, job, others, points)
        return self._network.predict(network_input(stages, job), guidance, state)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights."""
        return sum(tensor.nbytes for tensor in (*self.model.parameters(), *self.model.buffers()))

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return self._network.device

    @property
    def paints(self) -> bool:
        """True if the model paints sketches, with a lightness of its own."""
        return self.model.input_kind == "sketch"


def _as_picture(image: ImageLike) -> Picture:
    if isinstance(image, Tensor):
        return read_picture(_as_array(image))
    return image if isinstance(image, Picture) else read_picture(image)


def _as_array(image: Tensor) -> NDArray[Any]:
    """Return a tensor ``(C, H, W)`` of one, three or four channels as array ``(H, W, C)``.

    Raises:
        PictureError: It is of another shape.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        shape = tuple(image.shape)
        raise PictureError(f"a tensor (3, H, W) or (1, H, W) was expected, this one is {shape}")
    if image.is_floating_point():
        image = image.float()
    return image.detach().permute(1, 2, 0).contiguous().cpu().numpy()
