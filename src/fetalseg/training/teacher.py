"""A trained network that teaches another: its answer is mixed into what is to be learnt."""

from __future__ import annotations

import torch

from fetalseg.dataset import split as splits
from fetalseg.dataset.split import Split
from fetalseg.errors import SettingsError
from fetalseg.models.catalogue import Model
from fetalseg.settings import TrainSettings

#: The teacher's part in what is to be learnt; the rest is the annotation.
SHARE = 0.6


class Teacher:
    """A network whose probabilities a smaller or less trained one learns beside the annotations.

    It sees each sample as the learner does, turned, scaled and darkened, so there is no end of samples to agree on, and
    where one annotator's line is a little off the teacher's is nearer to the others'.

    Parameters
    ----------
    model : Model
        Of the same task.
    settings : TrainSettings
        Of the learner.
    device : str
    mixed : bool
        Whether convolutions run in bfloat16.

    Raises
    ------
    SettingsError
        If it is a model of another task or takes another input.

    References
    ----------
    Hinton G, Vinyals O, Dean J. Distilling the knowledge in a neural network. 2015. arXiv:1503.02531
    Beyer L et al. Knowledge distillation: a good teacher is patient and consistent. CVPR 2022. arXiv:2106.05237
    """

    def __init__(self, model: Model, settings: TrainSettings, device: str, mixed: bool) -> None:
        card = model.card
        if card.task != settings.task:
            raise SettingsError(f"The teacher is a model for '{card.task}'; it can't teach '{settings.task}'.")
        theirs, ours = ((s.input_rows, s.input_columns) for s in (card, settings))
        if theirs != ours:
            raise SettingsError(
                f"The teacher looks at {theirs[0]} x {theirs[1]} pixels and the model to train at "
                f"{ours[0]} x {ours[1]}; they must look at the same."
            )
        network = model.load().eval().requires_grad_(False)
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device, self._mixed = device, mixed

    def targets(self, images: torch.Tensor, annotated: torch.Tensor) -> torch.Tensor:
        """Return what is to be learnt from samples, shape (batch, 1, [slices,] rows, columns).

        Parameters
        ----------
        images, annotated : tensor, shape (batch, 1, [slices,] rows, columns)
            On the teacher's device.
        """
        with torch.no_grad(), torch.autocast(self._device, torch.bfloat16, enabled=self._mixed):
            plain = self._network(images).float().sigmoid()
            mirrored = self._network(images.flip(-1)).float().sigmoid().flip(-1)
        return torch.lerp(annotated, (plain + mirrored) / 2, SHARE)


def doubt(model: Model, split: Split) -> str:
    """Return the sentence on what a teacher may have seen of what is kept out; empty where nothing is, or it saw none.

    Parameters
    ----------
    model : Model
        The teacher.
    split : Split
        Of the learner.
    """
    kept = split.groups("calibrate") | split.groups("report")
    path = model.folder / splits.NAME
    if not kept:
        return ""
    if not path.exists():
        seen = "may have learnt from"
    elif Split.read(path).groups("train") & kept:
        seen = "has learnt from some of"
    else:
        return ""
    return (
        f"The teacher '{model.card.name}' {seen} the exams that are kept out here: figures measured on them may look "
        "better than they are."
    )
