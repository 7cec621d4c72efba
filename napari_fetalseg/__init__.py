"""The napari plugin. Kept empty: napari imports it at start, and torch must not come with it."""
