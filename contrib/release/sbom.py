"""Build hook of hatchling that adds a software bill of materials (SBOM) to the wheel, as in PEP 770.

The SBOM in CycloneDX format lists the files of other projects and the weights in the wheel, with their hashes
and licenses, and the required packages, which the wheel does not contain.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "colorzoo.cdx.json"
# folder, pattern, type of the component, license; see NOTICE for the sources
INCLUDED = (
    ("src/colorzoo/weights/embedded", "*.safetensors", "machine-learning-model", "Apache-2.0"),
    ("src/colorzoo/color/tables", "pts_*.npy", "data", "MIT"),
    ("src/colorzoo/color/tables", "in_hull.npy", "data", "MIT"),
    ("src/colorzoo/color/tables", "prior_probs.npy", "data", "BSD-2-Clause"),
    ("src/colorzoo/data/subsets", "ilsvrclin12_val_inds.npy", "data", "MIT"),
)


def bill_of_materials(root: Path, name: str, version: str, dependencies: list[str]) -> dict[str, Any]:
    """Return the SBOM of a checkout; equal files give an equal SBOM, so that builds can be reproduced."""
    project = f"pkg:pypi/{name}@{version}"
    components: list[dict[str, Any]] = []
    for folder, pattern, kind, terms in INCLUDED:
        for path in sorted((root / folder).glob(pattern)):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            components.append(
                {
                    "type": kind,
                    "bom-ref": path.relative_to(root / "src").as_posix(),
                    "name": path.name,
                    "hashes": [{"alg": "SHA-256", "content": digest}],
                    "licenses": [{"license": {"id": terms}}],
                }
            )
    included = [each["bom-ref"] for each in components]
    required = []
    for dependency in sorted(dependencies):
        package = re.split(r"[\s\[<>=!~;]", dependency)[0].lower()
        required.append(f"pkg:pypi/{package}")
        components.append(
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{package}",
                "name": package,
                "purl": f"pkg:pypi/{package}",
                "scope": "required",
                "description": f"installed separately, as {dependency}",
            }
        )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, json.dumps([project, components]))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": project,
                "name": name,
                "version": version,
                "purl": project,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": project, "dependsOn": included + required}],
    }


class SbomHook(BuildHookInterface):  # type: ignore[type-arg]
    """Write the SBOM before a wheel is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the SBOM into the build folder; editable installations have none."""
        if version != "standard":
            return
        metadata = self.metadata
        bill = bill_of_materials(Path(self.root), metadata.name, metadata.version, metadata.core.dependencies)
        path = Path(self.directory) / NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete the file after the build."""
        (Path(self.directory) / NAME).unlink(missing_ok=True)
