"""Signed results, verified with the c2pa library."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from colorzoo.image_io.provenance import read_provenance
from tiny_model import Run, gray_image

c2pa = pytest.importorskip("c2pa", reason='missing, not passed: c2pa; python -m pip install "colorzoo[sign]"')


def certificate(name: str, key: Any, issuer: str, signer: Any, *, authority: bool) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(text: str) -> x509.Name:
        attributes = {NameOID.COMMON_NAME: text, NameOID.ORGANIZATION_NAME: "An archive"}
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes.items()])

    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    )
    usage |= {"encipher_only": False, "decipher_only": False, "digital_signature": not authority}
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    built = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, key_cert_sign=authority, crl_sign=authority), critical=True)
        .add_extension(own, critical=False)
        .add_extension(above, critical=False)
    )
    if not authority:
        use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        built = built.add_extension(use, critical=False)
    return built.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a certificate, the certificate of its authority, and the key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    path.write_bytes(
        certificate("A signer", key, "A root", root, authority=False)
        + certificate("A root", root, "A root", root, authority=True)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture
def album(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg", "c.tif", "d.webp"):
        Image.fromarray(gray_image(40, 60)).save(tmp_path / "in" / name)
    return tmp_path / "in"


def claim(path: Path) -> dict[str, Any]:
    """Return the active manifest of a file, and under ``state`` whether it is valid."""
    with c2pa.Reader(path) as reader:
        read = json.loads(reader.json())
    found: dict[str, Any] = read["manifests"][read["active_manifest"]]
    return {**found, "state": read["validation_state"]}


def actions(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the signed actions of a manifest."""
    (made,) = (each for each in found["assertions"] if each["label"].startswith("c2pa.actions"))
    listed: list[dict[str, Any]] = made["data"]["actions"]
    return listed


def test_sign_option_adds_a_valid_claim_and_keeps_provenance_and_pixels(
    run: Run, album: Path, tmp_path: Path, pem: Path
) -> None:
    assert run(album, "-o", tmp_path / "plain")[0] == 0
    assert run(album, "-o", tmp_path / "signed", "--sign", pem, "--report", tmp_path / "r.csv")[0] == 0
    for path in (tmp_path / "signed").iterdir():
        record, found = read_provenance(path), claim(path)
        assert record is not None
        assert found["state"] == "Valid"
        (action,) = actions(found)
        assert action["digitalSourceType"] == record.source_type
        assert record.source in action["description"]
        assert found["signature_info"]["common_name"] == "A signer"
        with Image.open(path) as one, Image.open(tmp_path / "plain" / path.name) as other:
            assert one.tobytes() == other.tobytes()


def test_signed_claim_contains_the_crop(run: Run, album: Path, tmp_path: Path, pem: Path) -> None:
    assert run(album / "a.png", "-o", tmp_path / "a.png", "--sign", pem, "--crop", "5,4,40,30,-2")[0] == 0
    found = claim(tmp_path / "a.png")
    assert found["state"] == "Valid"
    created, kept = actions(found)
    assert (created["action"], kept["action"]) == ("c2pa.created", "c2pa.cropped")
    assert "5,4,40,30,-2" in kept["description"]


def test_second_run_signs_only_unsigned_results(run: Run, album: Path, tmp_path: Path, pem: Path) -> None:
    out = tmp_path / "out"
    assert run(album / "a.png", "-o", f"{out}/")[0] == 0
    assert run(album, "-o", out, "--sign", pem)[0] == 0
    kept = {path: path.read_bytes() for path in out.iterdir()}
    assert len({claim(path)["instance_id"] for path in kept}) == 4
    assert run(album, "-o", out, "--sign", pem)[0] == 0
    assert {path: path.read_bytes() for path in out.iterdir()} == kept


def test_link_to_an_earlier_result_is_not_replaced_by_a_signed_file(
    run: Run, album: Path, tmp_path: Path, pem: Path
) -> None:
    out, kept = tmp_path / "out" / "a.png", tmp_path / "kept.png"
    assert run(album / "a.png", "-o", kept)[0] == 0
    out.parent.mkdir()
    out.symlink_to(kept)
    before = kept.read_bytes()
    code, _, err = run(album / "a.png", "-o", f"{out.parent}/", "--sign", pem)
    assert (code, str(out) in err) == (2, True)
    assert out.is_symlink()
    assert kept.read_bytes() == before


def test_claim_of_a_changed_file_is_invalid(run: Run, album: Path, tmp_path: Path, pem: Path) -> None:
    assert run(album / "b.jpg", "-o", tmp_path / "b.jpg", "--sign", pem)[0] == 0
    content = bytearray((tmp_path / "b.jpg").read_bytes())
    content[-40] ^= 1
    (tmp_path / "b.jpg").write_bytes(content)
    assert claim(tmp_path / "b.jpg")["state"] == "Invalid"


def test_sign_option_reports_formats_that_cannot_be_signed(run: Run, tmp_path: Path, pem: Path) -> None:
    Image.fromarray(gray_image(30, 40)).save(tmp_path / "a.bmp")
    code, _, err = run(tmp_path / "a.bmp", "-o", tmp_path / "out.bmp", "--sign", pem)
    assert (code, f"not signed: {tmp_path / 'out.bmp'}" in err) == (0, True)


def test_sign_option_rejects_files_without_key_or_certificates(
    run: Run, album: Path, tmp_path: Path, pem: Path
) -> None:
    for kept in ["certificates", "key", "nothing"]:
        first, end, key = pem.read_text().rpartition("-----END CERTIFICATE-----\n")
        broken = tmp_path / "broken.pem"
        broken.write_text({"certificates": first + end, "key": key, "nothing": ""}[kept])
        code, _, err = run(album, "-o", tmp_path / "out", "--sign", broken)
        assert (code, f"got {broken}" in err) == (2, True)
        assert not (tmp_path / "out").exists()


def test_sign_option_error_names_a_missing_file(run: Run, album: Path, tmp_path: Path) -> None:
    code, _, err = run(album, "-o", tmp_path / "out", "--sign", tmp_path / "gone.pem")
    assert (code, f"gone.pem: {os.strerror(2)}" in err) == (2, True)


def test_sign_option_rejects_an_unsupported_curve(run: Run, album: Path, tmp_path: Path, pem: Path) -> None:
    """The key has 256 bits, as an ES256 key has."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    first, end, _ = pem.read_text().rpartition("-----END CERTIFICATE-----\n")
    other = ec.generate_private_key(ec.SECP256K1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "other.pem").write_text(first + end + other.decode())
    code, _, err = run(album, "-o", tmp_path / "out", "--sign", tmp_path / "other.pem")
    assert code == 2
    assert "--sign" in err
