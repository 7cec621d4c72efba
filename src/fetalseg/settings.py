"""Settings as frozen dataclasses, one a capability. Each default is written here and nowhere else.

Docks, command line and ``run.json`` read and fill these same objects.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from fetalseg.errors import SettingsError

Device = Literal["auto", "cpu", "cuda", "mps"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda", "mps")
Backend = Literal["auto", "torch", "openvino"]
BACKENDS: tuple[Backend, ...] = ("auto", "torch", "openvino")
BACKEND_TITLES = {"torch": "PyTorch", "openvino": "OpenVINO"}


class _Settings:
    """What all settings share: to and from plain values."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as written to ``run.json`` and model cards."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_dict(cls, values: dict[str, Any], origin: str = "settings") -> Self:
        """Make settings of plain values; an unknown name is an error, not ignored."""
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise SettingsError(
                f"{origin}: unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}."
            )
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read settings from a TOML file."""
        return cls.from_dict(_toml(path), origin=str(path))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is no TOML file: {error}.") from error


@dataclass(frozen=True)
class SegmentSettings(_Settings):
    """How to segment.

    Parameters
    ----------
    task : str
        ``"head"``, ``"tumour"`` or ``"fetal-brain"``.
    model : str
        Name in the catalogue; ``"default"`` is the task's default model.
    device : {"auto", "cpu", "cuda", "mps"}
    backend : {"auto", "torch", "openvino"}
        What runs the network; ``"auto"`` is OpenVINO on the CPU where it can, PyTorch everywhere else.
    level : float or None
        Probability at which the outline is drawn; None is the level calibrated in the model's card.
    flips : bool
        Average the network's answer over mirrored copies of the picture.
    second_look : bool
        Look again at a window around the head, in which every head is about the same size.
    keep_largest : bool
        Keep only the measured region of the mask (head).
    smallest_lesion_voxels : int
        Lesions of fewer voxels are dropped as specks (tumour).
    slice : int or None
        The axial slice to measure on, from 0; None is the one with the largest area (fetal-brain).
    """

    task: str = "head"
    model: str = "default"
    device: Device = "auto"
    backend: Backend = "auto"
    level: float | None = None
    flips: bool = True
    second_look: bool = True
    keep_largest: bool = True
    smallest_lesion_voxels: int = 100
    slice: int | None = None

    def __post_init__(self) -> None:
        if self.smallest_lesion_voxels < 0:
            raise SettingsError("The smallest lesion can't have fewer than 0 voxels.")
        if self.device not in DEVICES:
            raise SettingsError(f"Unknown device '{self.device}'; choose one of {', '.join(DEVICES)}.")
        if self.backend not in BACKENDS:
            raise SettingsError(f"Unknown backend '{self.backend}'; choose one of {', '.join(BACKENDS)}.")
        if self.level is not None and not 0.05 <= self.level <= 0.95:
            raise SettingsError(f"The outline's probability level must lie between 0.05 and 0.95, not {self.level}.")


@dataclass(frozen=True)
class BatchSettings(_Settings):
    """What to run on and what to write.

    Parameters
    ----------
    pattern : str, optional
        Only files whose name fits, e.g. ``"*_HC.png"``; all readable files by default.
    spacing_mm : tuple of float, optional
        mm per pixel in x and y and, for volumes, between slices, typed in: stands above every other source.
    spacing_csv : str, optional
        A csv of pixel sizes: stands above what the file says and a csv beside it.
    pixels_only : bool
        Take no scale, whatever the files say: no millimetres anywhere.
    overlays : bool
        Whether to write side-by-side pictures.
    series : str, optional
        Of several DICOM series in a folder, the one whose description holds this; ``flair`` by default.
    exams : str, optional
        A csv of exams with scan date and dating: heads are assessed on a growth chart.
    sr : bool
        Whether to write DICOM structured reports of heads that came from DICOM.
    instances : str, optional
        Of ultrasound DICOM in folders, the instance numbers to take, such as ``"1,4-9"``; all by default.
    keep_identifiers : bool
        Whether patient id, accession number and study of DICOM files are written into the tables.
    parquet : bool
        Whether ``measurements.parquet`` has to be written; else it is for several scans where pyarrow is installed.
    """

    pattern: str | None = None
    spacing_mm: tuple[float, ...] | None = None
    spacing_csv: str | None = None
    pixels_only: bool = False
    overlays: bool = True
    series: str | None = None
    exams: str | None = None
    sr: bool = False
    instances: str | None = None
    keep_identifiers: bool = False
    parquet: bool = False

    def __post_init__(self) -> None:
        if self.pixels_only and (self.spacing_mm is not None or self.spacing_csv is not None):
            raise SettingsError("Give a scale, or ask for pixels only; not both.")


@dataclass(frozen=True)
class GrowthSettings(_Settings):
    """How growth is judged.

    Parameters
    ----------
    chart : str
        A name of `fetalseg.growth.charts`, or the path of a csv of age, mean and SD.
    crl_formula : {"robinson1975", "intergrowth2014"}
        By which a crown-rump length dates.
    """

    chart: str = "intergrowth21"
    crl_formula: str = "robinson1975"


@dataclass(frozen=True)
class TrainSettings(_Settings):
    """How to train, whatever the task. A configuration file in ``configs/`` holds the same names.

    Parameters
    ----------
    task, arch : str
        What to learn and the architecture's name in `fetalseg.models.architectures`.
    input_rows, input_columns : int
        Size of the network's input; multiples of 32.
    epochs, batch_size, seed : int
    kept_out : float
        Share of the exams that is kept out of training (half of it calibrates, half reports).
    learning_rate, weight_decay : float
        AdamW under a one-cycle schedule that peaks at `learning_rate`.
    ema_decay : float
        Of the moving average of the weights, which is what is validated and kept.
    negative_share : float
        Share of the samples in which nothing is to be found.
    rotation_deg, shift, scale_low, scale_high, gamma_low, gamma_high, gain_low, gain_high : float
        Ranges of the augmentation; `shift` as a share of the input's size.
    parameters : mapping
        Of the architecture, where they differ from its `DEFAULTS`.
    imagenet : bool
        Start the encoder from ImageNet weights (needs the extra ``train``).
    precision : {"auto", "float32", "bfloat16"}
        Of the convolutions while training: bfloat16 halves the time of dense networks, also on recent CPUs. ``"auto"``
        is bfloat16 on a CUDA device that computes in it, else float32.
    patience : int
        Training ends early after so many epochs without a better validation Dice, and the weights of the best epoch
        are kept; 0 is never: all epochs run and the last weights are kept, as the schedule is made for.
    version, data_licence, weights_licence, limits : str
        What the model card says; they change no weight.
    """

    task: str = "head"
    arch: str = "unet"
    input_rows: int = 192
    input_columns: int = 288
    epochs: int = 24
    batch_size: int = 8
    seed: int = 7
    kept_out: float = 0.2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    ema_decay: float = 0.995
    negative_share: float = 0.08
    rotation_deg: float = 25.0
    shift: float = 0.10
    scale_low: float = 0.8
    scale_high: float = 1.25
    gamma_low: float = 0.7
    gamma_high: float = 1.4
    gain_low: float = 0.7
    gain_high: float = 1.3
    parameters: Mapping[str, Any] = field(default_factory=dict)
    imagenet: bool = True
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    patience: int = 0
    version: str = "1.0"
    data_licence: str = ""
    weights_licence: str = ""
    limits: str = ""

    def __post_init__(self) -> None:
        if self.input_rows % 32 or self.input_columns % 32:
            raise SettingsError("The network's input size must be a multiple of 32 in rows and columns.")
        if not 0 <= self.kept_out < 1:
            raise SettingsError(f"kept_out must be a share from 0 to below 1, not {self.kept_out}.")
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise SettingsError(f"precision must be 'auto', 'float32' or 'bfloat16', not '{self.precision}'.")
        if self.epochs < 1 or self.batch_size < 1:
            raise SettingsError("epochs and batch_size must be at least 1.")
        if self.patience < 0:
            raise SettingsError("patience is a number of epochs, 0 for no early stopping; it can't be negative.")


@dataclass(frozen=True)
class HeadTrainSettings(TrainSettings):
    """How to train on pictures of heads.

    Parameters
    ----------
    second_look_share : float
        Share of the samples that are windows around the head, as the second look sees it.
    small_head_repeats : int
        How often a head whose circumference is under `small_head_mm` is shown an epoch.
    small_head_mm : float
    shadow_share, speckle : float
        Share of samples with an acoustic shadow; standard deviation of multiplicative speckle.
    """

    second_look_share: float = 0.5
    small_head_repeats: int = 2
    small_head_mm: float = 105.0
    shadow_share: float = 0.2
    speckle: float = 0.15


@dataclass(frozen=True)
class VolumeTrainSettings(TrainSettings):
    """How to train on volumes.

    Parameters
    ----------
    batch_size : int
        Stacks a step.
    stack_slices : int
        Neighbouring slices a stack, those that are learnt from.
    repeats : int
        How often each volume gives its two or three stacks an epoch: more where stacks are short.
    negative_share : float
        Share of the stacks from volumes in which nothing is to be found.
    """

    task: str = "tumour"
    arch: str = "unet_slices"
    input_rows: int = 192
    input_columns: int = 160
    epochs: int = 30
    batch_size: int = 2
    stack_slices: int = 12
    repeats: int = 1
    negative_share: float = 0.06
    rotation_deg: float = 20.0
    shift: float = 0.06
    scale_high: float = 1.2
    gamma_low: float = 0.8
    gamma_high: float = 1.25
    gain_low: float = 0.8
    gain_high: float = 1.25
    precision: Literal["auto", "float32", "bfloat16"] = "bfloat16"


def default_train_settings(task: str, trained: bool = False) -> TrainSettings:
    """Return a task's settings for a new network, or to train on from a trained one.

    That is fewer epochs, at the lower rate that `benchmarks/fine_tuning.py` measures with: it keeps what it knows.
    """
    settings = HeadTrainSettings() if task == "head" else VolumeTrainSettings(task=task)
    return replace(settings, epochs=8, learning_rate=5e-4) if trained else settings


def train_settings(path: Path) -> TrainSettings:
    """Read a training's settings of the kind that its task asks for."""
    kind: type[TrainSettings] = HeadTrainSettings if _toml(path).get("task", "head") == "head" else VolumeTrainSettings
    return kind.from_toml(path)
