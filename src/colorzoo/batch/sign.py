"""C2PA signing of results with the user's key; requires `c2pa-python`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from c2pa import Builder, C2paError, C2paSignerInfo, Reader, Signer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from PIL import Image

from colorzoo import __version__
from colorzoo.batch.task import FileResult
from colorzoo.errors import ColorzooError
from colorzoo.files import write_atomic
from colorzoo.image_io.provenance import SOURCE_TYPES, read_provenance
from colorzoo.pixels.formats import WRITABLE

_ON_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_TRIAL = {"action": "c2pa.created", "digitalSourceType": f"{SOURCE_TYPES}algorithmicMedia"}
_BEGIN, _END = b"-----BEGIN CERTIFICATE", b"-----END CERTIFICATE-----\n"


def load_signer(path: Path) -> Signer:
    """Load a certificate chain and a private key and return a C2PA signer.

    The function signs a small test image to check that the key is valid.

    Args:
        path: PEM file with the certificates and the unencrypted private key.

    Raises:
        ColorzooError: The file cannot be read, or signing with the key fails.
    """
    try:
        pem = path.read_bytes()
        certificates = pem[pem.index(_BEGIN) : pem.rindex(_END) + len(_END)]  # ValueError without them
        key = pem.replace(certificates, b"")
        timestamp_url = None  # signatures contain no timestamp of a server
        info = C2paSignerInfo(_algorithm(key), certificates, key, timestamp_url)
        signer = Signer.from_info(info)
        trial = io.BytesIO()
        Image.new("L", (8, 8)).save(trial, "PNG")
        _signed(trial, "image/png", _manifest("trial", [_TRIAL]), signer)
    except OSError as error:
        raise ColorzooError(f"--sign {path}: {error.strerror or error}") from error
    except (ValueError, C2paError) as error:
        raise ColorzooError(
            "--sign must be a PEM file that contains the certificate chain (signer's certificate first) and "
            f"an unencrypted private key, got {path}: {error}"
        ) from error
    return signer


def sign_results(results: Iterable[FileResult], signer: Signer, advance: Callable[[], None]) -> list[str]:
    """Sign the result files of a run that have no C2PA signature.

    If the run skipped a file because its result exists, the existing result is also signed.

    Args:
        results: Outcome of each file in the run.
        signer: Signer returned by `load_signer`.
        advance: Function called after each result, for a progress bar.

    Returns:
        Paths of the result files that cannot be signed, because C2PA does not support the format or the file
        has no provenance record.

    Raises:
        ColorzooError: A file cannot be read or written.
    """
    supported = Builder.get_supported_mime_types()
    unsigned = []
    for result in results:
        if result.finished:
            path = Path(result.output)
            format_name = WRITABLE[path.suffix.lower()]
            mime_type = f"image/{format_name.lower()}"
            record = read_provenance(path) if mime_type in supported else None
            if record is None:
                unsigned.append(result.output)
                advance()
                continue
            # the creation of the result and, if cropped, the crop
            when = {"when": record.date} if record.date else {}
            by: dict[str, Any] = {"softwareAgent": {"name": "colorzoo", "version": record.version}} | when
            created: dict[str, Any] = {
                "action": "c2pa.created",
                "digitalSourceType": record.source_type,
                "description": f"colors by {record.model}; the source has the SHA-256 {record.source}",
            }
            actions = [created | by]
            if record.crop:
                part = f"cropped to this part of the source: {record.crop}"
                cropped: dict[str, Any] = {"action": "c2pa.cropped", "description": part}
                actions.append(cropped | by)
            try:
                content = io.BytesIO(path.read_bytes())
                if Reader.try_create(mime_type, content) is None:  # not signed yet
                    write_atomic(path, _signed(content, mime_type, _manifest(path.name, actions), signer))
            except (OSError, C2paError) as error:
                raise ColorzooError(f"--sign: {path} cannot be signed: {error}") from error
        advance()
    return unsigned


def _algorithm(key: bytes) -> str:
    try:
        private = load_pem_private_key(key, None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    if isinstance(private, EllipticCurvePrivateKey):
        return _ON_CURVES.get(private.curve.name, "es256")  # other curves fail in `load_signer`
    return "ps256" if isinstance(private, RSAPrivateKey) else "ed25519"


def _signed(content: io.BytesIO, kind: str, manifest: dict[str, Any], signer: Signer) -> bytes:
    content.seek(0)
    target = io.BytesIO()
    with Builder(json.dumps(manifest)) as builder:
        builder.sign(signer, kind, content, target)
    return target.getvalue()


def _manifest(name: str, actions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": name,
        "claim_generator_info": [{"name": "colorzoo", "version": __version__}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
