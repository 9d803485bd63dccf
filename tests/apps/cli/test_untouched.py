"""Commands do not delete or replace files that they did not write."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.errors import ColorzooError
from colorzoo.image_io.provenance import ImageProvenance, read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
from tiny_model import gray_image

EDITS = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="Ann"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
ORIGIN = ImageProvenance("ab" * 32, "cd" * 32, "zhang2016")


def listed(folder: Path) -> dict[str, str]:
    """Return the content hash of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with files of the user whose names are similar to result names."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(gray_image(40, 48)).save("barn.png")
    Image.fromarray(np.dstack([gray_image(40, 48), gray_image(40, 48)[::-1], gray_image(40, 48)])).save(
        "look.png"
    )
    for name in ("barn", "barn.color", "barn.styled", "barn.classes", "look", "film.color"):
        for extension in (".png", ".gif", ".bmp", ".jpg", ".mp4", ".tif"):
            Path(f"{name}{extension}.xmp").write_bytes(EDITS)
    Path(".colorzoo-notes.part").write_text("mine")
    Path("barn.json").write_text("{}")
    Path("names.txt").write_text("mine")
    return tmp_path


def test_colorize_keeps_user_files(folder: Path, weights: Path) -> None:
    words = ["colorize", "barn.png", "--weights", str(weights), "--device", "cpu", "-o"]
    for extension in ("png", "gif", "jpg"):
        for more in ([], ["--provenance", "none", "--overwrite"]):
            result = f"barn{len(more)}.color.{extension}"
            Path(f"{result}.xmp").write_bytes(EDITS)
            before = listed(folder)
            for _ in range(2):
                assert main([*words, result, *more]) == 0
            after = listed(folder)
            assert before.items() <= after.items()
            beside = {f"{result}.colorzoo.xmp"} if extension == "gif" and not more else set()
            assert after.keys() - before.keys() == {result} | beside
            assert (read_provenance(Path(result)) is None) == ("none" in more)


def test_other_commands_keep_user_files(folder: Path) -> None:
    for words, written in (
        ("stylize look.png look.png -o a.png --size 64", {"a.png"}),
        ("data prior . -o prior.npy", {"prior.npy"}),
        ("weights export gray gray.onnx", {"gray.onnx"}),
        ("info barn.png", set()),
        ("doctor", set()),
        ("models", set()),
    ):
        before = listed(folder)
        assert main(words.split()) in (0, 1)
        after = listed(folder)
        assert before.items() <= after.items()
        assert after.keys() - before.keys() == written
        for name in written:  # a user's file has the name of the result
            Path(name).write_bytes(b"mine")
            expected = listed(folder)
            assert main(words.split()) == 2
            assert listed(folder) == expected
            Path(name).unlink()


def test_foreign_sidecar_files_are_kept(folder: Path, weights: Path) -> None:
    foreign = Path("new.gif.xmp")
    foreign.write_bytes(EDITS)
    words = ["colorize", "barn.png", "--weights", str(weights), "-o", "new.gif", "--overwrite"]
    assert main(words) == 0
    found = read_provenance(Path("new.gif"))
    assert found is not None
    assert Path("new.gif.colorzoo.xmp").exists()
    assert main([*words, "--provenance", "none"]) == 0
    assert not Path("new.gif.colorzoo.xmp").exists()
    assert foreign.read_bytes() == EDITS


@pytest.mark.parametrize("links", [True, False])
def test_write_image_does_not_replace_a_file_created_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:  # as on FAT

        def deny(*paths: object) -> None:
            raise PermissionError

        monkeypatch.setattr("os.link", deny)
    image, target = read_image(gray_image(8, 8)), tmp_path / "x.png"
    write_image(tmp_path / "y.png", image.rgb, image)
    # the target is created after the check of the target
    monkeypatch.setattr("colorzoo.image_io.write.encode", lambda *_: b"x" * target.write_bytes(b"mine"))
    with pytest.raises(ColorzooError, match="exists"):
        write_image(target, image.rgb, image)
    assert target.read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"x.png", "y.png"}
