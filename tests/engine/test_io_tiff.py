"""TIFF: stills, stacks, colours, numbers that are none, spacing, damage."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from fetalseg.errors import UnreadableError
from fetalseg.io import registry
from fetalseg.io.registry import read

RNG = np.random.default_rng(3)
STACK = RNG.integers(0, 255, (5, 24, 32), dtype=np.uint8)
STILL = STACK[0]


def write(path, array, **how):
    how.setdefault("photometric", "minisblack")
    tifffile.imwrite(path, array, **how)
    return path


@pytest.fixture
def tif(tmp_path):
    return tmp_path / "scan.tif"


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_every_kind_of_number(tif, dtype, byteorder):
    array = (STILL // 2).astype(dtype)
    scan = read(write(tif, array, byteorder=byteorder))
    assert scan.pixels.dtype == np.dtype(dtype)
    assert scan.pixels.dtype.isnative
    assert np.array_equal(scan.pixels[0], array)


@pytest.mark.parametrize("shape", [(24, 32), (1, 24, 32), (3, 24, 32), (5, 24, 32), (2, 3, 24, 32), (1, 1), (1, 7)])
def test_shape_is_the_inputs_own(tif, shape):
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    scan = read(write(tif, array))
    assert scan.shape == shape == tifffile.imread(tif).shape
    assert np.array_equal(scan.pixels, array.reshape(-1, *shape[-2:]))


def test_three_pages_without_description_are_three_frames(tif):
    assert read(write(tif, STACK[:3], metadata=None)).shape == (3, 24, 32)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "zstd"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_compressed(tif, compression, tile):
    assert np.array_equal(read(write(tif, STACK, compression=compression, tile=tile)).pixels, STACK)


def test_jpeg_in_tiff(tif):
    smooth = np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8), (2, 64, 64))
    scan = read(write(tif, smooth, compression="jpeg"))
    assert scan.shape == (2, 64, 64)
    assert np.abs(scan.pixels.astype(int) - smooth).max() < 12


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("frames", [None, 4])
def test_colour_becomes_luma_and_leaves_the_shape(tif, alpha, planar, frames):
    channels = [np.full((24, 32), v, np.uint8) for v in ((10, 200, 90, 3) if alpha else (10, 200, 90))]
    axis = -1 if planar == "contig" else 0
    frame = np.stack(channels, axis)
    array = frame if frames is None else np.stack([frame] * frames)
    extra = {"extrasamples": ["unassalpha"]} if alpha else {}
    scan = read(write(tif, array, photometric="rgb", planarconfig=planar, **extra))
    assert scan.shape == ((24, 32) if frames is None else (frames, 24, 32))
    assert scan.pixels.dtype == np.uint8
    assert (scan.pixels == round(0.299 * 10 + 0.587 * 200 + 0.114 * 90)).all()


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_grey_as_wide_colour_is_exact(tif, dtype):
    grey = (STILL.astype(np.uint16) * 257).astype(dtype)
    scan = read(write(tif, np.stack([grey] * 3, -1), photometric="rgb"))
    assert scan.pixels.dtype == np.dtype(dtype)
    np.testing.assert_allclose(scan.pixels[0], grey, rtol=1e-6)


def test_palette(tif):
    table = np.zeros((3, 256), np.uint16)
    table[0, 1] = 65535
    table[:, 2] = 40000
    tifffile.imwrite(tif, np.array([[0, 1, 2]], np.uint8), photometric="palette", colormap=table)
    assert read(tif).pixels.tolist() == [[[0, 76, 40000 >> 8]]]


def test_white_is_zero_is_turned_round(tif):
    assert np.array_equal(read(write(tif, STILL, photometric="miniswhite")).pixels[0], 255 - STILL)


def test_one_bit(tif):
    assert np.array_equal(read(write(tif, STILL > 100)).pixels[0], np.where(STILL > 100, 255, 0))


def test_pages_of_several_kinds_are_one_stack(tif):
    with tifffile.TiffWriter(tif) as out:
        out.write(STACK[0], photometric="minisblack")
        out.write(np.stack([STACK[1]] * 3, -1), photometric="rgb")
        out.write(STACK[2], photometric="minisblack", compression="zlib")
    assert np.array_equal(read(tif).pixels, STACK[:3])


def test_pages_of_several_sizes_are_refused(tif):
    with tifffile.TiffWriter(tif) as out:
        out.write(STACK[0], photometric="minisblack")
        out.write(STACK[0, :10], photometric="minisblack")
    with pytest.raises(UnreadableError, match=r"scan\.tif holds pictures of different sizes \(32 x 10, 32 x 24\)"):
        read(tif)


def test_a_preview_is_no_frame(tif):
    with tifffile.TiffWriter(tif) as out:
        out.write(STACK[0], photometric="minisblack")
        out.write(STACK[0, ::2, ::2], photometric="minisblack", subfiletype=1)
    assert read(tif).shape == (24, 32)


def test_values_that_are_none_become_background(tif):
    array = STACK.astype(np.float32)
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    scan = read(write(tif, array))
    assert scan.notes == ("not_finite",)
    assert scan.pixels[0, 0, :3].tolist() == [0, 0, 0]
    assert np.array_equal(scan.pixels[1:], array[1:])
    assert read(write(tif, STILL.astype(np.float32))).notes == ()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_finite(tif, value):
    with pytest.raises(UnreadableError, match=r"scan\.tif holds no number that is finite"):
        read(write(tif, np.full((4, 4), value, np.float32)))


def test_complex_numbers_and_channels_that_are_no_colours(tif):
    with pytest.raises(UnreadableError, match=r"scan\.tif holds numbers of the kind complex64"):
        read(write(tif, STILL.astype(np.complex64)))
    with pytest.raises(UnreadableError, match=r"scan\.tif has 5 channels"):
        read(write(tif, np.zeros((24, 32, 5), np.uint8), planarconfig="contig"))


def test_constant(tif):
    assert (read(write(tif, np.full((8, 8), 3, np.uint16))).pixels == 3).all()


@pytest.mark.parametrize(
    "how", [{}, {"compression": "zlib"}, {"bigtiff": True}, {"imagej": True}, {"metadata": None}, {"byteorder": ">"}]
)
def test_cut_short_anywhere_is_refused(tif, how):
    """tifffile alone returns fewer pages where the file ends early."""
    array = np.random.default_rng(4).integers(0, 255, (6, 40, 50), dtype=np.uint8)
    if how.get("imagej"):
        tifffile.imwrite(tif, array, **how)
    else:
        write(tif, array, **how)
    data = tif.read_bytes()
    assert read(tif).frames == 6
    for share in np.linspace(0.01, 0.99, 25):
        tif.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UnreadableError, match=r"scan\.tif"):
            read(tif)


def test_damage_never_crashes(tif):
    write(tif, STACK, compression="zlib")
    data = bytearray(tif.read_bytes())
    rng = np.random.default_rng(5)
    for _ in range(60):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 6):
            broken[at] = rng.integers(0, 256)
        tif.write_bytes(broken)
        try:
            said = str(read(tif).path)
        except UnreadableError as error:
            said = str(error)
        assert "scan.tif" in said


@pytest.mark.parametrize("data", [b"not a tiff at all", b"II*\x00", b"II*\x00\x08\x00\x00\x00\x00\x00", b"\x89PNG\r\n"])
def test_what_is_no_tiff(tif, data):
    tif.write_bytes(data)
    with pytest.raises(UnreadableError, match=r"scan\.tif"):
        read(tif)


def test_a_claimed_size_is_refused_before_memory_is_taken(tif):
    write(tif, STILL, compression="zlib", metadata=None)
    with tifffile.TiffFile(tif, mode="r+") as forged:
        for tag in ("ImageWidth", "ImageLength"):
            forged.pages[0].tags[tag].overwrite(30_000)
    with pytest.raises(UnreadableError, match=r"scan\.tif is 30000 x 30000 pixels"):
        read(tif)


@pytest.mark.parametrize(
    ("unit", "mm"), [("mm", 1.0), ("cm", 10.0), ("um", 1e-3), ("micron", 1e-3), ("\\u00B5m", 1e-3)]
)
def test_imagej_unit(tif, unit, mm):
    tifffile.imwrite(tif, STACK, imagej=True, resolution=(8.0, 5.0), metadata={"unit": unit, "axes": "TYX"})
    spacing = read(tif).spacing
    assert spacing is not None
    assert spacing.row_column == pytest.approx((mm / 5, mm / 8))
    assert spacing.slice_mm is None
    assert spacing.source == "scan.tif (ImageJ unit)"


def test_imagej_slices(tif):
    tifffile.imwrite(
        tif, STACK, imagej=True, resolution=(2.0, 2.0), metadata={"unit": "mm", "spacing": 3.5, "axes": "ZYX"}
    )
    assert read(tif, name="exam/scan.tif").spacing.slice_mm == 3.5
    assert read(tif, name="exam/scan.tif").spacing.source == "scan.tif (ImageJ unit)"


def test_ome_needs_its_unit(tmp_path):
    sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 200.0}
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STILL, ome=True, metadata=sizes | {"PhysicalSizeXUnit": "mm", "PhysicalSizeYUnit": "µm"})
    spacing = read(path).spacing
    assert spacing is not None
    assert spacing.row_column == pytest.approx((0.2, 0.1))
    assert spacing.source == "a.ome.tif (OME)"
    tifffile.imwrite(path, STILL, ome=True, metadata={"PhysicalSizeX": 0.1})
    assert read(path).spacing is None


@pytest.mark.parametrize(
    "how",
    [
        {"resolution": (72, 72), "resolutionunit": "inch"},
        {"resolution": (118.11, 118.11), "resolutionunit": "centimeter"},
        {"imagej": True, "resolution": (72, 72), "metadata": {"unit": "inch"}},
        {"imagej": True, "resolution": (28.3465, 28.3465), "metadata": {"unit": "cm"}},  # 72 dpi
        {"imagej": True, "resolution": (6.0, 6.0), "metadata": {"unit": "pixel"}},
        {"imagej": True, "resolution": (6.0, 6.0)},
    ],
)
def test_printing_resolution_is_no_spacing(tif, how):
    tifffile.imwrite(tif, STILL, **how)
    assert read(tif).spacing is None


def test_the_header_alone_gives_the_same_spacing(tmp_path):
    path = tmp_path / "imagej.tif"
    stack = np.zeros((3, 40, 50), np.uint8)
    tifffile.imwrite(path, stack, imagej=True, resolution=(1 / 0.2, 1 / 0.1), metadata={"unit": "mm", "axes": "TYX"})
    stored = registry.stored_spacing(path)
    assert stored is not None
    assert stored == read(path).spacing
    assert (stored.column_mm, stored.row_mm) == pytest.approx((0.2, 0.1), rel=1e-4)
    (tmp_path / "broken.tif").write_bytes(path.read_bytes()[:30])
    assert registry.stored_spacing(tmp_path / "broken.tif") is None
    assert registry.stored_spacing(tmp_path / "picture.png") is None
