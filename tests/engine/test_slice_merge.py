"""Putting one slice among its neighbours: whose number a region gets."""

from __future__ import annotations

import numpy as np

from fetalseg.tasks.slice_merge import merge


def _volume() -> np.ndarray:
    labels = np.zeros((5, 20, 20), np.uint8)
    labels[:, 2:8, 2:8] = 1
    labels[:, 12:18, 12:18] = 2
    return labels


def test_regions_take_the_numbers_of_their_neighbours():
    labels, found = _volume(), np.zeros((20, 20), np.uint8)
    found[3:7, 3:7] = 1
    found[13:19, 13:19] = 1
    merged = merge(labels, 2, found)
    assert set(np.unique(merged[2][found > 0][:16])) == {1}
    assert (merged[2][13:19, 13:19] == 2).all()
    assert (merged[2] > 0).sum() == found.sum()
    np.testing.assert_array_equal(np.delete(merged, 2, axis=0), np.delete(labels, 2, axis=0))


def test_a_region_that_touches_none_is_a_new_lesion_unless_it_is_a_speck():
    labels, found = _volume(), np.zeros((20, 20), np.uint8)
    found[1:4, 14:18] = 1
    assert set(np.unique(merge(labels, 0, found, 12)[0])) == {0, 3}
    assert not merge(labels, 0, found, 13)[0].any()


def test_a_lesion_of_this_slice_alone_keeps_its_number():
    labels = np.zeros((3, 10, 10), np.uint8)
    labels[1, 2:6, 2:6] = 7
    found = np.zeros((10, 10), np.uint8)
    found[3:7, 3:7] = 1
    assert set(np.unique(merge(labels, 1, found, 1000)[1])) == {0, 7}


def test_the_volume_itself_is_left_as_it_was():
    labels = _volume()
    before = labels.copy()
    assert not merge(labels, 4, np.zeros((20, 20)))[4].any()
    np.testing.assert_array_equal(labels, before)
