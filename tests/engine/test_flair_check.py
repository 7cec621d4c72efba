"""What is no FLAIR of a head is told, with its reason; what is one never is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

from fetalseg import samples
from fetalseg.io import registry
from fetalseg.pipeline import Pipeline
from fetalseg.result import Result, State
from fetalseg.scan import Scan
from fetalseg.settings import SegmentSettings
from fetalseg.tasks import flair_check
from fetalseg.tasks.flair_check import Appearance
from fetalseg.tasks.tumour_input import look
from standins import TRUTH, bright, disc, make_card
from tumours import CARD, bright_volume, phantom

BRAIN = 400.0  # the phantom's grey of normal brain


@pytest.fixture(scope="module")
def flair() -> np.ndarray:
    return registry.read(samples.folder() / "flair_phantom.nii.gz").pixels


def codes(pixels: np.ndarray) -> tuple[str, ...]:
    scale, view = look(pixels, (192, 160))
    assert scale.known
    return flair_check.seen(pixels, scale, view)


def in_brain(pixels: np.ndarray) -> np.ndarray:
    """Where the phantom's brain is, its fluid with it, somewhat shrunk."""
    z, y, x = (np.arange(n) - c for n, c in zip(pixels.shape, (22.0, 96.0, 87.5), strict=True))
    return ((z / 22)[:, None, None] ** 2 + (y / 70)[None, :, None] ** 2 + (x / 54)[None, None, :] ** 2) < 1


def as_t1(pixels: np.ndarray) -> np.ndarray:
    """The phantom with grey matter and lesions as much darker than white matter as they were brighter."""
    grey = pixels / BRAIN
    return np.where(in_brain(pixels) & (grey > 0.75), np.clip(2 - grey, 0.3, None), grey).astype(np.float32)


def as_t2(pixels: np.ndarray) -> np.ndarray:
    """The phantom with bright fluid."""
    grey = pixels / BRAIN
    return np.where((grey < 0.8) & in_brain(pixels), 2.2 - grey, np.where(in_brain(pixels), grey, 0)).astype(np.float32)


def noise(shape: tuple[int, ...] = (20, 96, 96)) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)


def sector(slices: int) -> np.ndarray:
    """Speckle in the fan that an ultrasound probe sees, another one a slice."""
    y, x = np.mgrid[:200, :280]
    fan = (np.abs(np.arctan2(x - 140, y + 30)) < 0.65) & (np.hypot(x - 140, y + 30) < 220) & (y > 10)
    speckle = np.random.default_rng(1).rayleigh(60, (slices, 200, 280))
    return np.where(fan, np.clip(speckle, 10, 255), 0).astype(np.uint8)


class Bright:
    """A network that calls what is bright."""

    card = CARD
    device, backend = "cpu", "numpy"

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return bright_volume(batch)


class BrightHead(Bright):
    card = make_card()

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        return bright(batch)


def run(scan: Scan, network: Bright | None = None, task: str = "tumour") -> Result:
    (result,) = Pipeline(SegmentSettings(task=task), network or Bright()).segment(scan)  # type: ignore[arg-type]
    return result


def flags(result: Result) -> set[str]:
    return {flag.code for flag in result.measurement.flags}


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v,
        lambda v: v * np.int32(3),
        lambda v: v + 100,
        lambda v: (v / 7.0 - 3).astype(np.float32),
        lambda v: v[..., ::-1],
        lambda v: v[::-1],
        lambda v: v[:, ::-1],
        lambda v: np.pad(v, ((3, 2), (40, 10), (0, 60))),
        lambda v: v[::2],
        lambda v: v[:, ::2, ::2],
        *(lambda v, k=k: v[k : k + 4] for k in range(4, 40, 6)),
    ],
)
def test_a_flair_is_never_doubted(flair: np.ndarray, change) -> None:
    assert codes(np.ascontiguousarray(change(flair))) == ()


def test_a_drawn_head_without_fluid_or_texture_is_no_reason() -> None:
    assert codes(phantom()) == ()


def test_grey_matter_darker_than_white_is_no_flair(flair: np.ndarray) -> None:
    assert codes(as_t1(flair)) == ("not_flair_contrast",)
    assert codes(as_t1(flair)[::-1] * 37 + 5) == ("not_flair_contrast",)


def test_bright_fluid_is_no_flair(flair: np.ndarray) -> None:
    assert codes(as_t2(flair)) == ("fluid_not_dark",)


def test_a_sector_of_speckle_is_no_head() -> None:
    assert codes(sector(12)) == ("not_flair",)
    assert codes(sector(30)) == ("not_flair",)


@pytest.mark.parametrize("slices", [1, 4, 20])
def test_an_arc_of_bone_is_no_head(slices: int) -> None:
    y, x = np.mgrid[:120, :120] - 60
    arc = (np.abs(np.hypot(y, x) - 45) < 8) & (y < 15)
    assert codes(np.stack([np.where(arc, 200, 0).astype(np.uint8)] * slices)) == ("not_flair",)


def test_noise_and_a_ramp_are_no_head() -> None:
    assert codes(noise()) == ("not_flair",)
    assert codes(np.broadcast_to(np.arange(96, dtype=np.uint8), (20, 96, 96))) == ("not_flair",)


