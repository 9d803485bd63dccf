"""Inference pipeline: predict the colors of one image and apply the layers of its edit."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.abilities import DrawingModel, ExemplarModel, RegionModel
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.inference.edit import Edit, proposed_regions
from colorzoo.inference.layers import layers_of
from colorzoo.inference.layers.prediction import predict
from colorzoo.inference.result import ColorizedImage


def colorize_edit(edit: Edit) -> ColorizedImage:
    """Predict the colors of an image, apply the layers of its edit and return the result.

    `Colorizer.resolve` runs the earlier stages. The colors of the result have the size of the network input,
    and `ColorizedImage.levels` computes the full-size image.

    Examples:
        >>> colorizer = Colorizer("zhang2017_local_small", device="cpu")
        >>> lightness = torch.full((1, 1, 32, 48), 50.0)
        >>> edit = colorizer.resolve_lightness(lightness, (48, 32), Recipe())
        >>> colorize_edit(edit).ab.shape
        torch.Size([2, 32, 48])

    Args:
        edit: Image, model and guidance.

    Raises:
        GuidanceError: The recipe is invalid for this image or model.
        ColorzooError: The prediction is not finite.
    """
    canvas = predict(edit)
    for layer in layers_of(edit):
        canvas = layer.apply(canvas)
    prediction = edit.predict() if canvas.prediction is None else canvas.prediction
    about = () if edit.drawing is None else edit.drawing.notes
    notes = (*edit.notes, *guidance_notes(edit), *about, *canvas.notes, *prediction.notes)
    # without the cached stage results, which need memory
    canvas = replace(canvas.settled(), edit=replace(edit, cache={}))
    return ColorizedImage(canvas, notes=notes, prediction=prediction)


def guidance_notes(edit: Edit) -> list[str]:
    """Return notes about guidance that the model ignores, or that was made for other regions."""
    name, model, accepts = edit.network.name, edit.network.model, edit.network.model.accepts
    unsupported = (kind for kind in edit.kinds if kind not in accepts and kind != "points")
    ignored = [guidance_kind(kind).title or kind for kind in unsupported]
    if "classes" in accepts and "classes" in edit.recipe.kinds() and edit.lacks_classes:
        ignored.append("classes without label images")
    if edit.areas("thing") and "boxes" not in accepts and "scribbles" not in accepts:
        ignored.append("object areas")
    is_sketch = edit.drawing is not None
    if edit.recipe.divisions and not (is_sketch or isinstance(model, RegionModel)):
        ignored.append("divisions")
    settings = edit.recipe.drawing
    if settings is not None and not isinstance(model, DrawingModel):
        if not is_sketch:
            ignored.append("the settings for drawings")
        else:
            ignored += ["palettes"] if settings.palette else []
            ignored += ["variants"] if settings.variant else []
    notes = [f"{name} does not use {guidance}, which had no effect" for guidance in ignored]
    # models that only warp references ignore their strength
    if "exemplar" in edit.kinds and "exemplar" in accepts and not isinstance(model, ExemplarModel):
        exemplar, strength = edit.reference or edit.tensors.exemplar, edit.recipe.exemplar.alpha
        if exemplar is not None and strength is None:
            strength = exemplar.alpha
        if strength not in (None, 1):
            notes.append(f"{name} does not use the strength (alpha) of references; it was ignored")
    if "points" in edit.kinds and "points" not in accepts:
        where = "their regions" if is_sketch else "nearby pixels up to lightness edges"
        notes.append(f"{name} does not use points; they color only {where}")
    # region colors of the recipe that were chosen for other proposed regions
    recipe = edit.recipe
    has_colors = recipe.proposal is not None and recipe.regions and edit.tensors.regions is None
    if "regions" in accepts and has_colors:
        from colorzoo.inference.steps.regions import OTHER_PROPOSAL, proposal_hash

        if proposal_hash(proposed_regions(edit)) != recipe.proposal:
            notes.append(OTHER_PROPOSAL)
    return notes
