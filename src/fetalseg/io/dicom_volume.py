"""A DICOM series as a volume: one file a slice, or all slices in one file."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import UnreadableError
from fetalseg.io import orientation
from fetalseg.io.decoded import Decoded, check_size, finite
from fetalseg.io.dicom import Series, directions, group_item, parse
from fetalseg.scan import Spacing

# DICOM's x and y run to the patient's left and back, NIfTI's to the right and front.
_TO_RAS = np.diag([-1.0, -1.0, 1.0])
# Distances of slices are written with few digits: what differs less is equal.
_EQUAL, _EQUAL_MM = 0.03, 0.05


@dataclass(frozen=True, eq=False)
class _Slice:
    """One picture of the series, and where it lies (mm, DICOM's axes)."""

    path: Path
    number: int
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    directions: NDArray[np.float64] | None
    position: NDArray[np.float64] | None
    thickness: float | None
    rescale: tuple[float, float]


def read(series: Series, name: str) -> tuple[Decoded, str]:
    """Read a series; return it and the sha256 of its files' bytes in the order of its slices.

    No one's name, number or birthday is taken from the files.

    Raises
    ------
    UnreadableError
        If a slice is missing or lies twice, spacings or sizes differ, or a file is damaged or no grey picture.
    """
    slices: list[_Slice] = []
    about: dict[str, Any] = {}
    for path in series.files:
        dataset = _dataset(path, None, name)
        try:
            _suitable(dataset, path, name)
            about = about or _about(dataset)
            slices += [_slice(dataset, path, n) for n in range(int(dataset.get("NumberOfFrames") or 1))]
        except UnreadableError:
            raise
        except Exception as error:  # numbers that are none
            raise _damaged(path, name, error) from error
    _same_kind(slices, name)
    slices, distance = _in_order(slices, name)
    rows, columns = slices[0].size
    check_size(name, rows, columns, len(slices))
    pixels, sha256 = _pixels(slices, name)
    values: NDArray[Any]
    values, notes = finite(pixels, name)
    spacing = _spacing(slices, distance, name.rsplit("/", 1)[-1])
    turned = _affine(slices, distance)
    if turned is None:
        notes = (*notes, "no_orientation")
    layout = orientation.layout(values.shape, turned, "dicom")
    if spacing is None or spacing.slice_mm is None:
        layout = replace(layout, affine=None)  # lengths of 1 stood in for what is not known
    if spacing is not None:
        sizes = (spacing.slice_mm, spacing.row_mm, spacing.column_mm)
        spacing = _turned(spacing, sizes, layout.axes)
    volume = np.ascontiguousarray(layout.from_stored(values))
    return Decoded(volume, volume.shape, spacing, notes, layout=layout, oriented=turned is not None, **about), sha256


def _bytes(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{name}: {path.name} can't be read: {error.strerror}.") from error


def _dataset(path: Path, data: bytes | None, name: str) -> Any:
    """Parse a file's bytes; without them its header alone, from the disk."""
    try:
        return parse(path, stop_before_pixels=True) if data is None else parse(BytesIO(data))
    except Exception as error:  # a forged header raises what it likes
        raise _damaged(path, name, error) from error


def _damaged(path: Path, name: str, error: Exception) -> UnreadableError:
    text = " ".join(str(error).split())[:100] or type(error).__name__
    return UnreadableError(f"{name}: {path.name} is damaged or cut short ({text}). Copy it again from its source.")


def _suitable(dataset: Any, path: Path, name: str) -> None:
    """Raise for what is no slice of grey values."""
    samples, kind = dataset.get("SamplesPerPixel", 1), str(dataset.get("PhotometricInterpretation", ""))
    if samples != 1 or kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableError(
            f"{name}: {path.name} is a colour picture ({kind or samples}), no slice of grey values, such as a "
            "captured screen. Move it out of the series."
        )
    if int(dataset.get("NumberOfFrames") or 1) > 1 and "PerFrameFunctionalGroupsSequence" not in dataset:
        raise UnreadableError(
            f"{name}: {path.name} holds several frames without their positions (a film), so it is no volume."
        )


def _about(dataset: Any) -> dict[str, Any]:
    try:
        date = datetime.datetime.strptime(str(dataset.get("StudyDate") or ""), "%Y%m%d").date().isoformat()
    except ValueError:
        date = None
    return {
        "modality": str(dataset.get("Modality") or "") or None,
        "description": " ".join(str(dataset.get("SeriesDescription") or "").split()),
        "study_date": date,
    }


def _slice(dataset: Any, path: Path, number: int) -> _Slice:
    def of(sequence: str) -> Any:
        found = group_item(dataset, number, sequence)
        return dataset if found is None else found

    measures, values = of("PixelMeasuresSequence"), of("PixelValueTransformationSequence")
    pair = _positive(measures.get("PixelSpacing"), 2)
    thick = _positive([measures.get("SliceThickness")], 1)
    place = of("PlanePositionSequence").get("ImagePositionPatient")
    position = np.array([float(x) for x in place], np.float64) if place is not None and len(place) == 3 else None
    slope = float(values.get("RescaleSlope") or 1)
    return _Slice(
        path,
        number,
        (int(dataset.Rows), int(dataset.Columns)),
        (pair[0], pair[1]) if pair else None,
        directions(of("PlaneOrientationSequence").get("ImageOrientationPatient")),
        position if position is not None and np.isfinite(position).all() else None,
        thick[0] if thick else None,
        (slope, float(values.get("RescaleIntercept") or 0)),
    )


def _positive(values: Any, count: int) -> list[float] | None:
    """Return as many positive numbers, or None."""
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        return None
    good = len(numbers) == count and all(np.isfinite(n) and n > 0 for n in numbers)
    return numbers if good else None


def _same_kind(slices: Sequence[_Slice], name: str) -> None:
    """Raise where sizes, pixel spacings or orientations differ."""
    sizes = Counter(s.size for s in slices)
    if len(sizes) > 1:
        common = sizes.most_common(1)[0][0]
        other = next(s for s in slices if s.size != common)
        raise UnreadableError(
            f"{name} holds slices of different sizes ({common[1]} x {common[0]} and {other.size[1]} x "
            f"{other.size[0]}, {other.path.name}): a localiser or a captured screen lies among them. Move it out."
        )
    first = slices[0]
    for one in slices:
        if (one.spacing is None) != (first.spacing is None) or (
            one.spacing and first.spacing and not np.allclose(one.spacing, first.spacing, rtol=1e-3)
        ):
            texts = [_mm(s.spacing) for s in (first, one)]
            raise UnreadableError(
                f"{name} holds slices of two pixel spacings ({texts[0]} and {texts[1]}, {one.path.name}), so it is no "
                "single volume. Export the series again, or move the other slices out."
            )
        known = one.directions is not None and first.directions is not None
        if known and abs(one.directions - first.directions).max() > 0.01:  # type: ignore[operator]
            raise UnreadableError(f"{name} holds slices of different orientations, so it is no single volume.")


def _mm(pair: tuple[float, float] | None) -> str:
    return "none" if pair is None else f"{pair[0]:g} x {pair[1]:g} mm"


def _in_order(slices: list[_Slice], name: str) -> tuple[list[_Slice], float | None]:
    """Return the slices along their normal, and their distance in mm; None for a single one.

    Raises
    ------
    UnreadableError
        If a slice has no place, lies where another does, or their distances differ.
    """
    if len(slices) == 1:
        return slices, None
    first = slices[0].directions
    if first is None or any(s.directions is None or s.position is None for s in slices):
        raise UnreadableError(
            f"{name} holds {len(slices)} DICOM pictures that do not all tell where they lie in the patient, so they "
            "make no volume. Open the pictures one by one, or export the series again."
        )
    normal = np.cross(first[0], first[1])
    along = np.array([float(normal @ s.position) for s in slices if s.position is not None])
    order = np.argsort(along, kind="stable")
    slices, along = [slices[i] for i in order], along[order]
    steps = np.diff(along)
    apart = steps[steps > _EQUAL_MM / 5]
    if len(apart) < len(steps):
        times = len(slices) / (len(apart) + 1)
        raise UnreadableError(
            f"{name} holds {len(slices)} slices at {len(apart) + 1} places ({times:g} each on average): several time "
            "points, echoes or repeats in one series. Export one of them as a series of its own."
        )
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    _check_steps(steps, usual, slices, name)
    return slices, float(along[-1] - along[0]) / (len(slices) - 1)


def _check_steps(steps: NDArray[np.float64], usual: float, slices: Sequence[_Slice], name: str) -> None:
    allowed = max(_EQUAL * usual, _EQUAL_MM)
    for number, step in enumerate(steps, start=1):
        if abs(step - usual) <= allowed:
            continue
        after = f"after slice {number} ({slices[number - 1].path.name})"
        whole = round(step / usual)
        if whole >= 2 and abs(step - whole * usual) <= whole * allowed:
            lost = "a slice is" if whole == 2 else f"{whole - 1} slices are"
            raise UnreadableError(
                f"{name}: {lost} missing {after}: the next lies {step:.4g} mm on, the others {usual:.4g} mm apart. "
                "Copy or export the series again."
            )
        raise UnreadableError(
            f"{name}: its slices are not evenly spaced: {step:.4g} mm {after}, {usual:.4g} mm elsewhere, so no volume "
            "in ml can be told. Export a series with even spacing."
        )


def _affine(slices: Sequence[_Slice], distance: float | None) -> NDArray[np.float64] | None:
    """Return the affine of the index (slice, row, column), RAS+; lengths of 1 stand for what is not known."""
    first, last = slices[0], slices[-1]
    if first.directions is None or first.position is None or last.position is None:
        return None
    along_row, along_column = first.directions
    row, column = first.spacing or (1.0, 1.0)
    if distance is None:
        step = np.cross(along_row, along_column) * (first.thickness or 1.0)
    else:
        step = (last.position - first.position) / (len(slices) - 1)
    affine = np.eye(4)
    affine[:3, :3] = _TO_RAS @ np.stack([step, along_column * row, along_row * column], axis=1)
    affine[:3, 3] = _TO_RAS @ first.position
    return affine if orientation.sound(affine) else None


def _spacing(slices: Sequence[_Slice], distance: float | None, base: str) -> Spacing | None:
    """Return distances of slices, rows and columns as stored."""
    first = slices[0]
    if first.spacing is None:
        return None
    if distance is not None:
        return Spacing(*first.spacing, f"{base} (DICOM, positions of the slices)", distance)
    if first.thickness is not None:
        return Spacing(*first.spacing, f"{base} (DICOM, thickness of the single slice)", first.thickness)
    return Spacing(*first.spacing, f"{base} (DICOM)")


def _turned(spacing: Spacing, sizes: tuple[float | None, float, float], axes: tuple[int, int, int]) -> Spacing | None:
    """Return the spacing of the axes that became slices, rows and columns."""
    slices, rows, columns = (sizes[axis] for axis in axes)
    return None if rows is None or columns is None else Spacing(rows, columns, spacing.source, slices)


def _pixels(slices: Sequence[_Slice], name: str) -> tuple[NDArray[Any], str]:
    """Return the grey values (slices, rows, columns) and the hash of the files, each read once."""
    digest = hashlib.sha256()
    scaled = any(s.rescale != (1.0, 0.0) for s in slices)
    planes: dict[tuple[Path, int], NDArray[Any]] = {}
    for path in dict.fromkeys(s.path for s in slices):
        data = _bytes(path, name)
        digest.update(data)
        frames = _decoded(path, data, name)
        planes.update({(path, number): frame for number, frame in enumerate(frames)})
    stack = []
    for one in slices:
        frame = planes.pop((one.path, one.number), None)
        if frame is None or frame.shape != one.size:
            raise UnreadableError(f"{name}: {one.path.name} holds fewer pixels than it says. Copy it again.")
        slope, intercept = one.rescale
        stack.append(np.asarray(frame, np.float32) * np.float32(slope) + np.float32(intercept) if scaled else frame)
    return np.stack(stack), digest.hexdigest()


def _decoded(path: Path, data: bytes, name: str) -> NDArray[Any]:
    """Return a file's frames as stored, (frames, rows, columns), black being low."""
    from fetalseg.io import dicom_codecs

    dataset = _dataset(path, data, name)
    dicom_codecs.register()
    try:
        array = np.asarray(dataset.pixel_array)
        bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise what they like on forged bytes
        raise _damaged(path, name, error) from error
    if str(dataset.get("PhotometricInterpretation")) == "MONOCHROME1":
        array = (-1 if array.dtype.kind == "i" else (1 << bits) - 1) - array
    return array.reshape(-1, *array.shape[-2:]).astype(array.dtype.newbyteorder("="), copy=False)
