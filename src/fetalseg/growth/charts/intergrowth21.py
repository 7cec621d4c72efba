"""INTERGROWTH-21st fetal growth standards."""

from __future__ import annotations

from math import exp, log

from fetalseg.growth.charts.chart import Chart, Normal


# All digits are kept: the terms of the SD cancel strongly.
def _hc(g: float) -> float:
    return -28.2849 + 1.69267 * g**2 - 0.397485 * g**2 * log(g)


def _hc_sd(g: float) -> float:
    return 1.98735 + 0.0136772 * g**3 - 0.00726264 * g**3 * log(g) + 0.000976253 * g**3 * log(g) ** 2


def _bpd(g: float) -> float:
    return 5.60878 + 0.158369 * g**2 - 0.00256379 * g**3


def _bpd_sd(g: float) -> float:
    return exp(0.101242 + 0.00150557 * g**3 - 0.000771535 * g**3 * log(g) + 0.0000999638 * g**3 * log(g) ** 2)


def _ofd(g: float) -> float:
    return -12.4097 + 0.626342 * g**2 - 0.148075 * g**2 * log(g)


def _ofd_sd(g: float) -> float:
    return exp(-0.880034 + 0.0631165 * g**2 - 0.0317136 * g**2 * log(g) + 0.00408302 * g**2 * log(g) ** 2)


CHART = Chart(
    name="intergrowth21",
    title="INTERGROWTH-21st",
    version="2014",
    source="Papageorghiou AT et al. International standards for fetal growth based on serial ultrasound measurements. "
    "Lancet 2014;384:869-879. doi:10.1016/S0140-6736(14)61490-2",
    first_day=98,
    last_day=280,
    measures={
        "hc": Normal("outer edge", _hc, _hc_sd),
        "bpd": Normal("outer-outer", _bpd, _bpd_sd),
        "ofd": Normal("outer-outer", _ofd, _ofd_sd),
    },
)
