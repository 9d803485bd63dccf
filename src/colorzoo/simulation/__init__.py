"""Simulated users, which derive hints from the ground truth for training and evaluation."""

from colorzoo.simulation.drawings import DrawingPoints, DrawingRegions
from colorzoo.simulation.points import MostWrongPoints, ProposedPoints, UniformPoints
from colorzoo.simulation.regions import PriorityRegions, SuperpixelRegions
from colorzoo.simulation.registry import list_users, make_user
from colorzoo.simulation.scribbles import BledEdgeScribbles, bled_edges, bled_runs
from colorzoo.simulation.session import (
    ColorFunction,
    InputFunction,
    SessionResult,
    SimulatedUser,
    TargetImage,
    Turn,
    UserInput,
    play,
)
from colorzoo.simulation.whole_image import ExemplarUser, TrueStatistics

__all__ = [
    "BledEdgeScribbles",
    "ColorFunction",
    "DrawingPoints",
    "DrawingRegions",
    "ExemplarUser",
    "InputFunction",
    "MostWrongPoints",
    "PriorityRegions",
    "ProposedPoints",
    "SessionResult",
    "SimulatedUser",
    "SuperpixelRegions",
    "TargetImage",
    "TrueStatistics",
    "Turn",
    "UniformPoints",
    "UserInput",
    "bled_edges",
    "bled_runs",
    "list_users",
    "make_user",
    "play",
]
