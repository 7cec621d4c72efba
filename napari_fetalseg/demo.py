"""``python -m napari_fetalseg.demo``: napari with a sample scan, segmented, and both docks."""

from __future__ import annotations


def main() -> None:
    """Open napari and segment the first sample."""
    import napari
    from qtpy.QtCore import QTimer

    from fetalseg import samples
    from napari_fetalseg.actions import PLUGIN, open_docks

    viewer = napari.Viewer(title="FetalSeg")
    segment, _ = open_docks(viewer)
    viewer.open_sample(PLUGIN, samples.names()[0].split(".")[0])
    segment.press()
    QTimer.singleShot(1000, viewer.reset_view)  # once the docks have their places
    napari.run()


if __name__ == "__main__":
    main()
