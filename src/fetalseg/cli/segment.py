"""``fetalseg segment``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from fetalseg import RESEARCH, tasks
from fetalseg.cli._shared import add_command, add_model_options, progress_bar, segment_settings
from fetalseg.errors import SettingsError
from fetalseg.settings import BatchSettings, GrowthSettings

_NOTES = 10


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "segment",
        run,
        "Segment scans and measure them: PNG, JPEG, TIFF, ultrasound DICOM, stacks, and folders of them; for tumour\n"
        "and fetal-brain volumes: NIfTI, multi-page TIFF, DICOM series, folders of slices.\n"
        "Writes measurements.csv (a row a frame, or a lesion), masks/, overlays/ and run.json.\n\n"
        "Millimetres need a scale: typed in (--spacing), from a csv (--spacing-csv), from the file itself, or from a\n"
        "csv of pixel sizes beside the picture. Without one the rows hold pixels only.\n\n"
        "With --exams the rows tell how each head compares with a growth chart at its gestational age (z-score with\n"
        "its range, centile, flags). The csv has a row an exam. Its columns:\n"
        "  file or exam   a picture (a/007_HC.png, or its end), the number before the first '_' (7), a folder or a\n"
        "                 pattern (*_HC.png)\n"
        "  scan_date      day of the scan, as 2024-05-20\n"
        "  and the pregnancy's dating by one of: lmp, edd, ivf (dates; ivf is the day of fertilisation);\n"
        "                 crl_mm with crl_date; ga_weeks (20, 20.4, 20+3) or ga_days (all days; those beyond the\n"
        "                 weeks where both are given), the age at this scan\n"
        "The age must be known from elsewhere than this head: from its own circumference any head looks average.",
        "examples:\n"
        "  fetalseg segment scan.png --spacing 0.154 --out results/\n"
        "  fetalseg segment flair.nii.gz --task tumour --out results/\n"
        "  fetalseg segment study/ --task tumour --series 'T2 FLAIR' --out results/\n"
        "  fetalseg segment exams/ --pattern '*_HC.png' --spacing-csv pixel_size.csv --out results/\n"
        "  fetalseg segment exams/ --exams exams.csv --chart who2017 --out results/\n\n"
        "exit code: 0 all were read, 1 some inputs failed (see their rows), 2 wrong usage",
    )
    made.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="files and folders")
    made.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_model_options(made)
    made.add_argument("--pattern", metavar="GLOB", help="in folders, only files whose name fits")
    scale = made.add_mutually_exclusive_group()
    scale.add_argument(
        "--spacing",
        metavar="MM",
        help="mm per pixel; 'X,Y' where pixels are oblong, 'X,Y,Z' with the distance between slices of a volume",
    )
    scale.add_argument(
        "--spacing-csv", type=Path, metavar="FILE", help="csv of file name and pixel size in mm (HC18's layout)"
    )
    made.add_argument("--series", metavar="TEXT", help="the DICOM series whose description holds this (default: flair)")
    made.add_argument("--no-overlays", action="store_true", help="write no side-by-side pictures and montages")
    made.add_argument("--exams", type=Path, metavar="CSV", help="csv of exams with scan date and dating, see above")
    made.add_argument(
        "--chart",
        default=GrowthSettings().chart,
        metavar="NAME",
        help="growth chart for --exams: intergrowth21, hadlock84, who2017, or a csv of age, mean and SD of HC "
        "(default: %(default)s)",
    )
    made.add_argument(
        "--sr",
        action="store_true",
        help="of heads in DICOM, write sr/*_sr.dcm too: a structured report for the patient's own study. It holds the "
        "patient's name and number, as the picture does",
    )


def run(given: argparse.Namespace) -> int:
    """Segment."""
    from fetalseg.batch.run import run as run_batch

    batch = BatchSettings(
        pattern=given.pattern,
        spacing_mm=parse_spacing(given.spacing) if given.spacing else None,
        spacing_csv=str(given.spacing_csv) if given.spacing_csv else None,
        overlays=not given.no_overlays,
        series=given.series,
        exams=str(given.exams) if given.exams else None,
        sr=given.sr,
    )
    settings = segment_settings(given)
    with progress_bar("segment") as progress:
        outcome = run_batch(
            given.inputs,
            given.out,
            settings,
            batch,
            growth=GrowthSettings(chart=given.chart),
            command=shlex.join(["fetalseg", *sys.argv[1:]]),
            progress=progress,
        )
    for _, sentence in outcome.errors:
        print(f"failed: {sentence}", file=sys.stderr)
    for sentence in outcome.warnings[:_NOTES]:
        print(f"note: {sentence}", file=sys.stderr)
    if len(outcome.warnings) > _NOTES:
        print(f"note: {len(outcome.warnings) - _NOTES} more of these; run.json has all.", file=sys.stderr)
    skipped = f", {outcome.skipped} files of other kinds skipped" if outcome.skipped else ""
    volume = tasks.get(settings.task).VOLUME
    empty = f", {outcome.empty} with nothing found" if outcome.empty else ""
    print(
        f"{outcome.files - outcome.failed} of {outcome.files} files, {outcome.frames} "
        f"{'volumes' if volume else 'frames'} measured{empty}{skipped}. "
        f"Results in {given.out}. {RESEARCH}"
    )
    return 1 if outcome.failed else 0


def parse_spacing(text: str) -> tuple[float, ...]:
    """Return the spacing in x, y and, where given, z of ``"0.15"``, ``"0.15,0.2"`` or ``"1,1,5"``.

    Raises
    ------
    SettingsError
        If it is not one to three positive numbers.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2, 3) or not all(0 < n < 100 for n in numbers):
        raise SettingsError(
            "--spacing takes mm per pixel as one number, as X,Y or as X,Y,Z, such as 0.15, 0.15,0.2 or 1,1,5; "
            f"not '{text}'."
        )
    return (numbers[0], numbers[0]) if len(numbers) == 1 else tuple(numbers)
