"""PNG and JPEG: every kind works or gives one sentence with the file's name."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from fetalseg.errors import UnreadableError
from fetalseg.io import pictures
from fetalseg.io.registry import ENDINGS, ending, read, readable
from fetalseg.scan import Spacing

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def save(path: Path, array: np.ndarray, mode: str | None = None, **how: object) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **how)
    return path


def encoded(array: np.ndarray, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, format=kind, **how)
    return out.getvalue()


def png_claiming(columns: int, rows: int) -> bytes:
    """The head of a PNG of that size, without its pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0")
    chunks = b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data))
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_grey_png_is_read_as_stored(tmp_path):
    path = save(tmp_path / "a.PNG", RAMP)
    scan = read(path)
    assert scan.name == "a.PNG"
    assert scan.shape == (6, 8)
    assert scan.pixels.shape == (1, 6, 8)
    assert scan.pixels.dtype == np.uint8
    assert np.array_equal(scan.pixels[0], RAMP)
    assert scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert scan.path == path
    assert scan.spacing is None


def test_name_and_spacing_are_taken_over(tmp_path):
    spacing = Spacing(0.1, 0.2, "typed in")
    scan = read(save(tmp_path / "a.png", RAMP), name="exam/a.png", spacing=spacing)
    assert scan.name == "exam/a.png"
    assert scan.spacing == spacing


def test_sixteen_bits_stay_sixteen(tmp_path):
    wide = RAMP.astype(np.uint16) * 257
    scan = read(save(tmp_path / "a.png", wide))
    assert scan.pixels.dtype == np.uint16
    assert scan.pixels.dtype.isnative
    assert np.array_equal(scan.pixels[0], wide)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_stored_as_colour_stays_grey(tmp_path, mode):
    image = Image.fromarray(RAMP).convert(mode)
    if mode != "RGB":
        image.putalpha(Image.fromarray(np.full_like(RAMP, 10)))  # nearly transparent: ignored, not blended
    image.save(tmp_path / "a.png")
    scan = read(tmp_path / "a.png")
    assert scan.pixels.dtype == np.uint8
    assert np.array_equal(scan.pixels[0], RAMP)


@pytest.mark.parametrize(("colour", "luma"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)])
def test_colour_becomes_luma(tmp_path, colour, luma):
    array = np.full((4, 5, 3), colour, np.uint8)
    assert (read(save(tmp_path / "a.png", array)).pixels == luma).all()


def test_palette_is_looked_up(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode=None).convert("P")
    image.putdata([0, 1, 2, 1])
    image.putpalette([0, 0, 0, 255, 0, 0, 200, 200, 200])
    image.save(tmp_path / "a.png", transparency=2)
    assert read(tmp_path / "a.png").pixels[0].tolist() == [[0, 76], [200, 76]]


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(RAMP > 100).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png").pixels[0], np.where(RAMP > 100, 255, 0))


def test_cmyk_jpeg(tmp_path):
    grey = np.full((16, 16), 128, np.uint8)
    Image.fromarray(grey).convert("RGB").convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    assert abs(int(read(tmp_path / "a.jpg").pixels.mean()) - 128) <= 3


def test_orientation_tag_does_not_turn_the_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RAMP).save(tmp_path / "a.jpeg", exif=exif)
    assert read(tmp_path / "a.jpeg").shape == (6, 8)


def test_one_pixel(tmp_path):
    assert read(save(tmp_path / "a.png", np.array([[7]], np.uint8))).pixels.tolist() == [[[7]]]


def test_png_that_is_called_jpg_is_read(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(RAMP, "PNG"))
    assert np.array_equal(read(tmp_path / "a.jpg").pixels[0], RAMP)


def test_hundred_million_pixels_without_touching_pillows_limit(tmp_path):
    limit = Image.MAX_IMAGE_PIXELS
    Image.new("L", (10_000, 10_000), 9).save(tmp_path / "a.png", compress_level=1)
    scan = read(tmp_path / "a.png")
    assert scan.shape == (10_000, 10_000)
    assert scan.pixels[0, -1, -1] == 9
    assert limit == Image.MAX_IMAGE_PIXELS


