"""Public names of `colorzoo.engines`, which the package imports when they are used."""

from colorzoo.engines.export import TOLERANCE as TOLERANCE
from colorzoo.engines.export import ExportedGraph as ExportedGraph
from colorzoo.engines.export import export_model as export_model
from colorzoo.engines.export import graph_samples as graph_samples
from colorzoo.engines.export import require_onnx as require_onnx
from colorzoo.engines.export import write_graph as write_graph
