"""Measure the fetal head in ultrasound with deep learning: the engine and the command line.

Research software: not a medical device, not for diagnosis.
"""

__version__ = "0.1.0"

#: Stands wherever a number is shown.
RESEARCH = "Research use only. Not for diagnosis."
