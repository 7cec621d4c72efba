"""``fetalseg models``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fetalseg import RESEARCH
from fetalseg.cli._shared import add_command, progress_bar
from fetalseg.errors import SettingsError
from fetalseg.settings import DEVICES

if TYPE_CHECKING:
    from fetalseg.evaluation.promotion import Comparison
    from fetalseg.models.catalogue import Model

_TASKS = ["head", "tumour"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and the actions below it."""
    made = add_command(
        commands,
        "models",
        run,
        "List the models, with the figures of their cards; compare two, install, remove, restore the bundled ones.",
        "examples:\n"
        "  fetalseg models\n"
        "  fetalseg models --card unet                    the whole model card\n"
        "  fetalseg models compare unet my-model/ --data mine/       on what my-model kept out of its training\n"
        "  fetalseg models install my-model/ --name ours --default --data mine/\n"
        "  fetalseg models restore --task head            the bundled model is the default again\n\n"
        "exit code: 0 all is well, 1 a model is damaged or was not found better, 2 wrong usage",
    )
    made.add_argument("--task", choices=_TASKS, help="only the models of a task")
    made.add_argument("--card", metavar="NAME", help="print a model's card as JSON")
    actions = made.add_subparsers(dest="action", metavar="ACTION")
    _add_compare(actions)
    _add_install(actions)
    one = add_command(actions, "remove", _remove, "Take an installed model away. A bundled one stays.", "")
    one.add_argument("name", metavar="NAME")
    one.add_argument("--task", dest="of", choices=_TASKS, help="where models of two tasks have the name")
    one = add_command(actions, "restore", _restore, "Make the bundled model of a task its default again.", "")
    one.add_argument("--task", dest="of", required=True, choices=_TASKS)


