"""What several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fetalseg import tasks
from fetalseg.growth.dating import CRL_FORMULAS
from fetalseg.settings import BACKENDS, DEVICES, GrowthSettings, SegmentSettings


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add a command whose help teaches by examples."""
    made = commands.add_parser(
        name,
        help=about.split("\n", 1)[0].replace("%", "%%"),
        description=about,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(run=run)
    return made


def add_model_options(made: argparse.ArgumentParser) -> None:
    """Add the options that choose a model and how it runs."""
    defaults = SegmentSettings()
    made.add_argument("--task", default=defaults.task, choices=tasks.NAMES, help="what to find (default: %(default)s)")
    made.add_argument(
        "--model",
        default=defaults.model,
        metavar="NAME",
        help="a name that 'fetalseg models' lists, or a model's folder",
    )
    made.add_argument(
        "--device", default=defaults.device, choices=DEVICES, help="where the network runs (default: %(default)s)"
    )
    made.add_argument(
        "--backend",
        default=defaults.backend,
        choices=BACKENDS,
        help="what runs the network: auto is OpenVINO on the CPU, where it can, and PyTorch everywhere else",
    )
    made.add_argument(
        "--level", type=float, metavar="P", help="probability at which the outline is drawn (default: the model's own)"
    )
    made.add_argument("--no-flips", action="store_true", help="do not average mirrored copies: faster, a little worse")
    made.add_argument(
        "--smallest-lesion",
        type=int,
        default=defaults.smallest_lesion_voxels,
        metavar="VOXELS",
        help="tumour: drop specks of fewer voxels (default: %(default)s)",
    )
    made.add_argument("--slice", type=int, metavar="N", help="fetal-brain: the axial slice to measure on, from 0")
    made.add_argument("--no-second-look", action="store_true", help="do not look again at a window around the head")


def add_crl_formula(made: argparse._ActionsContainer) -> None:
    """Add the option that chooses by which formula a crown-rump length dates."""
    made.add_argument(
        "--crl-formula",
        default=GrowthSettings().crl_formula,
        choices=tuple(CRL_FORMULAS),
        help="by which a crown-rump length dates: robinson1975 (Robinson & Fleming, 45 to 84 mm) or intergrowth2014 "
        "(INTERGROWTH-21st, 15 to 84 mm) (default: %(default)s)",
    )


def segment_settings(given: argparse.Namespace) -> SegmentSettings:
    """Return the settings that the options of `add_model_options` say."""
    return SegmentSettings(
        task=given.task,
        model=given.model,
        device=given.device,
        backend=given.backend,
        level=given.level,
        flips=not given.no_flips,
        second_look=not given.no_second_look,
        smallest_lesion_voxels=given.smallest_lesion,
        slice=given.slice,
    )


@contextmanager
def progress_bar(text: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show progress: a bar with rate and time left on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total, name: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(text, total=None)

        def advance(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{text} {name}"[:60])

        yield advance
