"""``python -m napari_fetalseg.demo``: napari with a sample scan, segmented, and both docks."""

from __future__ import annotations


def main() -> None:
    """Open napari and segment the first sample."""
    import napari

    from fetalseg import samples
    from napari_fetalseg.actions import PLUGIN, open_docks

    viewer = napari.Viewer(title="FetalSeg")
    viewer.open_sample(PLUGIN, samples.names()[0].split(".")[0])
    segment, _ = open_docks(viewer)
    segment.press()
    napari.run()


if __name__ == "__main__":
    main()
