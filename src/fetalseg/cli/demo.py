"""``fetalseg demo``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fetalseg import RESEARCH
from fetalseg.cli._shared import add_command, progress_bar
from fetalseg.result import Result, State
from fetalseg.settings import SegmentSettings

_SIGNS = {State.ACCEPT: "accept", State.CHECK: "check", State.REFUSE: "refuse"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    made = add_command(
        commands,
        "demo",
        run,
        "Segment the sample scans (phantoms of known size) with the bundled U-Nets and show the tables.\n"
        "Where there is a display, napari opens with scan, mask, ellipse and table.",
        "examples:\n  fetalseg demo\n  fetalseg demo --no-gui",
    )
    made.add_argument("--out", type=Path, default=Path("demo-results"), metavar="DIR", help="default: %(default)s")
    made.add_argument("--no-gui", action="store_true", help="do not open napari")


def run(given: argparse.Namespace) -> int:
    """Run the main job on the sample scans."""
    from fetalseg import samples
    from fetalseg.batch.run import run as run_batch

    truth = {(row.filename, row.frame): row.hc_mm for row in samples.truth()}
    collected: list[Result] = []

    def hear(_name: str, results: Sequence[Result], _error: str) -> None:
        collected.extend(results)

    print("Segmenting the sample scans with the bundled U-Net (the first picture waits for the network to load) ...")
    with progress_bar("demo") as progress:
        outcome = run_batch(
            [samples.folder()],
            given.out,
            SegmentSettings(),
            command="fetalseg demo",
            overwrite=True,
            progress=progress,
            heard=hear,
        )
    print(table(collected, truth))
    tumours: list[Result] = []
    print("\nSegmenting the phantom FLAIR ...")
    volume = run_batch(
        [samples.folder() / samples.VOLUME],
        given.out / "tumour",
        SegmentSettings(task="tumour"),
        command="fetalseg demo",
        overwrite=True,
        heard=lambda _name, results, _error: tumours.extend(results),
    )
    print(lesion_table(tumours, samples.flair_truth()["volume_ml"]))
    outcome.failed += volume.failed
    for _, sentence in [*outcome.errors, *volume.errors]:
        print(f"failed: {sentence}", file=sys.stderr)
    print(f"\nMasks, side-by-side pictures and measurements.csv are in {given.out}/. {RESEARCH}")
    if not given.no_gui:
        _open_napari()
    return 1 if outcome.failed else 0


def table(results: Sequence[Result], truth: dict[tuple[str, int], float]) -> str:
    """Return the measurements as text, beside the phantoms' true circumference."""
    lines = [f"{'file':<28} {'frame':>5} {'HC mm':>16} {'true':>7} {'off':>7} {'BPD':>6} {'OFD':>6}  state"]
    for result in results:
        m = result.measurement
        true = truth.get((result.scan_name, result.frame))
        hc = m.values.get("hc_mm")
        if hc is None:
            lines.append(f"{result.scan_name:<28} {result.frame:>5} {'—':>16}{'':>32} {_SIGNS[m.state]}")
            continue
        interval = m.intervals.get("hc_mm")
        text = f"{hc:.1f} ± {(interval[1] - interval[0]) / 2:.1f}" if interval else f"{hc:.1f}"
        beside = f"{true:7.1f} {100 * (hc / true - 1):+6.1f}%" if true else f"{'':>15}"
        codes = " ".join(f.code for f in m.flags)
        lines.append(
            f"{result.scan_name:<28} {result.frame:>5} {text:>16} {beside} {m.values['bpd_mm']:6.1f} "
            f"{m.values['ofd_mm']:6.1f}  {_SIGNS[m.state]} {codes}".rstrip()
        )
    return "\n".join(lines)


def lesion_table(results: Sequence[Result], true_ml: float) -> str:
    """Return the lesions' measurements as text, the volume of all beside the phantom's true one."""
    lines = [f"{'file':<28} {'lesion':>6} {'volume ml':>10} {'true':>7} {'off':>7} {'longest':>8} {'perp.':>6}  state"]
    for result in results:
        for part in (result.measurement, *result.measurement.parts):
            volume, long, short = (part.values[n] for n in ("volume_ml", "longest_mm", "perpendicular_mm"))
            whole = part is result.measurement
            beside = f"{true_ml:7.1f} {100 * ((volume or 0) / true_ml - 1):+6.1f}%" if whole else " " * 15
            codes = " ".join(f.code for f in part.flags)
            lines.append(
                f"{result.scan_name:<28} {part.texts['lesion']:>6} {volume or 0:10.1f} {beside} "
                f"{long or 0:8.1f} {short or 0:6.1f}  {_SIGNS[part.state]} {codes}".rstrip()
            )
    return "\n".join(lines)


def _open_napari() -> None:
    """Open napari with the first sample segmented, where there is a display and napari is installed."""
    display = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not display:
        print("No display: napari is not opened.")
        return
    from importlib.util import find_spec

    if find_spec("napari") is None or find_spec("napari_fetalseg") is None:
        print("napari is not installed in this environment: pip install 'napari-fetalseg[all]' brings it.")
        return
    import subprocess

    # A process of its own: the engine's command line never imports Qt.
    subprocess.run([sys.executable, "-m", "napari_fetalseg.demo"], check=False)
