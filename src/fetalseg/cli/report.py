"""``fetalseg report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fetalseg import RESEARCH
from fetalseg.cli._shared import add_command, progress_bar


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "report",
        run,
        "Make the report of a run, or make it again: one HTML page that needs nothing else.\n"
        "It shows what the folder of 'fetalseg segment' holds: a table to sort, filter and search with pictures that\n"
        "open large, flagged cases first, distributions, files that failed, and what made the numbers. It opens\n"
        "offline. Pictures that would make it too large stay in overlays/ beside it.\n"
        "With --pdf there is a PDF too, one page a case.",
        "examples:\n"
        "  fetalseg report results/\n"
        "  fetalseg report results/ --pdf\n"
        "  fetalseg report results/ --cases 010_HC.png '*_2HC.png'\n\n"
        "exit code: 0 made, 1 the folder holds no results or can't be written, 2 wrong usage",
    )
    made.add_argument("folder", type=Path, metavar="OUT_DIR", help="folder that 'fetalseg segment' wrote")
    made.add_argument("--pdf", action="store_true", help="write report.pdf too, one page a case")
    made.add_argument(
        "--cases",
        nargs="+",
        metavar="NAME",
        help="write cases.pdf alone, of these files only: names as in measurements.csv, or patterns",
    )


def run(given: argparse.Namespace) -> int:
    """Make the report."""
    written = []
    if not given.cases:
        written.append(write_page(given.folder))
    if given.pdf or given.cases:
        from fetalseg.report import case_pdf

        with progress_bar("PDF") as progress:
            written.append(str(case_pdf.write(given.folder, given.cases or (), tick=progress)))
    print("\n".join(written) + f"\n{RESEARCH}")
    return 0


def write_page(folder: Path) -> str:
    """Write the page; return in a line where it is and where its pictures are."""
    from fetalseg.report import page

    with progress_bar("report") as progress:
        made = page.write(folder, tick=progress)
    beside = f"; {made.beside} large pictures stay in overlays/ beside it" if made.beside else ""
    return f"{made.path}{beside}"
