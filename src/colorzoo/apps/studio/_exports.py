"""Public names of `colorzoo.apps.studio`, which the package imports when they are used."""

from colorzoo.apps.studio.widget import Pad as Pad
