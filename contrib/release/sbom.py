"""Build hook of hatchling that adds a software bill of materials (SBOM) to the wheel, as in PEP 770.

The SBOM in CycloneDX format lists the files of other projects and the weights in the wheel, with their hashes
and licenses, and the required packages, which the wheel does not contain. It also names the licenses of the
training data of each weight file.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "colorzoo.cdx.json"
WEIGHTS = "machine-learning-model"
# folder, pattern, type of the component, license; see NOTICE for the sources
INCLUDED = (
    ("src/colorzoo/weights/embedded", "*.safetensors", WEIGHTS, "Apache-2.0"),
    ("src/colorzoo/color/tables", "pts_*.npy", "data", "MIT"),
    ("src/colorzoo/color/tables", "in_hull.npy", "data", "MIT"),
    ("src/colorzoo/color/tables", "prior_probs.npy", "data", "BSD-2-Clause"),
    ("src/colorzoo/data/subsets", "ilsvrclin12_val_inds.npy", "data", "MIT"),
)


# training data of files that no model card lists; see NOTICE
OTHER_DATA = {
    "efficientnet_lite2.safetensors": "ImageNet (NOTICE, section 4)",
    "colorzoo2026_encoder.safetensors": "PHOTO_LICENSES",
    "shot_boundaries.safetensors": "PHOTO_LICENSES",
    "things.safetensors": "PHOTO_LICENSES",
}


def data_licenses(root: Path) -> dict[str, str]:
    """Return the licenses of the training data of each weight file in the package.

    The model cards are parsed and not imported, because the build environment lacks the dependencies.
    """
    package = root / "src" / "colorzoo"
    found, constants = dict(OTHER_DATA), {}
    for path in (package / "card.py", *sorted(package.glob("zoo/*/card.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                constants[ast.unparse(node.targets[0])] = node.value.value
            elif isinstance(node, ast.Call):
                words = {each.arg: each.value for each in node.keywords}
                if "file" in words and "data_license" in words:
                    found[ast.literal_eval(words["file"])] = ast.unparse(words["data_license"])
    return {file: constants.get(text, text) for file, text in found.items()}


def tested_versions(root: Path) -> dict[str, str]:
    """Return the version of each package in ``constraints.txt``, without local parts such as ``+cpu``."""
    text = (root / "constraints.txt").read_text(encoding="utf-8")
    return {
        name.lower(): version for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
    }


def bill_of_materials(root: Path, name: str, version: str, dependencies: list[str]) -> dict[str, Any]:
    """Return the SBOM of a checkout; equal files give an equal SBOM, so that builds can be reproduced."""
    project = f"pkg:pypi/{name}@{version}"
    components: list[dict[str, Any]] = []
    data, versions = data_licenses(root), tested_versions(root)
    for terms in sorted(set(data.values())):
        digest = hashlib.sha256(terms.encode()).hexdigest()[:8]
        components.append(
            {
                "type": "data",
                "bom-ref": f"training-data-{digest}",
                "name": "training data of weights, not contained",
                "scope": "excluded",
                "licenses": [{"license": {"name": terms}}],
            }
        )
    training = {each["licenses"][0]["license"]["name"]: each["bom-ref"] for each in components}
    for folder, pattern, kind, terms in INCLUDED:
        for path in sorted((root / folder).glob(pattern)):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            component: dict[str, Any] = {
                "type": kind,
                "bom-ref": path.relative_to(root / "src").as_posix(),
                "name": path.name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"license": {"id": terms}}],
            }
            if kind == WEIGHTS:
                terms_of_data = data[path.name]
                component["modelCard"] = {"modelParameters": {"datasets": [{"ref": training[terms_of_data]}]}}
                component["properties"] = [{"name": "colorzoo:data_license", "value": terms_of_data}]
            components.append(component)
    included = [each["bom-ref"] for each in components if "hashes" in each]
    required = []
    for dependency in sorted(dependencies):
        package = re.split(r"[\s\[<>=!~;]", dependency)[0].lower()
        required.append(f"pkg:pypi/{package}")
        components.append(
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{package}",
                "name": package,
                "version": versions[package],
                "purl": f"pkg:pypi/{package}@{versions[package]}",
                "scope": "required",
                "description": f"installed separately, as {dependency}; the tests passed with this version",
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
