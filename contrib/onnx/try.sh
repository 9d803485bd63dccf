#!/usr/bin/env bash
# Run the sample programs in the FOLDER of export.sh, and compare their results.
# Usage: [ORT=FOLDER_OF_ONNX_RUNTIME] bash contrib/onnx/try.sh FOLDER
# A program whose compiler, runtime or package is missing is skipped, unless CI is set.
set -euo pipefail
folder=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
(cd "$folder" && sha256sum --check --quiet SHA256SUMS)
python - "$scratch" <<'PYTHON'
import sys
import numpy as np
from PIL import Image
y, x = np.mgrid[:301, :420]
photo = 120 + 60 * np.sin(x / 37) * np.cos(y / 23) + 40 * (y > 150)
drawing = np.where((x // 60 + y // 50) % 2 & (x % 60 < 3), 0, 255)
for name, image in (("photo", photo), ("drawing", drawing)):
    Image.fromarray(image.astype(np.uint8)).convert("RGB").save(f"{sys.argv[1]}/{name}.ppm")
PYTHON

programs=("python $folder/colorize.py")
skip() {
  echo "skipped: $1"
  [[ -z "${CI:-}" ]]
}
if [[ -n "${ORT:-}" ]]; then
  c++ -std=c++17 -O2 "$folder/colorize.cpp" -I"$ORT/include" -L"$ORT/lib" -lonnxruntime -o "$scratch/colorize"
  programs+=("env LD_LIBRARY_PATH=$ORT/lib $scratch/colorize")
else
  skip "C++, because ORT is not set"
fi
if command -v node >/dev/null && [[ -d node_modules/onnxruntime-common ]]; then
  cp "$folder/colorize.mjs" ./.colorize.mjs # Node.js searches packages beside the program
  trap 'rm -rf "$scratch" ./.colorize.mjs' EXIT
  programs+=("node ./.colorize.mjs")
else
  skip "JavaScript, because onnxruntime-node is not installed"
fi
for kind in photo drawing; do
  model="$folder/colorzoo2026.onnx"
  if [[ "$kind" == drawing ]]; then model="$folder/colorzoo2026_drawing.onnx"; fi
  for index in "${!programs[@]}"; do
    ${programs[$index]} "$model" "$scratch/$kind.ppm" "$scratch/$kind.$index.ppm"
  done
done
python - "$scratch" "${#programs[@]}" <<'PYTHON'
import sys
import numpy as np
from PIL import Image
folder, count = sys.argv[1], int(sys.argv[2])
for kind in ("photo", "drawing"):
    images = [np.asarray(Image.open(f"{folder}/{kind}.{index}.ppm")).astype(int) for index in range(count)]
    chroma = np.ptp(images[0], axis=2).mean()
    assert chroma > 1, f"{kind}: the result is gray"
    for image in images[1:]:
        difference = np.abs(image - images[0]).mean()
        assert difference < 3, f"{kind}: the programs differ by {difference:.2f} levels"
    print(f"{kind}: {count} programs agree, mean chroma {chroma:.1f} levels")
PYTHON