def test_the_gravest_reason_stands_alone() -> None:
    head = Appearance(long=True, whole=True, shape=0.95, dark=0.08, beside=1.02, tail=0.05)
    assert flair_check.judge(head) == ()
    assert flair_check.judge(replace(head, beside=0.94, tail=-0.1)) == ("not_flair_contrast",)
    assert flair_check.judge(replace(head, beside=0.94, tail=0.1)) == ()
    assert flair_check.judge(replace(head, beside=0.80, tail=0.1)) == ("not_flair_contrast",)
    assert flair_check.judge(replace(head, beside=0.80, dark=0.01)) == ("fluid_not_dark",)
    assert flair_check.judge(replace(head, dark=0.01, shape=0.7)) == ("not_flair",)
    # Of a few slices only the outline is judged.
    assert flair_check.judge(replace(head, whole=False, beside=0.80, dark=0.01)) == ()
    assert flair_check.judge(replace(head, long=False, whole=False, shape=0.85)) == ()
    assert flair_check.judge(Appearance()) == ()


@pytest.mark.parametrize(
    ("modality", "description", "expected"),
    [
        (None, "", ()),
        ("MR", "AX T2 FLAIR", ()),
        ("MR", "FLAIR in T1 space", ()),
        ("MR", "t2_tirm_tra_dark-fluid", ()),
        ("MR", "Brain axial", ()),
        ("MR", "Patient 2T1", ()),
        ("OT", "ax flair", ()),
        ("MR", "AX T1 POST", ("other_sequence",)),
        ("MR", "t1_mprage_sag", ("other_sequence",)),
        ("MR", "AX T1 FLAIR", ("other_sequence",)),
        ("MR", "T1W_TSE_FLAIR", ("other_sequence",)),
        ("MR", "T2W_TSE", ("other_sequence",)),
        ("MR", "ep2d DWI b1000", ("other_sequence",)),
        ("US", "", ("other_modality",)),
        ("ct", "FLAIR", ("other_modality",)),
    ],
)
def test_what_the_file_calls_itself(modality: str | None, description: str, expected: tuple[str, ...]) -> None:
    scan = replace(Scan.from_array(phantom()), modality=modality, description=description)
    assert flair_check.told(scan) == expected
    assert flags(run(scan)) & {"other_sequence", "other_modality"} == set(expected)


def test_a_lesion_of_what_is_doubted_is_never_a_confident_one(flair: np.ndarray) -> None:
    plain = run(Scan.from_array(phantom())).measurement
    assert plain.confidence is not None
    assert plain.confidence > 0.3
    doubted = run(replace(Scan.from_array(phantom()), description="AX T1")).measurement
    refused = run(replace(Scan.from_array(phantom()), modality="US")).measurement
    for found, most, state in ((doubted, 0.3, State.CHECK), (refused, 0.0, State.REFUSE)):
        assert found.parts
        assert found.state is state
        assert found.confidence == most
        assert all(part.confidence == most and part.state is State.CHECK for part in found.parts)
    assert run(Scan.from_array(as_t1(flair))).measurement.state is State.CHECK
    assert run(Scan.from_array(sector(16))).measurement.state is State.REFUSE


def test_an_empty_volume_is_refused_and_a_single_slice_is_told(flair: np.ndarray) -> None:
    empty = run(Scan.from_array(np.full((12, 64, 64), 7, np.uint8)))
    assert empty.measurement.state is State.REFUSE
    assert "no_tissue" in flags(empty)
    dark = np.where(phantom()[12] > 100, 60, phantom()[12])
    for pixels, lesions in ((phantom()[12], True), (dark, False)):
        single = run(Scan.from_array(pixels))
        assert bool(single.measurement.parts) is lesions
        assert "single_slice" in flags(single)
        assert single.measurement.state is State.CHECK


def test_colour_is_refused_as_a_tumour_and_taken_as_a_head(tmp_path) -> None:
    grey = disc(TRUTH, (180, 240))
    tinted = np.stack([grey, grey // 2, np.roll(grey, 30, axis=1)], axis=-1)
    Image.fromarray(tinted).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([tinted] * 3), photometric="rgb")
    for name in ("a.png", "a.tif"):
        scan = registry.read(tmp_path / name)
        assert scan.notes == ("colour",)
        found = run(scan)
        assert "colour" in flags(found)
        assert found.measurement.state is State.REFUSE
    head = run(registry.read(tmp_path / "a.png"), BrightHead(), "head")
    assert "colour" not in flags(head)
    assert head.measurement.ellipse is not None


def test_grey_stored_as_colour_is_none(tmp_path) -> None:
    grey = np.stack([disc(TRUTH, (180, 240))] * 3, axis=-1)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey).save(tmp_path / "a.jpg", quality=70)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="rgb")
    tifffile.imwrite(tmp_path / "deep.tif", grey.astype(np.uint16) * 200, photometric="rgb")
    for name in ("a.png", "a.jpg", "a.tif", "deep.tif"):
        assert registry.read(tmp_path / name).notes == ()
