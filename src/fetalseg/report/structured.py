"""DICOM structured report of a head's measurements, into the patient's own study.

An OB-GYN Ultrasound Procedure Report (PS3.16 TID 5000) as a Comprehensive SR: circumference, diameters and ratio with
the ellipse and callipers they were measured by, and where an age is known, centile and z-score with their chart. It
is unverified and says that it is for research. It carries the patient's and the study's identity, copied from the
picture, since it belongs beside it: whoever writes one asks for that.

References
----------
DICOM PS3.16, TID 300, 315, 1002, 4019, 5000 to 5008; CID 12003 to 12019. DICOM PS3.17, annex I.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fetalseg import __version__
from fetalseg.errors import OutputError
from fetalseg.io import dicom
from fetalseg.io.atomic import atomic_write
from fetalseg.report import sr_items as items
from fetalseg.report.sr_items import DCM, LN, UCUM, Code
from fetalseg.result import Caliper, Ellipse, Result, State
from fetalseg.scan import Scan

if TYPE_CHECKING:
    from fetalseg.growth.assessment import Assessment
    from fetalseg.growth.charts.chart import Reading

_log = logging.getLogger(__name__)

RESEARCH = "Research use only, not for diagnosis."
NAME = "napari-fetalseg"

HC = Code("11984-2", LN, "Head Circumference")
BPD = Code("11820-8", LN, "Biparietal Diameter")
OFD = Code("11851-3", LN, "Occipital-Frontal Diameter")
CEPHALIC_INDEX = Code("11823-2", LN, "Cephalic Index")
GESTATIONAL_AGE = Code("18185-9", LN, "Gestational Age")
EDD = Code("11778-8", LN, "EDD")
PERCENTILE = Code("125012", DCM, "Growth Percentile Rank")
Z_SCORE = Code("125013", DCM, "Growth Z-score")
EQUATION = Code("121420", DCM, "Equation")
EQUATION_CITATION = Code("121421", DCM, "Equation Citation")
TABLE_CITATION = Code("121422", DCM, "Table of Values Citation")
COMMENT = Code("121106", DCM, "Comment")
TWO_SIGMA = Code("121417", DCM, "2 Sigma deviation of population")
HC_HADLOCK_AGE = Code("11932-1", LN, "HC, Hadlock 1984")
HC_HADLOCK_GROWTH = Code("33173-6", LN, "HC by GA, Hadlock 1984")

MM, DAY = Code("mm", UCUM, "mm"), Code("d", UCUM, "day")
PERCENT, ONE = Code("%", UCUM, "Percent"), Code("1", UCUM, "no units")

_RAMANUJAN = "Circumference of the fitted ellipse by Ramanujan's second formula; outer edge of the skull"
_CONVENTIONS = {
    "bpd": "Minor axis of the ellipse: outer edge to outer edge of the skull",
    "ofd": "Major axis of the ellipse: outer edge to outer edge of the skull",
}
# What tells a picture and its place in a study.
_IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")


def report(scan: Scan, result: Result, assessment: Assessment | None = None) -> tuple[bytes | None, str]:
    """Return the structured report of a result as a DICOM file's bytes, or in a sentence why there is none.

    Parameters
    ----------
    scan : Scan
        Of a DICOM file, whose header is read for the patient, the study and the picture's identity.
    result : Result
    assessment : Assessment, optional
        Gives gestational age, z-scores and centiles.
    """
    data, why = None, _obstacle(scan, result)
    if not why:
        assert scan.path is not None
        try:
            data = _encoded(dicom.parse(scan.path, stop_before_pixels=True), result, assessment)
        except _Lacking as lacking:
            why = str(lacking)
        except Exception:  # a forged header raises what it likes
            _log.debug("no report of %s", scan.name, exc_info=True)
            why = "the file's header is damaged"
    return data, f"{scan.name}: no DICOM structured report was written: {why}." if why else ""


def write(path: str | Path, scan: Scan, result: Result, assessment: Assessment | None = None) -> Path:
    """Write the structured report of a result. See `report`.

    Raises
    ------
    OutputError
        If there is none, or the file can't be written.
    """
    data, why = report(scan, result, assessment)
    if data is None:
        raise OutputError(why)
    return atomic_write(path, lambda file: file.write(data))


class _Lacking(Exception):
    """What a header lacks."""


def _obstacle(scan: Scan, result: Result) -> str:
    """Why there is nothing to report, or no study to report it in; empty where there is."""
    if result.task != "head":
        return "it reports heads in ultrasound, not other tasks"
    if scan.path is None or not dicom.is_dicom(scan.path):
        return "the scan is no DICOM file, so there is no study that it belongs to"
    if result.measurement.values.get("hc_mm") is None:
        return "no head circumference in mm is known"
    return "the measurement is refused" if result.measurement.state is State.REFUSE else ""


def _encoded(source: Any, result: Result, assessment: Assessment | None) -> bytes:
    lacking = [name for name in _IDENTITY if not source.get(name)]
    if lacking:
        raise _Lacking(f"the file's header lacks {', '.join(lacking)}")
    file = BytesIO()
    document(source, result, assessment).save_as(file, enforce_file_format=True)
    return file.getvalue()


def document(source: Any, result: Result, assessment: Assessment | None = None) -> Any:
    """Return the structured report as a pydicom data set.

    Parameters
    ----------
    source : pydicom.Dataset
        The picture's header.
    result : Result
        Of a head whose circumference is known in mm.
    assessment : Assessment, optional
    """
    frame = result.frame + 1 if int(source.get("NumberOfFrames") or 1) > 1 else None
    image = items.Reference(source.SOPClassUID, source.SOPInstanceUID, frame)
    made = items.new_document(source, datetime.now().astimezone(), NAME, __version__)
    made.SeriesDescription = "Fetal head biometry (research)"
    made.CompletionFlagDescription = "Head biometry only"
    root = items.container(
        Code("125000", DCM, "OB-GYN Ultrasound Procedure Report"),
        *_context(),
        items.container(Code("111028", DCM, "Image Library"), items.image(image)),
        _summary(result, assessment),
        *_ratios(result),
        _biometry(result, assessment, image),
        template="5000",
    )
    for element in root:
        if element.keyword != "RelationshipType":
            made.add(element)
    return made


def _context() -> list[Any]:
    """Language and observer (TID 1204, 1002, 1004)."""
    from pydicom.uid import generate_uid

    # The same program is the same device in every report.
    device = generate_uid(entropy_srcs=[NAME, __version__])
    return [
        items.code(
            Code("121049", DCM, "Language of Content Item and Descendants"),
            Code("en", "RFC5646", "English"),
            "HAS CONCEPT MOD",
        ),
        items.code(Code("121005", DCM, "Observer Type"), Code("121007", DCM, "Device"), "HAS OBS CONTEXT"),
        items.uid(Code("121012", DCM, "Device Observer UID"), device, "HAS OBS CONTEXT"),
        items.text(Code("121013", DCM, "Device Observer Name"), NAME, "HAS OBS CONTEXT"),
        items.text(Code("121015", DCM, "Device Observer Model Name"), f"{NAME} {__version__}", "HAS OBS CONTEXT"),
    ]


def _summary(result: Result, assessment: Assessment | None) -> Any:
    """TID 5002 and 5003: what must be read first, the age and its source, the due date, doubts and flags."""
    found = result.measurement
    told = [RESEARCH + " Computed automatically and not verified; it may be wrong."]
    told.append(f"State: {found.state.value}." + "".join(f" {flag.text}" for flag in found.flags))
    if found.confidence is not None:
        told[-1] += f" Confidence {found.confidence:.2f}."
    if result.edited:
        told.append(f"The {result.origin} was edited by a person.")
    if result.spacing is not None:
        told.append(f"Pixel size: {result.spacing.source}.")
    fetus = []
    if assessment is not None:
        fetus = [items.text(COMMENT, flag.text, "CONTAINS") for flag in assessment.flags]
        fetus += _age(assessment)
    inside = [items.text(COMMENT, text, "CONTAINS") for text in told]
    if assessment is not None and _dated(assessment) and assessment.edd is not None:
        inside.append(items.date(EDD, assessment.edd))
    if fetus:
        inside.append(items.container(Code("125008", DCM, "Fetus Summary"), *fetus))
    return items.container(Code("121111", DCM, "Summary"), *inside)


def _age(assessment: Assessment) -> list[Any]:
    """The gestational age where it is known from elsewhere than this head, and what by."""
    from fetalseg.growth.dating import SOURCE_TEXTS

    if not _dated(assessment) or assessment.ga_days is None:
        return []
    source = SOURCE_TEXTS.get(assessment.ga_source, assessment.ga_source)
    told = f"Source of the age: {source}" + (f" ({assessment.ga_formula})" if assessment.ga_formula else "")
    about = [items.text(COMMENT, told, "HAS PROPERTIES")]
    half = assessment.ga_uncertainty_days
    if half is not None:
        about += items.uncertainty(half, (0.0, 2 * half), DAY)
    return [items.number(GESTATIONAL_AGE, _days(assessment.ga_days), DAY, *about)]


def _dated(assessment: Assessment | None) -> bool:
    """Whether there is an age that says something about this head: one that did not come from it."""
    return assessment is not None and assessment.ga_days is not None and assessment.ga_source != "this_hc"


def _ratios(result: Result) -> list[Any]:
    """TID 5004, where the ratio is known."""
    value = result.measurement.values.get("cephalic_index")
    if value is None:
        return []
    ratio = items.number(CEPHALIC_INDEX, f"{value:.1f}", PERCENT, *_algorithm(result))
    return [items.container(Code("125001", DCM, "Fetal Biometry Ratios"), ratio)]


def _biometry(result: Result, assessment: Assessment | None, image: items.Reference) -> Any:
    """TID 5005: a group (TID 5008) a measurement that is known in mm."""
    dated = assessment if _dated(assessment) else None
    readings = {reading.measure: reading for reading in dated.readings} if dated else {}
    groups = []
    for measure, concept in (("hc", HC), ("bpd", BPD), ("ofd", OFD)):
        value = result.measurement.values.get(f"{measure}_mm")
        if value is None:
            continue
        inside = [_measured(result, measure, concept, value, image)]
        if measure == "hc" and assessment is not None:
            inside += _age_from_head(assessment)
        if measure in readings:
            inside += _ranks(readings[measure], (dated.z_low, dated.z_high) if dated and measure == "hc" else None)
        groups.append(items.container(Code("125005", DCM, "Biometry Group"), *inside))
    return items.container(Code("125002", DCM, "Fetal Biometry"), *groups)


def _measured(result: Result, measure: str, concept: Code, value: float, image: items.Reference) -> Any:
    """A length with what made it, its uncertainty, its formula, and where on the picture it lies (TID 300)."""
    about = _algorithm(result)
    interval = result.measurement.intervals.get(f"{measure}_mm")
    if interval is not None:
        about += items.uncertainty(value, interval, MM)
        about.append(items.text(COMMENT, f"95 % range {interval[0]:.1f} to {interval[1]:.1f} mm", "HAS PROPERTIES"))
    if measure == "hc":
        about.append(items.text(EQUATION_CITATION, _RAMANUJAN, "INFERRED FROM"))
        if result.measurement.ellipse is not None:
            about.append(items.coordinates("ELLIPSE", _ends(result.measurement.ellipse), image))
    else:
        about.append(items.text(COMMENT, _CONVENTIONS[measure], "HAS PROPERTIES"))
        line = _caliper(result.measurement.calipers, measure)
        if line is not None:
            about.append(items.coordinates("POLYLINE", (line.start_xy, line.end_xy), image))
    return items.number(concept, f"{value:.1f}", MM, *about)


def _algorithm(result: Result) -> list[Any]:
    """Which algorithm, in which version (TID 4019)."""
    origin = result.provenance
    model = f"{NAME} {origin.model}" + (f", {result.origin} edited by a person" if result.edited else "")
    version = origin.product_version + (f", model sha256 {origin.model_sha256}" if origin.model_sha256 else "")
    return [
        items.text(Code("111001", DCM, "Algorithm Name"), model, "HAS CONCEPT MOD"),
        items.text(Code("111003", DCM, "Algorithm Version"), version, "HAS CONCEPT MOD"),
    ]


def _ends(ellipse: Ellipse) -> Sequence[tuple[float, float]]:
    """The ends of the major, then of the minor axis, in our pixels."""
    turn = math.radians(ellipse.angle_deg)
    ends = []
    for half, angle in ((ellipse.semi_major, turn), (ellipse.semi_minor, turn + math.pi / 2)):
        dx, dy = half * math.cos(angle), half * math.sin(angle)
        ends += [(ellipse.center_x - dx, ellipse.center_y - dy), (ellipse.center_x + dx, ellipse.center_y + dy)]
    return ends


def _caliper(lines: Sequence[Caliper], measure: str) -> Caliper | None:
    return next((line for line in lines if line.name.split("_")[0] == measure), None)


def _age_from_head(assessment: Assessment) -> list[Any]:
    """The age that this head alone would tell, with its range (TID 5008, row 3)."""
    told = assessment.age_from_hc
    if told.ga_days is None:
        return []
    hadlock = "hadlock" in told.formula.lower()
    made_by = (
        items.code(EQUATION, HC_HADLOCK_AGE, "INFERRED FROM")
        if hadlock
        else items.text(EQUATION_CITATION, told.formula, "INFERRED FROM")
    )
    about = [made_by]
    if told.low_days is not None and told.high_days is not None:
        half = f"{(told.high_days - told.low_days) / 2:.1f}"
        about.append(items.number(TWO_SIGMA, half, DAY, relation="HAS PROPERTIES"))
    return [items.number(GESTATIONAL_AGE, f"{told.ga_days:.1f}", DAY, *about)]


def _ranks(reading: Reading, z_range: tuple[float | None, float | None] | None) -> list[Any]:
    """Z-score and centile with their chart (TID 5008, rows 7 and 8); in a chart's tails words stand for the centile."""
    ranks = []
    if reading.z is not None:
        about = _chart(reading)
        if z_range is not None and z_range[0] is not None and z_range[1] is not None:
            told = f"{z_range[0]:.2f} to {z_range[1]:.2f} by the 95 % range of the measurement"
            about.insert(0, items.text(COMMENT, told, "HAS PROPERTIES"))
        ranks.append(items.number(Z_SCORE, f"{reading.z:.2f}", ONE, *about))
    if reading.centile is not None and 1 <= reading.centile <= 99:
        ranks.append(items.number(PERCENTILE, f"{reading.centile:.0f}", PERCENT, *_chart(reading)))
    elif reading.centile_text:
        ranks.append(items.text(COMMENT, f"{reading.centile_text} centile", "CONTAINS"))
    return ranks


def _chart(reading: Reading) -> list[Any]:
    """What a rank was read at: the chart by name and version, and by its code where there is one, and the age."""
    from fetalseg.growth import charts

    named = f"{reading.chart}, {reading.version}"
    told = []
    if reading.chart not in charts.NAMES:
        told.append(items.text(TABLE_CITATION, named, "INFERRED FROM"))
    else:
        chart = charts.get(reading.chart)
        told.append(items.text(EQUATION_CITATION, f"{chart.title}, {named}. {chart.source}", "INFERRED FROM"))
    if reading.chart == "hadlock84" and reading.measure == "hc":
        told.append(items.code(EQUATION, HC_HADLOCK_GROWTH, "INFERRED FROM"))
    if reading.ga_days is not None:
        # By value: a reference to the age above is legal too, but common readers stumble over it.
        told.append(items.number(GESTATIONAL_AGE, _days(reading.ga_days), DAY, relation="INFERRED FROM"))
    return told


def _days(ga_days: float) -> str:
    return f"{ga_days:.1f}".removesuffix(".0")
