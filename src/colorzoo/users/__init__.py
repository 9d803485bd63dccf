"""Simulated users: what a person would give an interactive model, made from the true colors of pictures."""

from colorzoo.users.bled_edges import bled_edges, bled_runs
from colorzoo.users.classes import ClassMapUser
from colorzoo.users.exemplars import ExemplarUser
from colorzoo.users.global_statistics import TrueStatistics
from colorzoo.users.points import MostWrongPoints, ProposedPoints, UniformPoints
from colorzoo.users.protocol import Given, Hand, Scene, SeenResult, SimulatedUser
from colorzoo.users.regions import PriorityRegions, SuperpixelRegions
from colorzoo.users.registry import list_users, make_user
from colorzoo.users.scribbles import BledEdgeScribbles
from colorzoo.users.session import Turn, play

__all__ = [
    "BledEdgeScribbles",
    "ClassMapUser",
    "ExemplarUser",
    "Given",
    "Hand",
    "MostWrongPoints",
    "PriorityRegions",
    "ProposedPoints",
    "Scene",
    "SeenResult",
    "SimulatedUser",
    "SuperpixelRegions",
    "TrueStatistics",
    "Turn",
    "UniformPoints",
    "bled_edges",
    "bled_runs",
    "list_users",
    "make_user",
    "play",
]