def test_larger_than_memory_is_meant_for(tmp_path):
    (tmp_path / "huge.png").write_bytes(png_claiming(30_000, 30_000))
    with pytest.raises(UnreadableError, match=r"huge\.png is 30000 x 30000 pixels, more than the 400 million"):
        read(tmp_path / "huge.png")


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_no_pixels(tmp_path, size):
    (tmp_path / "none.png").write_bytes(png_claiming(*size))
    with pytest.raises(UnreadableError, match=r"none\.png"):
        read(tmp_path / "none.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("tolerant", [False, True])
def test_cut_short_is_refused_even_where_pillow_is_told_to_bear_it(tmp_path, monkeypatch, kind, tolerant):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    noise = np.random.default_rng(1).integers(0, 255, (120, 160), dtype=np.uint8)
    data = encoded(noise, kind)
    path = tmp_path / ("cut.png" if kind == "PNG" else "cut.jpg")
    for share in (0.02, 0.3, 0.6, 0.95):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UnreadableError, match=r"cut\.(png|jpg) is damaged or cut short"):
            read(path)
    assert tolerant == ImageFile.LOAD_TRUNCATED_IMAGES


@given(st.sampled_from(["PNG", "JPEG"]), st.floats(0, 1), st.binary(max_size=8))
def test_any_damage_is_a_sentence_or_leaves_every_pixel(kind, share, junk):
    """A cut anywhere is refused, or only what follows the last pixel was lost; junk never crashes."""
    data = encoded(np.tile(RAMP, (4, 4)), kind)
    at = 8 + int((len(data) - 8) * share)
    whole = pictures.decode(data, "x").pixels
    cut = pixels_or_sentence(data[:at])
    assert cut.startswith("x ") if isinstance(cut, str) else np.array_equal(cut, whole)
    forged = pixels_or_sentence(data[:at] + junk + data[at + len(junk) :])
    assert not isinstance(forged, str) or forged.startswith("x ")


def pixels_or_sentence(data):
    try:
        return pictures.decode(data, "x").pixels
    except UnreadableError as error:
        return str(error)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello, I am text", "is no PNG or JPEG picture, although its ending says so"),
        (b"II*\x00rest", "looks like a TIFF"),
        (b"<html>", "looks like a web page"),
        (bytes(500), "only zeros"),
    ],
)
def test_what_is_no_picture(tmp_path, data, words):
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(UnreadableError, match=rf"bad\.png .*{words}"):
        read(tmp_path / "bad.png")


def test_missing_folder_and_unknown_ending(tmp_path):
    with pytest.raises(UnreadableError, match=r"gone\.png is not there"):
        read(tmp_path / "gone.png")
    (tmp_path / "dir.png").mkdir()
    with pytest.raises(UnreadableError, match=r"dir\.png is a folder"):
        read(tmp_path / "dir.png")
    (tmp_path / "film.avi").write_bytes(b"RIFF")
    with pytest.raises(UnreadableError, match=r"film\.avi is of no kind .*\.jpeg.*\.tiff"):
        read(tmp_path / "film.avi")
    with pytest.raises(UnreadableError, match=r"gone\.avi is not there"):
        read(tmp_path / "gone.avi")


def test_no_permission(tmp_path, monkeypatch):
    path = save(tmp_path / "mine.png", RAMP)

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UnreadableError, match=r"mine\.png may not be read"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_disk_error(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", RAMP)

    def fail(self):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(UnreadableError, match=r"a\.png can't be read: Input/output error\."):
        read(path)


def test_memory_that_does_not_suffice_is_a_sentence(tmp_path, monkeypatch):
    def full(data, name):
        raise MemoryError

    monkeypatch.setitem(ENDINGS, ".png", full)
    with pytest.raises(UnreadableError, match=r"a\.png does not fit"):
        read(save(tmp_path / "a.png", RAMP))


@pytest.mark.parametrize(
    ("name", "known"),
    [("a.png", True), ("A.JPG", True), ("x/y.tiff", True), ("a.txt", False), ("png", False), (".png", False)],
)
def test_endings(name, known):
    assert readable(name) is known
    assert (ending(name) is not None) is known
