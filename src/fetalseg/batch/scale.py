"""Which spacing a scan of many has: the first source that speaks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fetalseg.io import spacing_csv
from fetalseg.scan import Scan, Spacing
from fetalseg.settings import BatchSettings


def outside(path: Path | None, name: str, batch: BatchSettings) -> Spacing | None:
    """Return the spacing from elsewhere than the scan's own file: typed in, the given csv, a csv beside it.

    Raises
    ------
    SpacingError
    """
    if batch.spacing_mm is not None:
        x, y, *between = batch.spacing_mm
        return Spacing(y, x, source="typed in", slice_mm=between[0] if between else None)
    if batch.spacing_csv is not None:
        listed = spacing_csv.lookup(Path(batch.spacing_csv), name)
        if listed is not None:
            return listed
    beside = spacing_csv.find_beside(path) if path is not None else None
    return spacing_csv.lookup(beside, path) if beside and path is not None else None


def choose_spacing(scan: Scan, batch: BatchSettings) -> Spacing | None:
    """Return the spacing by the first source that speaks: typed in, the given csv, the file, a csv beside it.

    None where none does, and where pixels only are asked for.

    Raises
    ------
    SpacingError
    """
    if batch.pixels_only:
        return None
    several = any(region.differs for regions in scan.regions for region in regions)
    own = scan.spacing is not None or several
    given = outside(None if own else scan.path, scan.name, batch)
    return scan.spacing if given is None else given


def scaled(scan: Scan, batch: BatchSettings) -> Scan:
    """Return the scan with the spacing of `choose_spacing`; for pixels only its regions have no scales of their own.

    Raises
    ------
    SpacingError
    """
    scan = scan.with_spacing(choose_spacing(scan, batch))
    if not batch.pixels_only:
        return scan
    return replace(scan, regions=tuple(tuple(replace(r, differs=False) for r in frame) for frame in scan.regions))
