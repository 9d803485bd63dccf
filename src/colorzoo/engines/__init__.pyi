from .export import TOLERANCE as TOLERANCE
from .export import ExportedGraph as ExportedGraph
from .export import export_model as export_model
from .export import graph_samples as graph_samples
from .export import require_onnx as require_onnx
from .export import write_graph as write_graph

__all__ = [
    "TOLERANCE",
    "ExportedGraph",
    "export_model",
    "graph_samples",
    "require_onnx",
    "write_graph",
]
