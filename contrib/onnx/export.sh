#!/usr/bin/env bash
# Export the default models for photos and drawings to ONNX, with sample programs and hashes.
# Usage: bash contrib/onnx/export.sh FOLDER
set -euo pipefail
mkdir -p "$1"
for name in colorzoo2026_drawing colorzoo2026; do
  colorzoo weights export "$name" "$1/$name.onnx" --guidance points --overwrite
done
cp "$(dirname "$0")"/colorize.{py,cpp,mjs} "$1"
(cd "$1" && sha256sum -- *.onnx colorize.* >SHA256SUMS)
