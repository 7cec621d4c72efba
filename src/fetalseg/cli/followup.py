"""``fetalseg followup``."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fetalseg import RESEARCH
from fetalseg.cli._shared import add_command

if TYPE_CHECKING:
    from fetalseg.followup.rano import Change, Followup

COLUMNS = (
    *("file", "date", "date_source", "days", "baseline", "volume_ml", "product_mm2", "mean_diameter_mm", "lesions"),
    *("volume_change_pct", "volume_nadir_pct", "volume_nadir", "product_change_pct", "product_nadir_pct"),
    *("product_nadir", "growth_mm_per_year", "category_by_product", "category_by_volume"),
    *("slice_mm", "description", "model", "edited"),
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "followup",
        run,
        "Follow a patient's tumour over two or more studies: change of volume and product, growth, RANO by size.\n"
        "Reads results of 'fetalseg segment --task tumour'; writes followup.csv, followup.json and followup.png.\n\n"
        "The category is that of the size alone, for a person to judge: steroids, clinical state, enhancement and new\n"
        "lesions are not known here. The date of a study is taken from --dates, else from the scan, else from a date\n"
        "in the file's name.",
        "examples:\n"
        "  fetalseg followup results/ --out change/\n"
        "  fetalseg followup results-2019/ results-2021/measurements.csv --out change/\n"
        "  fetalseg followup results/ --patient sub-07 --dates dates.csv --baseline sub-07_2.nii.gz --out change/",
    )
    made.add_argument("inputs", nargs="+", type=Path, metavar="DIR_OR_CSV", help="folders of results, or their tables")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for table and picture")
    made.add_argument("--patient", metavar="PATTERN", help="only files whose name has this in it, or fits '*' and '?'")
    made.add_argument("--dates", type=Path, metavar="CSV", help="csv with the columns file and date")
    made.add_argument("--baseline", metavar="FILE", help="study to compare with (default: the first)")


def run(given: argparse.Namespace) -> int:
    """Compare the studies."""
    from fetalseg.followup.rano import compare
    from fetalseg.followup.studies import read
    from fetalseg.io.atomic import write_text

    studies, notes = read(given.inputs, dates=given.dates, pattern=given.patient)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    found = compare(studies, given.baseline)
    write_text(given.out / "followup.csv", to_csv(found))
    record = {**asdict(found), "notes": notes, "disclaimer": RESEARCH}
    write_text(given.out / "followup.json", json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n")
    _write_picture(given.out, found)
    _print(found)
    print(f"Results in {given.out}. {RESEARCH}")
    return 0


def to_csv(found: Followup) -> str:
    """Return a row a study as the text of a csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(change, found.baseline) for change in found.changes)
    return text.getvalue()


def _row(change: Change, baseline: str) -> dict[str, str]:
    from fetalseg.report.table import number

    study = change.study
    return {
        "file": study.name,
        "date": study.date.isoformat() if study.date else "",
        "date_source": study.date_source,
        "days": "" if change.days is None else str(change.days),
        "baseline": "yes" if study.name == baseline else "no",
        "volume_ml": number(study.volume_ml),
        "product_mm2": number(study.product_mm2),
        "mean_diameter_mm": number(study.diameter_mm),
        "lesions": str(len(study.lesions)),
        "volume_change_pct": number(change.volume_pct),
        "volume_nadir_pct": number(change.volume_nadir_pct),
        "volume_nadir": change.volume_nadir,
        "product_change_pct": number(change.product_pct),
        "product_nadir_pct": number(change.product_nadir_pct),
        "product_nadir": change.product_nadir,
        "growth_mm_per_year": number(change.growth_mm_per_year),
        "category_by_product": change.category or "",
        "category_by_volume": change.volume_category or "",
        "slice_mm": number(study.slice_mm),
        "description": study.description,
        "model": study.model,
        "edited": "yes" if study.edited else "no",
    }


def _write_picture(out: Path, found: Followup) -> None:
    from fetalseg.io.atomic import write_png

    try:
        from fetalseg.followup.picture import draw

        picture = draw(found)
    except ImportError:
        print("note: no picture: matplotlib is not installed (pip install matplotlib).", file=sys.stderr)
        return
    write_png(out / "followup.png", picture)


def _print(found: Followup) -> None:
    wide = max(8, *(len(change.study.name) for change in found.changes))
    print(
        f"{'study':<{wide}}  {'date':<10} {'from':<11} {'volume':>9} {'change':>7} {'product':>9} {'change':>7} "
        f"{'nadir':>7} {'growth':>9}  by size"
    )
    print(f"{'':<{wide}}  {'':<10} {'':<11} {'ml':>9} {'':>7} {'mm2':>9} {'':>7} {'':>7} {'mm/year':>9}")
    for change in found.changes:
        study = change.study
        date = study.date.isoformat() if study.date else "not known"
        mark = "baseline" if study.name == found.baseline else change.category or change.volume_category or ""
        print(
            f"{study.name:<{wide}}  {date:<10} {study.date_source:<11} {_cell(study.volume_ml, '.1f'):>9} "
            f"{_cell(change.volume_pct, '+.0f', ' %'):>7} {_cell(study.product_mm2, '.0f'):>9} "
            f"{_cell(change.product_pct, '+.0f', ' %'):>7} {_cell(change.product_nadir_pct, '+.0f', ' %'):>7} "
            f"{_cell(change.growth_mm_per_year, '+.1f'):>9}  {mark}"
        )
    print(f"\nProposal, for a person to judge: {found.proposal}.")
    for title, sentences in found.told:
        print(f"{title}:")
        for sentence in sentences:
            print(f"  - {sentence}")


def _cell(value: float | None, how: str, unit: str = "") -> str:
    return "-" if value is None else f"{value:{how}}{unit}"
