"""``fetalseg dataset``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fetalseg import tasks
from fetalseg.cli._shared import add_command, progress_bar

if TYPE_CHECKING:
    from fetalseg.dataset.agreement import Agreement
    from fetalseg.dataset.entry import Entry
    from fetalseg.dataset.store import Store

_LAYOUTS_IN = ("hc18", "lgg", "pairs", "coco", "results")
_LAYOUTS_OUT = ("hc18", "coco", "nnunet")
_STATES = ("to-do", "accepted", "edited", "rejected")
_GRADES = ("error", "warning", "note")
_SHOWN = 20


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and the actions below it."""
    made = add_command(
        commands,
        "dataset",
        lambda given: 2,
        "Keep annotations in a plain folder: bring them in, check, list, merge, compare and send them out.\n\n"
        "The folder holds images/, masks/, predictions/, a table with one row an item (items.csv), what was done when\n"
        "(history.csv), and dataset.json. Several programs may write to it at once. What a person decided is never\n"
        "written over by an import, a merge or a new run.",
        "examples:\n"
        "  fetalseg dataset init heads/ --task head\n"
        "  fetalseg dataset import heads/ hc18/ --layout hc18\n"
        "  fetalseg dataset import heads/ results/ --layout results --images exams/    predictions, to be accepted\n"
        "  fetalseg dataset list heads/ --state to-do\n"
        "  fetalseg dataset check heads/\n"
        "  fetalseg dataset agree heads/ colleague/ --out agreement/\n"
        "  fetalseg dataset export heads/ for-nnunet/ --layout nnunet\n"
        "  fetalseg train --data heads/ --out my-model/\n\n"
        "exit code: 0 all is well, 1 something failed, conflicts or is wrong in the data set, 2 wrong usage",
    )
    actions = made.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_in_and_out(actions)
    _add_looks(actions)


