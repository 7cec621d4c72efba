"""Content items of a DICOM structured report, and the document around them. What they mean is said elsewhere.

References
----------
DICOM PS3.3, sections A.35.3 (Comprehensive SR), C.17.3 (content), C.18 (value types).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

DCM, LN, UCUM, SCT = "DCM", "LN", "UCUM", "SCT"

#: What a document of the same study shares with the picture: the modules Patient, General Study, Patient Study.
_SHARED = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "TypeOfPatientID", "IssuerOfPatientIDQualifiersSequence"),
    *("PatientBirthDate", "PatientBirthTime", "PatientSex", "QualityControlSubject", "OtherPatientIDsSequence"),
    *("OtherPatientNames", "EthnicGroup", "PatientComments", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
    *("StudyID", "AccessionNumber", "IssuerOfAccessionNumberSequence", "StudyDescription", "PhysiciansOfRecord"),
    *("ProcedureCodeSequence", "PatientAge", "PatientSize", "PatientWeight", "AdmissionID", "MedicalAlerts"),
    *("Allergies", "PregnancyStatus", "LastMenstrualDate", "AdditionalPatientHistory", "TimezoneOffsetFromUTC"),
)
_REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
_CLINICAL_TRIAL = 0x0012
# A decimal string holds so many characters.
_DS = 16


class Code(NamedTuple):
    """A coded concept: its value, the scheme that defines it, and its meaning in words."""

    value: str
    scheme: str
    meaning: str


class Reference(NamedTuple):
    """A picture: its SOP class, its SOP instance, and the frame, from 1, where it has several."""

    sop_class: str
    sop_instance: str
    frame: int | None = None


def new_document(source: Any, now: datetime.datetime, model: str, version: str) -> Any:
    """Return a Comprehensive SR without content, in the study of `source`, in a series of its own.

    Parameters
    ----------
    source : pydicom.Dataset
        The picture's header. Patient and study are copied, nothing else of it.
    now : datetime
        With its time zone.
    model, version : str
        Of the program that writes it.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ComprehensiveSRStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _copy_identity(source, made)
    # A name in any script finds room, whatever character set the picture was written in.
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = ComprehensiveSRStorage, meta.MediaStorageSOPInstanceUID
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.InstanceCreationDate, made.InstanceCreationTime = date, time
    made.ContentDate, made.ContentTime = date, time
    made.Modality, made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = "SR", generate_uid(), 1, 1
    made.Manufacturer, made.ManufacturerModelName, made.SoftwareVersions = model, model, version
    made.ReferencedPerformedProcedureStepSequence, made.PerformedProcedureCodeSequence = [], []
    made.CompletionFlag, made.VerificationFlag, made.PreliminaryFlag = "PARTIAL", "UNVERIFIED", "PRELIMINARY"
    made.CurrentRequestedProcedureEvidenceSequence = [_evidence(source)]
    return made


def _copy_identity(source: Any, made: Any) -> None:
    source.decode()
    for keyword in _SHARED:
        if keyword in source:
            made.add(source[keyword])
    for element in source.group_dataset(_CLINICAL_TRIAL):
        made.add(element)
    for keyword in _REQUIRED:
        if keyword not in made:
            setattr(made, keyword, None)


def _evidence(source: Any) -> Any:
    from pydicom.dataset import Dataset

    study, series, instance = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = source.SeriesInstanceUID, [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = source.StudyInstanceUID, [series]
    return study


def container(concept: Code, *inside: Any, template: str = "") -> Any:
    """Return a section; a root names its template of PS3.16."""
    from pydicom.dataset import Dataset

    made = _item("CONTAINER", concept, "CONTAINS", inside)
    made.ContinuityOfContent = "SEPARATE"
    if template:
        known = Dataset()
        known.MappingResource, known.TemplateIdentifier = "DCMR", template
        made.ContentTemplateSequence = [known]
    return made


def text(concept: Code, value: str, relation: str) -> Any:
    """Return a text."""
    made = _item("TEXT", concept, relation)
    made.TextValue = value
    return made


def code(concept: Code, value: Code, relation: str) -> Any:
    """Return a coded value."""
    made = _item("CODE", concept, relation)
    made.ConceptCodeSequence = [_coded(value)]
    return made


def date(concept: Code, day: datetime.date) -> Any:
    """Return a day."""
    made = _item("DATE", concept, "CONTAINS")
    made.Date = day.strftime("%Y%m%d")
    return made


def uid(concept: Code, value: str, relation: str) -> Any:
    """Return a unique identifier."""
    made = _item("UIDREF", concept, relation)
    made.UID = value
    return made


def number(concept: Code, value: str, unit: Code, *inside: Any, relation: str = "CONTAINS") -> Any:
    """Return a number with its unit; `value` as it is to be read, of at most 16 characters."""
    from pydicom.dataset import Dataset

    if len(value) > _DS:
        raise ValueError(f"{value} is too long for a decimal string")
    made = _item("NUM", concept, relation, inside)
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, [_coded(unit)]
    made.MeasuredValueSequence = [measured]
    return made


def uncertainty(value: float, interval: tuple[float, float], unit: Code) -> list[Any]:
    """Return a value's 95 % range as CID 225 has it: one number where it is even, else one to either side."""
    below, above = value - interval[0], interval[1] - value
    if abs(below - above) < 0.05:
        sides = {("371884006", "+/-, range of measurement uncertainty"): (below + above) / 2}
    else:
        sides = {
            ("371886008", "+, range of upper measurement uncertainty"): above,
            ("371885007", "-, range of lower measurement uncertainty"): below,
        }
    return [
        number(Code(value_, SCT, meaning), f"{size:.1f}", unit, relation="HAS PROPERTIES")
        for (value_, meaning), size in sides.items()
    ]


def image(reference: Reference, relation: str = "CONTAINS") -> Any:
    """Return a reference to a picture."""
    from pydicom.dataset import Dataset

    made, instance = _item("IMAGE", None, relation), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = reference.sop_class, reference.sop_instance
    if reference.frame is not None:
        instance.ReferencedFrameNumber = reference.frame
    made.ReferencedSOPSequence = [instance]
    return made


def coordinates(kind: str, points_xy: Sequence[tuple[float, float]], reference: Reference) -> Any:
    """Return a drawing on a picture that a number was inferred from.

    Parameters
    ----------
    kind : str
        ``ELLIPSE``: the ends of the major, then of the minor axis; ``POLYLINE``.
    points_xy : sequence of (x, y)
        In pixels, (0, 0) being the centre of the first one. DICOM counts from that pixel's corner.
    """
    made = _item("SCOORD", None, "INFERRED FROM", [image(reference, "SELECTED FROM")])
    made.GraphicType = kind
    made.GraphicData = [value + 0.5 for point in points_xy for value in point]
    return made


def _item(kind: str, concept: Code | None, relation: str, inside: Sequence[Any] = ()) -> Any:
    from pydicom.dataset import Dataset

    made = Dataset()
    made.RelationshipType, made.ValueType = relation, kind
    if concept is not None:
        made.ConceptNameCodeSequence = [_coded(concept)]
    if inside:
        made.ContentSequence = list(inside)
    return made


def _coded(concept: Code) -> Any:
    from pydicom.dataset import Dataset

    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = concept.value, concept.scheme, concept.meaning
    return made
