"""The Batch dock: a folder of scans, segmented by the engine of ``fetalseg segment``, a row a scan."""
