"""What networks for volumes share: a slice sees its neighbours, and a volume passes through a 2-D network."""

from __future__ import annotations

import torch
from torch import nn


def with_neighbours(volume: torch.Tensor, slices: int) -> torch.Tensor:
    """Return each slice with its neighbours as channels; beyond the ends the last slice is repeated.

    Parameters
    ----------
    volume : tensor, shape (batch, 1, depth, rows, columns)
    slices : int
        Odd number of slices that make one picture.

    Returns
    -------
    tensor, shape (batch * depth, slices, rows, columns), channels last
    """
    batch, _, depth, rows, columns = volume.shape
    reach = slices // 2
    index = torch.arange(depth, device=volume.device)[:, None] + torch.arange(-reach, reach + 1, device=volume.device)
    pictures = volume[:, 0][:, index.clamp(0, depth - 1)]
    return pictures.reshape(batch * depth, slices, rows, columns).contiguous(memory_format=torch.channels_last)


class AlongSlices(nn.Module):
    """Mixes features along the slices: what is said of one slice is heard some slices up and down.

    Starts as the identity, so that a trained 2-D encoder is not disturbed.
    """

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(channels, channels, 3, padding=d, dilation=d, padding_mode="replicate", bias=False),
                nn.BatchNorm1d(channels),
                nn.ReLU(inplace=True),
                nn.Conv1d(channels, channels, 1),
            )
            for d in dilations
        )
        for block in self.blocks:
            nn.init.zeros_(block[-1].weight)  # type: ignore[index, arg-type]
            nn.init.zeros_(block[-1].bias)  # type: ignore[index, arg-type]

    def forward(self, features: torch.Tensor, depth: int) -> torch.Tensor:
        """Mix features (batch * depth, channels, rows, columns) of volumes of `depth` slices."""
        total, channels, rows, columns = features.shape
        lines = features.view(total // depth, depth, channels, rows, columns).permute(0, 3, 4, 2, 1)
        lines = lines.reshape(-1, channels, depth)
        for block in self.blocks:
            lines = lines + block(lines)
        mixed = lines.view(total // depth, rows, columns, channels, depth).permute(0, 4, 3, 1, 2)
        return mixed.reshape(total, channels, rows, columns).contiguous(memory_format=torch.channels_last)


class SliceBySlice(nn.Module):
    """A 2-D network that answers for a volume, each slice with its neighbours as channels.

    In training it does not answer for the first and last ``slices // 2`` of a stack, whose neighbours are not there:
    stacks can then be short, and a batch holds many patients.
    """

    #: Slices that pass together when answering; a matter of memory, not of the result.
    at_once = 8

    def __init__(self, plain: nn.Module, slices: int) -> None:
        super().__init__()
        self.plain = plain
        self.slices = slices

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Return logits of the volume's shape (batch, 1, depth, rows, columns); in training of the inner slices."""
        batch, _, depth, rows, columns = volume.shape
        pictures = with_neighbours(volume, self.slices)
        margin = self.slices // 2
        if self.training and margin:
            pictures = pictures.view(batch, depth, -1, rows, columns)[:, margin:-margin].flatten(0, 1)
            pictures, depth = pictures.contiguous(memory_format=torch.channels_last), depth - 2 * margin
        portion = len(pictures) if self.training else self.at_once
        answers = torch.cat([self.plain(part) for part in torch.split(pictures, portion)])
        return answers.view(batch, 1, depth, rows, columns)
