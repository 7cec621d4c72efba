"""How long a large annotation data set takes to list, to sum up, and to take one more acceptance.

Rows of a full table are written (pictures and masks are not, but for the item that is accepted). Processor time is
told, which other programs on the computer do not change much, beside that of reading the same table by csv alone.

    python benchmarks/dataset_size.py [--items 10000]
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from fetalseg.dataset.adding import New, add
from fetalseg.dataset.annotation import Annotation, Prediction
from fetalseg.dataset.store import Store
from fetalseg.dataset.summary import summarize
from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse
from fetalseg.scan import Scan, Spacing


def made(folder: Path, items: int) -> Store:
    """A data set of heads whose rows are full; only the first has its files."""
    store = Store.create(folder, "head")
    head, shape, spacing = Ellipse(400.0, 270.0, 180.0, 140.0, 25.0), (540, 800), Spacing(0.12, 0.12, "typed in")
    prediction = Prediction(Annotation.of("head", shape, spacing, ellipse=head), "unet", "a" * 64, 0.93, ("size",))
    scan = Scan.from_array(ellipses.mask(head, shape) * np.uint8(180), "000000_HC.png", spacing)
    add(store, [New(scan, "000000_HC", "000000", prediction=prediction)])
    first = store.accept("000000_HC", annotator="Dr Gray", seconds=9.5)
    with store.writing() as change:
        for number in range(1, items):
            name = f"{number:06}_HC"
            change.put(replace(first, item=name, group=name[:6], image=f"images/{name}.png", source=f"{name}.png"))
    return store


def best(times: int, work) -> float:
    seconds = []
    for _ in range(times):
        start = used()
        work()
        seconds.append(used() - start)
    return min(seconds)


def used() -> float:
    """Processor time of this process and of those that it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--items", type=int, default=10_000)
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "d"
        store = made(folder, options.items)
        text = (folder / "items.csv").read_text(encoding="utf-8")
        plain = best(5, lambda: list(csv.reader(io.StringIO(text))))
        listing = [sys.executable, "-m", "fetalseg.cli", "dataset", "list", str(folder)]
        print(f"{options.items} items, a table of {len(text) / 1e6:.1f} MB; csv alone reads it in {plain:.3f} s")
        for what, times, work in (
            ("items, opened anew", 5, lambda: Store.open(folder).entries()),
            ("and summed up", 5, lambda: summarize(Store.open(folder).entries())),
            ("one accepted, table written", 5, lambda: store.accept("000000_HC", annotator="A", seconds=3.0)),
            ("the command 'dataset list'", 3, lambda: subprocess.run(listing, stdout=subprocess.DEVNULL, check=True)),
        ):
            seconds = best(times, work)
            print(f"  {what:<30} {seconds:6.3f} s   {seconds / plain:5.1f} x csv alone")


if __name__ == "__main__":
    main()