def _add_in_and_out(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = add_command(actions, "init", _init, "Make an empty data set in a new folder.", "")
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("--task", required=True, choices=tasks.NAMES, help="what is annotated")

    one = add_command(
        actions,
        "import",
        _import,
        "Bring pictures and annotations into a data set.\n\n"
        "  hc18     pictures with NNN_HC_Annotation.png beside them and a csv of pixel sizes\n"
        "  lgg      volumes NAME_flair.tif with NAME_mask.tif, or NIfTI of such names\n"
        "  pairs    pictures or volumes with filled masks: masks/NAME.png, or NAME_mask.png beside them\n"
        "  coco     a JSON file of COCO with polygons or run lengths, and its pictures\n"
        "  results  what 'fetalseg segment' wrote; comes as predictions that wait for a person\n\n"
        "A scan is known by its file's content: importing twice adds nothing twice.",
        "examples:\n"
        "  fetalseg dataset import heads/ hc18/ --layout hc18 --annotator 'Dr Gray'\n"
        "  fetalseg dataset import heads/ export/ --layout pairs --spacing 0.12 --group '^(\\d+)'",
    )
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("source", type=Path, metavar="SRC")
    one.add_argument("--layout", required=True, choices=_LAYOUTS_IN)
    one.add_argument("--annotator", default="", metavar="NAME", help="who drew it (default: the layout's name)")
    one.add_argument("--images", type=Path, metavar="DIR", help="where the pictures lie (results, coco)")
    one.add_argument(
        "--group",
        metavar="REGEX",
        help="what in a file's name is the exam or patient: its first parenthesis, or all that fits (default: the part "
        "before the first '_'; of volumes the name without a date)",
    )
    one.add_argument("--spacing", metavar="MM", help="mm per pixel: one number, X,Y or X,Y,Z; stands above all else")
    one.add_argument("--to-do", action="store_true", help="annotations wait for a person to accept them")
    one.add_argument("--category", metavar="NAME", help="of COCO's categories, the one that is meant")

    one = add_command(
        actions,
        "export",
        _export,
        "Write what was accepted or edited in another layout, into a new folder.",
        "examples:\n  fetalseg dataset export heads/ as-hc18/ --layout hc18",
    )
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("out", type=Path, metavar="OUT")
    one.add_argument("--layout", required=True, choices=_LAYOUTS_OUT)


def _add_looks(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = add_command(actions, "check", _check, "Hold every row and file against each other.", "")
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("--quick", action="store_true", help="files need only be there; they are not read")

    one = add_command(actions, "list", _list, "List the items, and sum them up.", "")
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("--state", choices=_STATES, help="only these")
    one.add_argument("--group", metavar="NAME", help="only this exam or patient")
    one.add_argument("--summary", action="store_true", help="only the sums")

    one = add_command(
        actions, "merge", _merge, "Bring another data set's items into DIR; conflicts are listed, nothing is lost.", ""
    )
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("other", type=Path, metavar="OTHER")
    one.add_argument("--conflicts", type=Path, metavar="CSV", help="write the conflicts here as well")

    one = add_command(
        actions,
        "agree",
        _agree,
        "Compare what two people annotated on the same scans.\n"
        "Tells Dice, the difference of HC (or volume), ICC(2,1) and Bland-Altman's limits of agreement.",
        "examples:\n"
        "  fetalseg dataset agree reader1/ reader2/ --out agreement/\n"
        "  fetalseg dataset agree reader1/ reader2/ --adjudicate decided/     a third version, waiting to be decided",
    )
    one.add_argument("folder", type=Path, metavar="DIR")
    one.add_argument("other", type=Path, metavar="OTHER")
    one.add_argument("--out", type=Path, metavar="OUT", help="gets agreement.csv, agreement.json and bland_altman.png")
    one.add_argument(
        "--adjudicate",
        type=Path,
        metavar="DIR3",
        help="put the scans into this data set, each with the outline midway between both, for a third person to "
        "accept",
    )


def _open(folder: Path) -> Store:
    from fetalseg.dataset.store import Store

    return Store.open(folder)


def _init(given: argparse.Namespace) -> int:
    from fetalseg.dataset.store import Store

    Store.create(given.folder, given.task)
    print(
        f"{given.folder} is an empty data set for the task '{given.task}'. Next: fetalseg dataset import {given.folder}"
    )
    return 0


def _import(given: argparse.Namespace) -> int:
    from fetalseg.cli.segment import parse_spacing
    from fetalseg.dataset.layouts import ImportOptions, bring_in

    options = ImportOptions(
        annotator=given.annotator,
        images=given.images,
        group=given.group,
        spacing_mm=parse_spacing(given.spacing) if given.spacing else None,
        waiting=given.to_do,
        category=given.category,
    )
    with progress_bar("import") as progress:
        report = bring_in(_open(given.folder), given.source, given.layout, options, progress)
    for _, outcome, sentence in report.told[:_SHOWN]:
        print(f"{outcome}: {sentence}", file=sys.stderr)
    if len(report.told) > _SHOWN:
        print(f"and {len(report.told) - _SHOWN} more like these", file=sys.stderr)
    counts = ", ".join(f"{number} {outcome}" for outcome, number in report.counts.items() if number)
    print(f"{given.folder}: {counts or 'nothing to import'}")
    return 1 if report.counts["failed"] else 0


def _export(given: argparse.Namespace) -> int:
    from fetalseg.dataset.layouts import send_out

    with progress_bar("export") as progress:
        done = send_out(_open(given.folder), given.out, given.layout, progress)
    for item, why in done.left_out[:_SHOWN]:
        print(f"left out: {item}: {why}.", file=sys.stderr)
    left = f", {len(done.left_out)} left out" if done.left_out else ""
    print(f"{done.written} items written to {given.out} as {given.layout}{left}.")
    return 1 if done.left_out else 0


def _check(given: argparse.Namespace) -> int:
    from fetalseg.dataset.check import check

    store = _open(given.folder)
    with progress_bar("check") as progress:
        found = check(store, quick=given.quick, progress=progress)
    for finding in found:
        print(f"{finding.grade}: {finding.text}")
    counts = {grade: sum(finding.grade == grade for finding in found) for grade in _GRADES}
    told = ", ".join(f"{number} {grade}{'' if number == 1 else 's'}" for grade, number in counts.items())
    print(f"{len(store.table().rows)} items looked at: {told}. Version {_version(store, counts['error'])}")
    return 1 if counts["error"] else 0


def _version(store: Store, errors: int) -> str:
    from fetalseg.errors import DatasetError

    try:
        return store.version()[:12]
    except DatasetError:
        assert errors
        return "unknown"


def _list(given: argparse.Namespace) -> int:
    from fetalseg.dataset.summary import summarize

    store = _open(given.folder)
    entries = [
        entry
        for entry in store.entries()
        if given.state in (None, entry.state.value) and given.group in (None, entry.group)
    ]
    if not given.summary:
        lines = [_HEADER, *(_line(entry) for entry in entries)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
        sys.stdout.write(
            "".join("  ".join(map(str.ljust, line, widths)).rstrip() + "\n" for line in lines) if entries else ""
        )
    for line in summarize(entries).lines():
        print(line)
    print(f"task {store.task}, version {store.version()[:12]}")
    return 0


_HEADER = ("item", "group", "state", "annotator", "changed", "seconds", "hc_mm", "volume_ml", "model", "dice")


def _line(entry: Entry) -> tuple[str, ...]:
    numbers = [(entry.seconds, 0), (entry.hc_mm, 1), (entry.volume_ml, 2), (entry.dice, 3)]
    seconds, hc, volume, dice = ("" if value is None else f"{value:.{digits}f}" for value, digits in numbers)
    known = (entry.item, entry.group, entry.state.value, entry.annotator, entry.changed)
    return (*known, seconds, hc, volume, entry.model, dice)


def _merge(given: argparse.Namespace) -> int:
    from fetalseg.dataset.merge import merge, write_conflicts

    with progress_bar("merge") as progress:
        done = merge(_open(given.folder), _open(given.other), progress)
    for conflict in done.conflicts:
        print(f"conflict: {conflict.text}", file=sys.stderr)
    for sentence in done.told:
        print(f"failed: {sentence}", file=sys.stderr)
    if given.conflicts:
        write_conflicts(given.conflicts, done.conflicts)
    failed = f", {done.failed} failed" if done.failed else ""
    counts = f"{done.added} added, {done.updated} updated, {done.same} alike, {len(done.conflicts)} conflicts"
    print(f"{given.folder}: {counts}{failed}")
    if done.conflicts:
        print(f"To decide: fetalseg dataset agree {given.folder} {given.other} --adjudicate NEW-FOLDER")
    return 1 if done.conflicts or done.failed else 0


def _agree(given: argparse.Namespace) -> int:
    from fetalseg.dataset import agreement as agreements

    first, second = _open(given.folder), _open(given.other)
    with progress_bar("compare") as progress:
        found = agreements.agree(first, second, progress)
    _print_agreement(found)
    if given.out:
        agreements.write(given.out, found)
        try:
            from fetalseg.dataset.agreement_picture import draw

            picture = draw(found)
        except ImportError:
            print("note: no picture: matplotlib is not installed (pip install matplotlib).", file=sys.stderr)
        else:
            from fetalseg.io.atomic import write_png

            write_png(given.out / "bland_altman.png", picture)
    if given.adjudicate:
        from fetalseg.dataset.folder import is_one
        from fetalseg.dataset.store import Store

        third = _open(given.adjudicate) if is_one(given.adjudicate) else Store.create(given.adjudicate, first.task)
        report = agreements.adjudicate(found, first, second, third)
        for _, outcome, sentence in report.told:
            print(f"{outcome}: {sentence}", file=sys.stderr)
        waiting = sum(not entry.state.done for entry in third.entries())
        print(f"{given.adjudicate}: {waiting} scans wait for a decision.")
    return 0


def _print_agreement(found: Agreement) -> None:
    first, second = found.names
    print(f"{len(found.pairs)} scans annotated by {first} and {second}")
    print(f"  Dice       mean {found.dice:.4f}, lowest {found.lowest}")
    limits = found.bland_altman
    if limits is not None:
        name = {"hc": "HC", "volume": "volume"}[found.measure]
        print(f"  {name:<10} {second} minus {first}: {limits.bias:+.2f} {found.unit} (SD {limits.sd:.2f})")
        print(f"  95 % limits of agreement: {limits.low:+.2f} to {limits.high:+.2f} {found.unit}")
    if found.icc is not None:
        interval = "" if found.icc_interval is None else " (95 % {:.3f} to {:.3f})".format(*found.icc_interval)
        print(f"  ICC(2,1)   {found.icc:.4f}{interval}")
