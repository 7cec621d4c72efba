"""Phantoms: the true ellipse is the bone's outer edge, and the files in the repository are what the code makes."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from fetalseg import samples
from fetalseg.geometry import ellipse as ellipses
from fetalseg.io.registry import read
from fetalseg.phantoms import collection
from fetalseg.phantoms.ultrasound import Head, expand, picture
from fetalseg.result import Ellipse


def test_the_outer_edge_of_the_bone_is_the_true_ellipse():
    """Radially outwards from the bone's crest, the mean echo falls by 6 dB (to half) at the true outline."""
    head = Head(Ellipse(400.3, 275.6, 200, 160, 20), 0.15, fluid=1.0)
    mean = np.mean([expand(picture(head, np.random.default_rng(k))) for k in range(4)], axis=0)
    t = np.linspace(0.90, 1.10, 201)
    points = ellipses.outline(head.ellipse, 120)
    center = np.array([head.ellipse.center_x, head.ellipse.center_y])
    rays = center + t[:, None, None] * (points - center)
    inside = ((rays > 12) & (rays < np.array([788, 528]))).all(axis=(0, 2))
    profile = ndimage.map_coordinates(mean, [rays[:, inside, 1], rays[:, inside, 0]], order=1).mean(axis=1)
    crest = int(profile.argmax())
    half = crest + int(np.argmax(profile[crest:] < profile[crest] - 6))
    assert inside.sum() > 60
    assert t[half] == pytest.approx(1.0, abs=0.012)
    assert t[crest] < 1


def test_true_circumference_is_that_of_the_ellipse_in_mm():
    head = Head(Ellipse(0, 0, 100, 80, 0), 0.2)
    assert head.hc_mm == pytest.approx(0.2 * ellipses.circumference(100, 80))


def test_outside_the_sector_it_is_black_and_inside_it_is_not():
    pixels = picture(collection.STILLS["second_trimester.png"], np.random.default_rng(0))
    assert not pixels[:4, 380:420].any()  # above the probe's curved face
    assert not pixels[100:, :3][:50].any()
    assert (pixels[200:400, 300:500] > 0).mean() > 0.9


def test_the_same_seed_makes_the_same_picture_and_another_other_speckle():
    head = dataclasses.replace(collection.cine()[0])
    once, twice, other = (picture(head, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(once, twice)
    assert (once != other).mean() > 0.3


def test_the_files_are_what_the_code_makes():
    lossless = "second_trimester.png"
    stored = read(samples.folder() / lossless).pixels[0].astype(int)
    # Rounding of the last bit may differ between processors; the picture may not.
    assert np.abs(stored - collection.render(lossless)).max() <= 1


def test_truth_lists_every_frame_of_every_file():
    rows = samples.truth()
    assert {row.filename for row in rows} == set(samples.names())
    for name in samples.names():
        scan = read(samples.folder() / name)
        own = [row for row in rows if row.filename == name]
        assert [row.frame for row in own] == list(range(scan.frames))
        for row in own:
            e = row.ellipse_px
            assert row.hc_mm == pytest.approx(
                row.pixel_mm * ellipses.circumference(e.semi_major, e.semi_minor), abs=2e-3
            )
            x, y = ellipses.outline(e).T
            assert 0 < x.min() < x.max() < scan.frame_shape[1]
            assert 0 < y.min() < y.max() < scan.frame_shape[0]


def test_the_loop_moves_and_changes_size():
    heads = collection.cine()
    assert len({head.ellipse for head in heads}) == len(heads)
    assert max(h.hc_mm for h in heads) / min(h.hc_mm for h in heads) == pytest.approx(1.04, abs=0.01)
