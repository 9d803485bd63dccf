"""Simulated users: what a person would give an interactive model, made from the true colors of pictures."""

from colorzoo.users.classes import ClassMapUser
from colorzoo.users.edges import bled_edges, bled_runs
from colorzoo.users.exemplars import ExemplarUser
from colorzoo.users.points import MostWrongPoints, ProposedPoints, UniformPoints
from colorzoo.users.protocol import Answer, Given, Hand, Scene, SimulatedUser
from colorzoo.users.regions import PriorityRegions, SuperpixelRegions
from colorzoo.users.registry import list_users, make_user
from colorzoo.users.scribbles import BledEdgeScribbles
from colorzoo.users.session import Turn, play
from colorzoo.users.statistics import TrueStatistics

__all__ = [
    "Answer",
    "BledEdgeScribbles",
    "ClassMapUser",
    "ExemplarUser",
    "Given",
    "Hand",
    "MostWrongPoints",
    "PriorityRegions",
    "ProposedPoints",
    "Scene",
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
