"""Output folders as ``fetalseg segment`` leaves them, with rows and pictures that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from fetalseg.io import folders
from fetalseg.io.atomic import write_mask, write_png
from fetalseg.report import table
from fetalseg.report.overlay import marked_box

SHAPE = (30, 40)


def head(name: str, hc: float | None = 200.0, state: str = "accept", **more: str) -> dict[str, str]:
    """A row of a head; without a size one in which none was found."""
    row = {
        "file": name, "frame": "0", "status": "ok" if hc else "empty", "task": "head", "model": "unet",
        "model_sha256": "ab" * 32, "confidence": "0.9", "state": state, "edited": "no",
    }  # fmt: skip
    if hc:
        row |= {
            "hc_mm": f"{hc}", "hc_low_mm": f"{hc - 3}", "hc_high_mm": f"{hc + 3}", "bpd_mm": f"{hc * 0.28}",
            "ofd_mm": f"{hc * 0.36}", "cephalic_index": "77.8", "spacing_x_mm": "0.15", "spacing_y_mm": "0.15",
            "spacing_source": "typed in",
        }  # fmt: skip
    return dict.fromkeys(table.COLUMNS, "") | row | more


def dated(name: str, hc: float, days: int, z: float, **more: str) -> dict[str, str]:
    """A row of a head of known age."""
    return head(name, hc, **{
        "chart": "intergrowth21", "chart_version": "2014", "ga_days": f"{days}", "ga_source": "crl",
        "z_score": f"{z}", "z_low": f"{z - 0.4}", "z_high": f"{z + 0.4}", "centile": "60", "centile_text": "60th",
    } | more)  # fmt: skip


def tumour(name: str, *volumes: float) -> list[dict[str, str]]:
    """The rows of a volume: all lesions, and each."""
    rows = []
    for lesion, volume in [("all", sum(volumes)), *((str(i), v) for i, v in enumerate(volumes, 1))]:
        known = {
            "file": name, "lesion": lesion, "status": "ok" if volumes else "empty", "task": "tumour", "model": "unet",
            "state": "accept" if volumes else "check", "flags": "" if volumes else "no_tumour", "confidence": "0.8",
        }  # fmt: skip
        if volume:
            known |= {"volume_ml": f"{volume}", "volume_low_ml": f"{volume * 0.7}", "volume_high_ml": f"{volume * 1.3}"}
            known |= {"longest_mm": "40.25", "perpendicular_mm": "30", "product_mm2": "1207.5", "measurable": "1"}
        rows.append(dict.fromkeys(table.VOLUME_COLUMNS, "") | known)
    return rows


def failed(name: str, sentence: str) -> dict[str, str]:
    """The row of a file that could not be read."""
    return table.error_row(name, sentence, task="head", model="unet")


def side_by_side(seed: int = 0) -> np.ndarray:
    """A picture with the layout of a side-by-side picture of a scan of `SHAPE`: its right half is red."""
    left, top, right, bottom = marked_box(SHAPE)
    picture = np.random.default_rng(seed).integers(0, 255, (bottom + 60, right, 3)).astype(np.uint8)
    picture[top:bottom, left:right] = (220, 20, 20)
    return picture


def write(
    out: Path, rows: Iterable[Mapping[str, str]], *, pictures: bool = True, record: Mapping[str, object] | None = None
) -> Path:
    """Write an output folder; `record` is added to its ``run.json``."""
    rows = list(rows)
    names = list(dict.fromkeys(row["file"] for row in rows))
    columns = table.columns(next((row["task"] for row in rows if row["task"]), "head"))
    out.mkdir(parents=True, exist_ok=True)
    (out / "measurements.csv").write_text(table.to_csv(rows, columns), encoding="utf-8")
    stems = folders.stems(names)
    broken = {row["file"] for row in rows if row["status"] == "error"}
    for number, name in enumerate(name for name in names if pictures and name not in broken):
        write_png(out / "overlays" / f"{stems[name]}.png", side_by_side(number))
        write_mask(out / "masks" / f"{stems[name]}_mask.tif", np.zeros(SHAPE, np.uint8))
    run = {
        "product": {"name": "napari-fetalseg", "version": "0.1.0", "commit": "c0ffee" * 6},
        "command": "fetalseg segment /home/SECRET_PATIENT/scans --out out",
        "task": "head", "model": {"name": "unet", "sha256": "ab" * 32}, "device": "cpu", "backend": "torch",
        "settings": {"spacing_csv": "/home/SECRET_PATIENT/sizes.csv", "flips": True}, "libraries": {"numpy": "2.0"},
        "started": "2026-01-02T03:04:05+00:00", "ended": "2026-01-02T03:05:05+00:00", "wall_s": 60.0,
        "finished": True, "counts": {"files": len(names), "done": len(names)},
        "inputs": [{"name": name, "stem": stems[name], "sha256": "cd" * 32} for name in names],
    } | dict(record or {})  # fmt: skip
    (out / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return out


CHART = {
    "growth": {"chart": "intergrowth21", "chart_version": "2014", "exams": "x/exams.csv", "exams_sha256": "ef" * 32}
}
EVIL = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>.png"


def mixed(out: Path) -> Path:
    """A folder with all that a report of heads can hold: 9 cases."""
    loop = [head("loop.tif", 180.0 + i, s, frame=str(i), confidence=c) for i, (s, c) in enumerate(
        [("check", "0.9"), ("accept", "0.7"), ("accept", "0.8"), ("refuse", "0.1")]
    )]  # fmt: skip
    pixels = head("pixels.png", None, "check", status="ok", hc_px="900.5", flags="no_spacing;faint_outline")
    return write(
        out,
        [
            head("a/10.png", 210.0),
            head("a/9.png", 190.0, "check", flags="faint_outline", confidence="0.5"),
            head("b & c/none.png", None, "refuse", flags="no_head", confidence="0"),
            failed("broken.png", "broken.png is damaged or cut short. Copy it again from its source."),
            dated("dated.png", 180.0, 145, 0.5),
            dated("small.png", 150.0, 145, -2.4, growth_flags="small_head"),
            head(EVIL.replace("/", "_"), 123.0),
            *loop,
            pixels,
        ],
        record=CHART,
    )
