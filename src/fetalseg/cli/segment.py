"""``fetalseg segment``."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fetalseg import RESEARCH, tasks
from fetalseg.batch import telling
from fetalseg.cli._shared import add_command, add_crl_formula, add_model_options, segment_settings
from fetalseg.cli.report import write_page
from fetalseg.errors import Cancelled, SettingsError
from fetalseg.settings import BatchSettings, GrowthSettings

if TYPE_CHECKING:
    from fetalseg.batch.run import Batch, Event, Summary

_NOTES = 10


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "segment",
        run,
        "Segment scans and measure them: PNG, JPEG, TIFF, ultrasound DICOM, stacks, and folders of them; for tumour\n"
        "and fetal-brain volumes: NIfTI, multi-page TIFF, DICOM series, folders of slices.\n"
        "Writes measurements.csv (a row a frame, or a lesion), masks/, overlays/, run.json, and errors.csv where some\n"
        "failed; with pyarrow installed measurements.parquet of several scans too.\n\n"
        "The same command again does what is left: what was done with the same input, model and settings stays. A\n"
        "mask that you corrected and saved in masks/ is never written over: it is measured in the model's place.\n\n"
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
        "An ultrasound DICOM file tells its date itself; where no row dates it, the last period that it holds does.\n"
        "The age must be known from elsewhere than this head: from its own circumference any head looks average.",
        "examples:\n"
        "  fetalseg segment scan.png --spacing 0.154 --out results/\n"
        "  fetalseg segment flair.nii.gz --task tumour --out results/\n"
        "  fetalseg segment study/ --task tumour --series 'T2 FLAIR' --out results/\n"
        "  fetalseg segment exams/ --pattern '*_HC.png' --spacing-csv pixel_size.csv --out results/\n"
        "  fetalseg segment exams/ --exams exams.csv --chart who2017 --out results/\n"
        "  fetalseg segment export/ --watch --out results/\n"
        "  fetalseg segment archive/ --scheduler tcp://10.0.0.5:8786 --out results/\n\n"
        "exit code: 0 all were read, 1 some inputs failed (see their rows), 2 wrong usage, 130 stopped",
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
    scale.add_argument("--pixels-only", action="store_true", help="no millimetres, whatever the files say")
    made.add_argument(
        "--series",
        metavar="TEXT",
        help="the DICOM series whose description holds this (default: of volumes flair, of ultrasound all)",
    )
    made.add_argument(
        "--instances", metavar="NUMBERS", help="of ultrasound DICOM in folders, these instance numbers, as in 1,4-9"
    )
    made.add_argument("--overwrite", action="store_true", help="do all anew; masks that you corrected stay even so")
    made.add_argument("--watch", action="store_true", help="wait for new files in the folders, until Ctrl-C")
    hands = made.add_mutually_exclusive_group()
    hands.add_argument(
        "--workers", type=int, metavar="N", help="do the work in N processes that share this computer's cores"
    )
    hands.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="hand the work to the Dask cluster of this scheduler, as in tcp://10.0.0.5:8786; its workers must reach "
        "inputs and results under the same paths as this computer",
    )
    made.add_argument("--parquet", action="store_true", help="write measurements.parquet, or say what it needs")
    made.add_argument(
        "--keep-identifiers",
        action="store_true",
        help="write DICOM's patient id, accession number and UIDs into the tables; leave what pictures show outside "
        "their display regions, such as names",
    )
    made.add_argument("--no-overlays", action="store_true", help="write no side-by-side pictures and montages")
    made.add_argument("--report", action="store_true", help="make report.html at the end; see 'fetalseg report'")
    made.add_argument("--exams", type=Path, metavar="CSV", help="csv of exams with scan date and dating, see above")
    made.add_argument(
        "--chart",
        default=GrowthSettings().chart,
        metavar="NAME",
        help="growth chart for --exams: intergrowth21, hadlock84, who2017, or a csv of age, mean and SD of HC "
        "(default: %(default)s)",
    )
    add_crl_formula(made)
    made.add_argument(
        "--sr",
        action="store_true",
        help="of heads in DICOM, write sr/*_sr.dcm too: a structured report for the patient's own study. It holds the "
        "patient's name and number, as the picture does",
    )


def run(given: argparse.Namespace) -> int:
    """Segment."""
    from fetalseg.batch.run import Batch
    from fetalseg.cli._batch_progress import shown
    from fetalseg.models import catalogue

    if given.chart != GrowthSettings().chart and not given.exams:
        raise SettingsError("--chart compares heads with others of their age: give a csv of --exams too.")
    settings = segment_settings(given)
    if settings.model == "default" and (instead := catalogue.default_problem(settings.task)):
        print(f"note: {instead}", file=sys.stderr)
    stop = threading.Event()
    with (
        _hands(given) as events,
        Batch(
            given.inputs,
            given.out,
            settings,
            batch_settings(given),
            growth=GrowthSettings(given.chart, given.crl_formula),
            command=shlex.join(["fetalseg", *sys.argv[1:]]),
            overwrite=given.overwrite,
            watching=given.watch,
        ) as batch,
        _stopped_by_signals(stop),
        shown(watching=given.watch) as show,
        contextlib.suppress(Cancelled),
    ):
        for event in events(batch, stop):
            show(event)
    _tell(batch.summary, given, volume=tasks.get(settings.task).VOLUME)
    if given.report and (given.watch or not stop.is_set()):
        print(f"Report in {write_page(given.out)}.")
    if stop.is_set() and not given.watch:
        print("fetalseg: stopped; what was finished is kept. The same command goes on from there.", file=sys.stderr)
        return 130
    return 1 if batch.summary.failed else 0


@contextmanager
def _hands(given: argparse.Namespace) -> Iterator[Callable[[Batch, threading.Event], Iterator[Event]]]:
    """Yield what does a batch's scans: this process, others, or a cluster."""
    if given.workers is None and given.scheduler is None:
        yield lambda batch, stop: batch.events(stop)
        return
    from fetalseg.batch import cluster

    if given.watch:
        raise SettingsError("--watch measures in this process; leave out --workers and --scheduler.")

    def say(sentence: str) -> None:
        print(f"note: {sentence}", file=sys.stderr, flush=True)

    with cluster.connected(given.scheduler, say) if given.scheduler else cluster.started(given.workers) as there:
        yield there.events


def batch_settings(given: argparse.Namespace) -> BatchSettings:
    """Return the settings that the options say."""
    return BatchSettings(
        pattern=given.pattern,
        spacing_mm=parse_spacing(given.spacing) if given.spacing else None,
        spacing_csv=str(given.spacing_csv) if given.spacing_csv else None,
        pixels_only=given.pixels_only,
        overlays=not given.no_overlays,
        series=given.series,
        exams=str(given.exams) if given.exams else None,
        sr=given.sr,
        instances=given.instances,
        keep_identifiers=given.keep_identifiers,
        parquet=given.parquet,
    )


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C, or a scheduler's "stop", end the run with whole tables; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(summary: Summary, given: argparse.Namespace, *, volume: bool) -> None:
    """Say what was done, and what could not be given."""
    for sentence in summary.warnings[:_NOTES]:
        print(f"note: {sentence}", file=sys.stderr)
    if len(summary.warnings) > _NOTES:
        print(f"note: {len(summary.warnings) - _NOTES} more of these; run.json has all.", file=sys.stderr)
    if not given.watch and (others := telling.elsewhere(summary, given.out)):
        print(f"note: {others}", file=sys.stderr)
    print(f"{telling.done(summary, volume=volume)}. Results in {given.out}. {RESEARCH}")


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