def _add_compare(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = add_command(
        actions,
        "compare",
        _compare,
        "Compare two models scan by scan on what the new one kept out of its training: the mean difference of Dice,\n"
        "with its 95 % range over resampled exams. The new one is called better where the difference is above 0 and\n"
        "the range does not reach below 0.",
        "examples:\n  fetalseg models compare unet my-model/ --data mine/ --json",
    )
    one.add_argument("old", metavar="OLD", help="a name, or a model's folder")
    one.add_argument("new", metavar="NEW", help="a name, or a model's folder with its split.csv")
    one.add_argument("--data", type=Path, required=True, metavar="DIR", help="what the new one was trained on")
    one.add_argument("--task", dest="of", choices=_TASKS, help="of models given by name (default: head)")
    one.add_argument("--json", action="store_true", help="print it as JSON")
    one.add_argument("--device", default="auto", choices=DEVICES, help="default: %(default)s")


def _add_install(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = add_command(
        actions,
        "install",
        _install,
        "Copy a trained model to the user's models, so that it can be chosen by name.\n"
        "With --default it becomes what 'segment' uses, if it is better than the present default on --data.",
        "examples:\n"
        "  fetalseg models install my-model/ --name ours\n"
        "  fetalseg models install my-model/ --name ours --default --data mine/\n"
        "  fetalseg models install my-model/ --name ours --default --override 'our new machine, agreed on 3 May'",
    )
    one.add_argument("folder", type=Path, metavar="DIR", help="what 'fetalseg train' wrote")
    one.add_argument("--name", required=True, help="what it is called from now on")
    one.add_argument("--default", action="store_true", help="make it the default of its task, if it is better")
    one.add_argument("--data", type=Path, metavar="DIR", help="what it was trained on, to compare on what it kept out")
    one.add_argument("--override", default="", metavar="REASON", help="make it the default whatever was found")
    one.add_argument("--device", default="auto", choices=DEVICES, help="default: %(default)s")


def run(given: argparse.Namespace) -> int:
    """Print the models, or a card."""
    from fetalseg.models import catalogue, weights
    from fetalseg.models.card import dice_of, number_of

    if given.card:
        model = catalogue.find(given.task or "head", given.card)
        print((model.folder / weights.CARD).read_text(encoding="utf-8"), end="")
        return 0
    print(f"{'task':<6} {'model':<12} {'version':<8} {'DSC %':>7} {'ADF mm':>7} {'HD mm':>6}  measured on")
    for model in catalogue.models(given.task):
        card = model.card
        figures = card.figures.get("report") or {}
        known = (dice_of(figures), number_of(figures, "adf_mm"), number_of(figures, "hd_mm"))
        numbers = ["—" if value is None else f"{value:.2f}" for value in known]
        default = "  (default)" if card.name == catalogue.default_name(card.task) else ""
        print(
            f"{card.task:<6} {card.name:<12} {card.version:<8} {numbers[0]:>7} {numbers[1]:>7} {numbers[2]:>6}  "
            f"{figures.get('on', '—')}{default}{'' if model.bundled else f'  ({model.folder})'}"
        )
    print(RESEARCH)
    wrong = catalogue.problems(given.task)
    for sentence in wrong:
        print(f"note: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


def _found(name: str, task: str | None) -> Model:
    from fetalseg.models import catalogue

    return catalogue.of_any_task(name, task or "head")


def _compare(given: argparse.Namespace) -> int:
    new = _found(given.new, given.of)
    comparison = _compared(_found(given.old, given.of or new.card.task), new, given)
    if given.json:
        print(json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False))
        return 0
    print(f"{comparison.scans} scans that '{comparison.new}' was not trained on")
    print(comparison.sentence)
    if comparison.old_adf_mm is not None and comparison.new_adf_mm is not None:
        print(
            f"Mean absolute difference of HC: old {comparison.old_adf_mm:.2f} mm, new {comparison.new_adf_mm:.2f} mm."
        )
    if comparison.doubt:
        print(f"note: {comparison.doubt}")
    print(RESEARCH)
    return 0


def _compared(old: Model, new: Model, given: argparse.Namespace) -> Comparison:
    from fetalseg.evaluation import promotion

    with progress_bar("compare") as progress:
        return promotion.compare(old, new, given.data, device=given.device, progress=progress)


def _install(given: argparse.Namespace) -> int:
    from fetalseg.evaluation import promotion
    from fetalseg.models import catalogue, installed

    if given.default and not (given.data or given.override):
        raise SettingsError(
            "--default needs --data, to compare the model with the present default on what it kept out of its "
            "training, or --override with a reason."
        )
    model = installed.install(given.folder, given.name)
    task = model.card.task
    print(f"'{given.name}' is installed for the task '{task}'.")
    if not given.default:
        return 0
    old = catalogue.find(task)
    comparison = _compared(old, model, given) if given.data else None
    if comparison is not None:
        print(comparison.sentence)
        if comparison.doubt:
            print(f"note: {comparison.doubt}")
    if not given.override and comparison is not None and not comparison.better:
        print(f"'{old.card.name}' stays the default. With --override REASON '{given.name}' becomes it all the same.")
        return 1
    promotion.promote(model, comparison, override=given.override)
    print(f"'{given.name}' is the default of the task '{task}' now; its card says why.")
    return 0


def _remove(given: argparse.Namespace) -> int:
    from fetalseg.models import catalogue, installed

    tasks = [given.of] if given.of else _tasks_of(given.name)
    if len(tasks) > 1:
        raise SettingsError(f"Models of several tasks are called '{given.name}' ({', '.join(tasks)}); give --task.")
    was_default = installed.remove(tasks[0], given.name)
    print(f"'{given.name}' is removed.")
    if was_default:
        print(f"It was the default of the task '{tasks[0]}'; now that is the bundled '{catalogue.DEFAULTS[tasks[0]]}'.")
    return 0


def _tasks_of(name: str) -> list[str]:
    """The tasks for which a model of that name is installed, damaged or not."""
    from fetalseg.models import catalogue

    known = {m.card.task for m in catalogue.models() if m.card.name == name and not m.bundled}
    known |= {task for task in _TASKS if (catalogue.user_folder() / f"{task}_{name}").is_dir()}
    return sorted(known) or ["head"]


def _restore(given: argparse.Namespace) -> int:
    from fetalseg.models import installed

    print(f"'{installed.restore(given.of)}' is the default of the task '{given.of}' again. Installed models stay.")
    return 0
