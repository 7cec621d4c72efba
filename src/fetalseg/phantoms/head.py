"""`Head`: what a phantom shows, and its true circumference."""

from __future__ import annotations

from dataclasses import dataclass

from fetalseg.geometry import ellipse as ellipses
from fetalseg.result import Ellipse


@dataclass(frozen=True)
class Head:
    """A head in a picture.

    Parameters
    ----------
    ellipse : Ellipse
        Outer edge of the skull, in pixels.
    pixel_mm : float
        Size of a (square) pixel.
    shape : (rows, columns)
    bone_mm, scalp_mm : float
        Thickness of the skull and of the scalp on it.
    fluid_mm : float
        Mean width of the amniotic fluid around the head; it varies around it, down to none.
    plexus : float
        Size of the choroid plexuses as a share of the head: 0.12 later, 0.4 in the first trimester.
    skull_db, brain_db, fluid_db, wall_db : float
        Echo of the skull met square, and mean echo of brain, fluid, uterine wall and placenta.
    pulse_mm, beam : float
        Standard deviations of the point-spread function: along the beam in mm, across in beams.
    half_angle_deg : float
        Half of the sector's opening.
    loss_db : float
        What the depth gain leaves uncorrected between the probe and the deepest sample.
    gain_db : float
    """

    ellipse: Ellipse
    pixel_mm: float
    shape: tuple[int, int] = (540, 800)
    bone_mm: float = 2.4
    scalp_mm: float = 2.5
    fluid_mm: float = 3.0
    plexus: float = 0.12
    skull_db: float = -1.0
    brain_db: float = -35.0
    fluid_db: float = -47.0
    wall_db: float = -32.0
    pulse_mm: float = 0.40
    beam: float = 2.6
    half_angle_deg: float = 31.0
    loss_db: float = 4.0
    gain_db: float = 0.0

    @property
    def hc_mm(self) -> float:
        """True head circumference."""
        return ellipses.circumference(self.ellipse.semi_major, self.ellipse.semi_minor) * self.pixel_mm
