"""Hadlock 1984: size by age."""

from __future__ import annotations

from fetalseg.growth.charts.chart import Chart, Normal


# The paper's equations are in cm.
def _hc(g: float) -> float:
    return 10 * (-11.48 + 1.56 * g - 0.0002548 * g**3)


def _bpd(g: float) -> float:
    return 10 * (-3.08 + 0.41 * g - 0.000061 * g**3)


CHART = Chart(
    name="hadlock84",
    title="Hadlock 1984",
    version="1984",
    source="Hadlock FP, Deter RL, Harrist RB, Park SK. Estimating fetal age: computer-assisted analysis of multiple "
    "fetal growth parameters. Radiology 1984;152:497-501",
    first_day=98,
    last_day=294,
    measures={
        "hc": Normal("outer edge", _hc, lambda _: 10.0),
        "bpd": Normal("outer-inner", _bpd, lambda _: 3.0),
    },
    note="Hadlock's SD is the same at every age, which is crude: its z-score is not that of another chart.",
)
