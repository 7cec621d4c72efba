"""WHO fetal growth charts 2017: quantiles, so there is no z-score."""

from __future__ import annotations

from fetalseg.growth.charts.chart import Chart, Quantiles

# ln(mm) = b0 + b1 t + b2 t^2 + b3 t^3, t in exact weeks; the coefficients of WHO's calculator.
_HC = {
    2.5: (1.59317517131532, 0.29459800552433, -0.0073860372566707, 6.56951770216148e-5),
    5.0: (1.74883945698398, 0.278405280785763, -0.00677990950687641, 5.83587774721548e-5),
    10.0: (1.83059537388222, 0.27244251174974, -0.00659546864496838, 5.63957469365128e-5),
    25.0: (1.94181945227701, 0.26584757167445, -0.00644544904011178, 5.54517813431795e-5),
    50.0: (2.09924879247164, 0.253373656106037, -0.00605647816678282, 5.14256072059917e-5),
    75.0: (2.20777451923048, 0.245212320927953, -0.00578557948587613, 4.83972618799514e-5),
    90.0: (2.31776999721364, 0.236651510200538, -0.00550781288608926, 4.53975879344267e-5),
    95.0: (2.39550106176494, 0.229586666082063, -0.00525318141633775, 4.23738937924844e-5),
    97.5: (2.50074069629423, 0.220067854715719, -0.00493623111462443, 3.89066000946519e-5),
}

CHART = Chart(
    name="who2017",
    title="WHO 2017",
    version="2017, coefficients of 2023-03-13",
    source="Kiserud T et al. The World Health Organization fetal growth charts. PLoS Med 2017;14(1):e1002220. "
    "doi:10.1371/journal.pmed.1002220",
    first_day=98,
    last_day=280,
    measures={"hc": Quantiles("outer edge", _HC)},
    centiles=(2.5, 10.0, 50.0, 90.0, 97.5),
    note="Flags go by z-scores, which the WHO chart does not have: none is raised on it for a small or large head.",
)
