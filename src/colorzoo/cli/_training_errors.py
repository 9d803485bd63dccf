"""Turn the pages of jsonargparse's errors into one line that names what is wrong and what was near it."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.settings import setting_groups

_NOISE = re.compile(
    r"^(Does not validate against any of the Union subtypes|Subtypes:.*|Errors:|Given value.*"
    r"|Problem with given class_path .*|Expected a <class 'NoneType'>|Expected a path but .*|)$"
)
_UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: (\S+)")
_MISSING = re.compile(r"arguments are required: ([^\n]+)")
_CLASS = re.compile(r"given class_path '(?:[\w.]+\.)?(\w+)'")
_UNKNOWN_OPTION = re.compile(
    r"Option '([\w.]+)' is not accepted|Key '([\w.]+)' is not expected|nrecognized arguments: --([\w.]+)"
    r"|Group '\w+' does not accept option '([\w.]+)'"
)


def explain(message: str) -> ColorzooError:
    """Return the error to show for a message of the parser."""
    where = ".".join(re.findall(r'Parser key "([\w.]+)"', message))
    return ColorzooError(f"{_complaint(message, where)}; `colorzoo fit --help` lists all options.")


def explain_load(message: str) -> WeightsError:
    """Return the error to show when a checkpoint does not fit the configured model."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    shown = " ".join(lines[1:3])[:240]
    return WeightsError(
        f"the checkpoint does not fit the model of the configuration ({shown}); use the configuration it was "
        "trained with (config.yaml in its run's folder)."
    )


def _complaint(message: str, where: str) -> str:
    """Say what is wrong at the option ``where``."""
    if found := _UNKNOWN_CLASS.search(message):
        return f"--{where}: unknown class {found[1]!r}{_suggest(found[1], _class_names())}"
    if found := _MISSING.search(message):
        names = [re.sub(r"^(fit|validate|test|predict)\.", "", name) for name in found[1].split(", ")]
        return "missing " + ", ".join("--" + ".".join(filter(None, (where, name))) for name in names)
    if found := _UNKNOWN_OPTION.search(message):
        name = next(filter(None, found.groups()))
        full = ".".join(filter(None, (where, name)))
        return f"unknown option --{full}{_suggest_argument(name.rpartition('.')[2], message)}"
    return (f"--{where}: " if where else "") + _innermost(message)


def _innermost(message: str) -> str:
    """Return the first line that is neither heading nor alternative."""
    text = re.sub(r'Parser key "[\w.]+":', "", message)
    lines = [" ".join(line.strip(" -").split()) for line in text.splitlines()]
    told = [line for line in lines if not _NOISE.match(line)]
    return told[0][:300].rstrip(".") if told else "the value does not fit"


def _suggest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _class_names() -> list[str]:
    return [cls.__name__ for cls in _known_classes()]


def _suggest_argument(name: str, message: str) -> str:
    """Suggest arguments like ``name``, with their groups: of the class in the message, or of all classes."""
    given = _CLASS.search(message)
    classes = [cls for cls in _known_classes() if given is not None and cls.__name__ == given[1]]
    known = _argument_names(classes or _known_classes())
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    shown = [full for each in near for full in sorted(known[each])][:3]
    return f" (did you mean {' or '.join(shown)}?)" if shown else ""


def _argument_names(classes: Iterable[type]) -> dict[str, set[str]]:
    """Return the arguments of classes by their last word, those in a group with the group before a dot."""
    found: dict[str, set[str]] = {}
    for cls in classes:
        for name in inspect.signature(cls).parameters:
            found.setdefault(name, set()).add(name)
        for group, kind in setting_groups(cls).items():
            for name in inspect.signature(kind).parameters:
                found.setdefault(name, set()).add(f"{group}.{name}")
    return found


def _known_classes() -> list[type]:
    from lightning.pytorch import LightningDataModule, Trainer

    from colorzoo.tasks import ColorizationModule

    return [Trainer, *_below(ColorizationModule), *_below(LightningDataModule)]


def _below(base: type) -> list[type]:
    children: list[type] = base.__subclasses__()
    return [*children, *(grandchild for child in children for grandchild in _below(child))]
