#!/usr/bin/env bash
# Export the default models for photos and drawings to ONNX, with sample programs and hashes.
# Usage: bash contrib/onnx/export.sh FOLDER
set -euo pipefail
mkdir -p "$1"
# the graphs accept points only, because an input for references cannot be left out
python - "$1" colorzoo2026_drawing colorzoo2026 <<'PYTHON'
import sys
from dataclasses import replace
from pathlib import Path

from colorzoo.engines.export import export_model
from colorzoo.registry import model_card

for name in sys.argv[2:]:
    graph = export_model(replace(model_card(name), guidance=("points",)), Path(sys.argv[1], f"{name}.onnx"))
    print(f"{graph.path}: inputs {', '.join(graph.inputs)}; largest difference {max(graph.differences.values()):.1e}")
PYTHON
cp "$(dirname "$0")"/colorize.{py,cpp,mjs} "$1"
(cd "$1" && sha256sum -- *.onnx colorize.* >SHA256SUMS)
