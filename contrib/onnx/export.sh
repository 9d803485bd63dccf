#!/usr/bin/env bash
# Export the default models for photos and drawings to ONNX, with sample programs and hashes.
# Usage: bash contrib/onnx/export.sh FOLDER
set -euo pipefail
mkdir -p "$1"
for model in colorzoo2026 colorzoo2026_drawing; do
  colorzoo weights export "$model" "$1/$model.onnx"
done
cp "$(dirname "$0")"/colorize.{py,cpp,mjs} "$1"
(cd "$1" && sha256sum -- *.onnx colorize.* >SHA256SUMS)
