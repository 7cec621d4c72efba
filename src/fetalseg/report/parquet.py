"""``measurements.parquet``: the table of `fetalseg.report.table` with numbers as numbers and dates as dates."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fetalseg.errors import SettingsError
from fetalseg.io.atomic import atomic_write

_WHOLE = {"frame", "largest_slice", "slices", "volume_voxels"}
_DATES = {"study_date"}
# A number carries its unit in its name; these have none.
_PLAIN = {"confidence", "cephalic_index", "z_score", "z_low", "z_high", "centile"}
_UNITS = ("_mm", "_mm2", "_px", "_px2", "_ml", "_deg", "_days", "_z_score", "_centile")
_ROWS_AT_ONCE = 500


def available() -> bool:
    """Whether it can be written: pyarrow is installed."""
    return find_spec("pyarrow") is not None


def demand() -> None:
    """Raise `SettingsError` where pyarrow is not installed."""
    if not available():
        raise SettingsError(
            "measurements.parquet needs pyarrow, which is not installed here: pip install 'napari-fetalseg[parquet]' "
            "brings it. measurements.csv holds the same without it."
        )


def write(path: str | Path, rows: Iterable[Mapping[str, str]], names: Sequence[str]) -> Path:
    """Write rows with the columns `names`; what is empty is null.

    Parameters
    ----------
    path : path
    rows : iterable of mapping
        As for the csv; they need not fit into memory.
    names : sequence of str

    Raises
    ------
    OutputError
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {name: _kind(name, pa) for name in names}
    schema = pa.schema(list(kinds.items()))

    def write_to(file: BinaryIO) -> None:
        with pq.ParquetWriter(file, schema) as writer:
            left = iter(rows)
            while some := list(islice(left, _ROWS_AT_ONCE)):
                values = {name: [_value(row.get(name, ""), name) for row in some] for name in names}
                writer.write_table(pa.table(values, schema=schema))

    return atomic_write(path, write_to, sync=True)


def _kind(name: str, pa: Any) -> Any:
    if name in _WHOLE:
        return pa.int64()
    return pa.date32() if name in _DATES else pa.float64() if _is_number(name) else pa.string()


def _is_number(name: str) -> bool:
    return name in _PLAIN or name.endswith(_UNITS)


def _value(text: str, name: str) -> Any:
    if not text:
        return None
    if name in _WHOLE:
        return int(float(text))
    if name in _DATES:
        return datetime.date.fromisoformat(text)
    return float(text) if _is_number(name) else text.encode("utf-8", "backslashreplace").decode()
