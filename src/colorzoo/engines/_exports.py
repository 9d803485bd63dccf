"""Public names of `colorzoo.engines`, which the package imports when they are used."""

from colorzoo.engines.export import (
    TOLERANCE,
    ExportedGraph,
    export_model,
    graph_samples,
    require_onnx,
    write_graph,
)

__all__ = ["TOLERANCE", "ExportedGraph", "export_model", "graph_samples", "require_onnx", "write_graph"]
