"""What about a head's size and shape should make a person look again: limits and wording, each with its source."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fetalseg.growth.charts import Reading

PROMPT = "A flag is a prompt to look again, not a diagnosis."
#: Of the cephalic index; one normal fetus in three lies outside.
_INDEX = (74.0, 83.0)


@dataclass(frozen=True)
class GrowthFlag:
    """What should make a person look: a stable `code`, the `text` shown, and the `source` of limit and wording."""

    code: str
    text: str
    source: str


@dataclass(frozen=True)
class _Limit:
    z: float
    flag: GrowthFlag

    def reached(self, z: float) -> bool:
        return z <= self.z if self.z < 0 else z >= self.z


_SMFM = "SMFM 2016"
#: By side, the strongest last.
_SMALL = (
    _Limit(
        -2,
        GrowthFlag(
            "small_head",
            "HC more than 2 SD below the mean for this GA. Check dates and plane; SMFM suggests detailed intracranial "
            "anatomy and a repeat in 3-4 weeks.",
            _SMFM,
        ),
    ),
    _Limit(
        -3,
        GrowthFlag(
            "microcephaly_range",
            "HC 3 SD or more below the mean: the definition used for isolated fetal microcephaly. Needs specialist "
            "assessment.",
            f"{_SMFM}; Chervenak 1984, doi:10.1016/0002-9378(84)90027-9",
        ),
    ),
    _Limit(
        -5,
        GrowthFlag(
            "severe_microcephaly_range",
            "HC 5 SD or more below the mean. Needs urgent specialist assessment.",
            _SMFM,
        ),
    ),
)
_LARGE = (
    _Limit(
        2,
        GrowthFlag(
            "large_head", "HC more than 2 SD above the mean. Often familial.", "Shinar 2023, doi:10.1002/pd.6473"
        ),
    ),
    _Limit(
        3,
        GrowthFlag(
            "macrocephaly_range",
            "HC more than 3 SD above the mean. Needs specialist assessment.",
            "The limit of 3 SD is this project's choice; Shinar 2023, doi:10.1002/pd.6473",
        ),
    ),
)
#: So far from the mean a wrong scale or date is likelier than a head.
_UNLIKELY = 6.0
_SHAPE = "head shape outside 74-83; BPD-based dating is less reliable, HC is preferred."
_SHAPE_SOURCE = "Hadlock 1981, AJR 137:83-85"


def size_flags(
    z: float | None, low: Reading | None, high: Reading | None
) -> tuple[tuple[GrowthFlag, ...], tuple[str, ...]]:
    """Return the strongest limit that z reaches, as a flag, and what only the interval reaches, as a sentence.

    Parameters
    ----------
    z : float or None
        Of HC.
    low, high : Reading or None
        Of the ends of HC's 95 % interval.
    """
    if z is None:
        return (), ()
    ends = (low.z, high.z) if low and high and low.z is not None and high.z is not None else (z, z)
    interval = f"the 95 % interval of z, {ends[0]:.2f} to {ends[1]:.2f},"
    flags, sentences = [], []
    if abs(z) > _UNLIKELY:
        sentences.append(
            f"z is {z:.1f}: so far from the mean a wrong scale, date or plane is likelier. Check them first."
        )
    for limits, outer, inner in ((_SMALL, ends[0], ends[1]), (_LARGE, ends[1], ends[0])):
        raised = [limit for limit in limits if limit.reached(z)]
        beyond = [limit for limit in limits if limit.reached(outer) and limit not in raised]
        told = (
            [] if not raised or raised[-1].reached(inner) else [f"lies on both sides of the limit of {raised[-1].z:+g}"]
        )
        if beyond:
            told.append(f"reaches the limit of {beyond[-1].z:+g} ({beyond[-1].flag.code.replace('_', ' ')})")
        what = f"{interval} {' and '.join(told)}."
        if raised:
            flag = raised[-1].flag
            flags.append(replace(flag, text=f"{flag.text} {what[0].upper()}{what[1:]}") if told else flag)
        elif told:
            sentences.append(f"z is {z:.2f} and raises no flag, but {what}")
    return tuple(flags), tuple(sentences)


def text_of(code: str) -> str:
    """Return a flag's sentence by its code, as a table has it; of a code of another version the code's words."""
    known = {limit.flag.code: limit.flag.text for limit in (*_SMALL, *_LARGE)} | {
        "head_shape": f"{_SHAPE[0].upper()}{_SHAPE[1:]}"
    }
    return known.get(code, code.replace("_", " "))


def shape_flags(index: float | None) -> tuple[GrowthFlag, ...]:
    """Return the flag of a cephalic index outside 74 to 83."""
    if index is None or _INDEX[0] <= index <= _INDEX[1]:
        return ()
    digits = 1 if round(index, 1) not in _INDEX else 2  # 73.96 is below 74, and must not read 74.0
    return (GrowthFlag("head_shape", f"Cephalic index {index:.{digits}f}: {_SHAPE}", _SHAPE_SOURCE),)
