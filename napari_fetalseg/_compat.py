"""Every use of napari's private API, in one place. `tests/plugin/test_compat.py` holds each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def real_viewer(viewer: Any) -> Any:
    """Return the viewer itself: a dock that is opened from the menu gets a proxy of it."""
    return getattr(viewer, "__wrapped__", viewer)


def focus_canvas(viewer: Any) -> None:
    """Let the picture hear the keys."""
    viewer.window._qt_viewer.canvas.native.setFocus()


def make_canvas_current(viewer: Any) -> None:
    """Make the canvas' OpenGL context the current one, where the viewer has a window.

    When a layer is removed napari flushes at once what is still to be drawn, into whatever context is current. What a
    resized or a new part of the canvas had to upload is then lost, and to draw that part ends the process.
    """
    parts = getattr(getattr(viewer, "window", None), "_qt_viewer", None)
    if parts is not None:
        parts.canvas.native.makeCurrent()


def being_torn_down(window: Any) -> bool:
    """Return whether a main window is closed by ``viewer.close()``: then its parts went before, and it can't stay."""
    parts = getattr(window, "_qt_viewer", None)
    return parts is not None and not parts.isVisible()


def history_depth(labels: Any) -> tuple[int, int]:
    """Return how many steps can be undone and redone. Undo and redo have no event of their own."""
    return len(labels._undo_history), len(labels._redo_history)


def forget_history(labels: Any) -> None:
    """Forget all steps: after a foreign ``labels.data = ...`` they would write old pixels into the new mask."""
    labels._reset_history()


def undone_step(labels: Any) -> list[Any]:
    """Return the atoms of the step that was undone last."""
    return list(labels._redo_history[-1]) if labels._redo_history else []


def done_step(labels: Any) -> list[Any]:
    """Return the atoms of the step that was done, or redone, last."""
    return list(labels._undo_history[-1]) if labels._undo_history else []


def touched(atoms: Iterable[Any], lead_shape: Sequence[int]) -> set[int]:
    """Return the frames (flat numbers over the leading axes) that some steps of the history changed.

    Parameters
    ----------
    atoms : iterable
        Of a paint event's value or of the history: with a ``slice_key``, or ``(indices, old, new)``.
    lead_shape : sequence of int
        Shape of the axes before rows and columns.
    """
    lead = len(lead_shape)
    if not lead:
        return {0}
    frames: set[int] = set()
    for atom in atoms:
        key = getattr(atom, "slice_key", None)
        if key is not None:
            axes = [
                np.arange(n)[k] if isinstance(k, slice) else [int(k)] for k, n in zip(key, lead_shape, strict=False)
            ]
            grid = np.meshgrid(*axes, indexing="ij")
            frames.update(np.ravel_multi_index([g.ravel() for g in grid], tuple(lead_shape)).tolist())
        else:
            index = [np.atleast_1d(i) for i in atom[0][:lead]]
            frames.update(np.unique(np.ravel_multi_index(index, tuple(lead_shape))).tolist())
    return frames


def replace_shape(shapes: Any, index: int, vertices: NDArray[np.float64]) -> None:
    """Give one shape other vertices. ``shapes.data = ...`` would rebuild all and drop the selection."""
    shapes._data_view.edit(index, np.asarray(vertices, np.float32))
    selected = set(shapes.selected_data)
    if index in selected:  # the box with its handles is cached
        shapes._selected_box = shapes.interaction_box(selected)
    shapes.refresh(extent=False)


def split_grid(grid: Any, left: Any) -> None:
    """Put one layer into the grid's first box and all others into the second, whatever their order.

    By its public settings the grid can only count layers off by a stride.
    """

    def groups(layers: Sequence[Any]) -> tuple[dict[int, int], list[int]]:
        group_of = {i: 0 if layer is left else 1 for i, layer in enumerate(layers)}
        return group_of, sorted({group_of[i] for i, layer in enumerate(layers) if layer.visible})

    object.__setattr__(grid, "_viewbox_groups", groups)


def unsplit_grid(grid: Any) -> None:
    """Undo `split_grid`."""
    grid.__dict__.pop("_viewbox_groups", None)
