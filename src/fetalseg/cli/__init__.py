"""The console command ``fetalseg``: one file a command, thin doors to the engine."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module

from fetalseg import __version__
from fetalseg.errors import DeviceError, FetalSegError, GrowthError, SettingsError

COMMANDS = ("segment", "demo", "models", "train", "evaluate", "benchmark", "followup", "growth", "dataset", "report")

_ABOUT = """Measure the fetal head in ultrasound: mask, head-circumference ellipse, millimetres.

Research software: not a medical device, not for diagnosis."""

_FIRST = """first steps:
  fetalseg demo                                   segment the sample scans, show the table
  fetalseg segment scan.png --spacing 0.15        one picture, 0.15 mm a pixel
  fetalseg segment folder/ --out results/         all scans of a folder
  fetalseg models                                 which models there are, and how good"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser; cheap, no model or network library is imported."""
    top = argparse.ArgumentParser(
        prog="fetalseg", description=_ABOUT, epilog=_FIRST, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"fetalseg {__version__}")
    top.add_argument("-v", "--verbose", action="store_true", help="log what happens, with tracebacks of failures")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"fetalseg.cli.{name}").add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 when all went well, 1 when some or all inputs failed, 2 for wrong usage, 130 when interrupted.
    """
    # Windows consoles may not speak UTF-8; a sign that can't be shown must not end a run.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    given = parser().parse_args(arguments)
    if threading.current_thread() is threading.main_thread():
        # A scheduler's "stop" ends a run as cleanly as Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.basicConfig(level=logging.INFO if given.verbose else logging.CRITICAL, format="%(levelname)s %(message)s")
    try:
        code: int = given.run(given)
    except (SettingsError, DeviceError, GrowthError) as error:
        print(f"fetalseg: {error}", file=sys.stderr)
        return 2
    except FetalSegError as error:
        logging.info("failed", exc_info=True)
        print(f"fetalseg: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"fetalseg: {error.filename} is no file or folder: its name is too long.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fetalseg: stopped; what was finished is kept.", file=sys.stderr)
        return 130
    return code
