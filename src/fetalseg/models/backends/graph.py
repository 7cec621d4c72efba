"""`Graph`: a trained network drawn layer by layer for OpenVINO, straight from the weights' file, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A value in a graph: an OpenVINO node.
Value = Any


class Graph:
    """A network that is being drawn. Architectures know how; see their `draw`.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Tensors by their names in the weights' file.

    Attributes
    ----------
    op : module
        OpenVINO's operations.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        import openvino.opset13 as op

        self.op: Any = op
        self.weights = weights
        self._inputs: list[Value] = []

    def input(self, *shape: int) -> Value:
        """Add an input; -1 stands for a dimension that changes."""
        self._inputs.append(self.op.parameter(list(shape), np.float32))
        return self._inputs[-1]

    def model(self, *outputs: Value) -> Any:
        """Return the OpenVINO model with these outputs."""
        import openvino

        return openvino.Model(list(outputs), self._inputs)

    def folded(self, layer: str, norm: str | None = None, eps: float = 1e-5) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return weight and bias of a convolution, the batch normalisation that follows it multiplied in."""
        weight = self.weights[f"{layer}.weight"].astype(np.float64)
        bias = self.weights.get(f"{layer}.bias", np.zeros(len(weight))).astype(np.float64)
        if norm is not None:
            gamma, beta, mean, variance = (
                self.weights[f"{norm}.{part}"].astype(np.float64)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            scale = gamma / np.sqrt(variance + eps)
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
            bias = beta + (bias - mean) * scale
        return weight.astype(np.float32), bias.astype(np.float32)

    def convolution(
        self,
        x: Value,
        weight: NDArray[Any],
        bias: NDArray[Any] | None = None,
        *,
        stride: int = 1,
        depthwise: bool = False,
        dilation: tuple[int, int] = (1, 1),
        pads: tuple[tuple[int, int], tuple[int, int]] | None = None,
    ) -> Value:
        """Add a convolution.

        Parameters
        ----------
        weight : ndarray, shape (out, in, rows, columns)
        pads : ((above, left), (below, right)), optional
            Half the kernel on each side by default.
        """
        half = (weight.shape[2] // 2, weight.shape[3] // 2)
        begin, end = pads or (half, half)
        around = ([stride, stride], list(begin), list(end), list(dilation))
        weight = np.ascontiguousarray(weight, np.float32)
        if depthwise:
            value = self.op.group_convolution(x, self.op.constant(weight[:, None]), *around)
        else:
            value = self.op.convolution(x, self.op.constant(weight), *around)
        return value if bias is None else self.op.add(value, self.op.constant(bias.reshape(1, -1, 1, 1)))

    def doubled_convolution(self, x: Value, weight: NDArray[Any], bias: NDArray[Any]) -> Value:
        """Add a 3 x 3 convolution of the picture that doubling `x` in rows and columns gives (nearest neighbour).

        A pixel of the doubled picture and its neighbours are copies of four pixels at most. So each of the four places
        that a pixel becomes is a 2 x 2 convolution of `x` itself, with the weights of the copies added up: 4/9 of the
        multiplications, and the same sums but for their rounding.
        """
        by_row = (
            np.stack([weight[:, :, 0], weight[:, :, 1] + weight[:, :, 2]], axis=2),
            np.stack([weight[:, :, 0] + weight[:, :, 1], weight[:, :, 2]], axis=2),
        )
        places = []
        for row in (0, 1):
            w = by_row[row]
            by_column = (
                np.stack([w[..., 0], w[..., 1] + w[..., 2]], axis=3),
                np.stack([w[..., 0] + w[..., 1], w[..., 2]], axis=3),
            )
            for column in (0, 1):
                pads = ((1 - row, 1 - column), (row, column))
                places.append(self.convolution(x, by_column[column], bias, pads=pads))
        return self.op.depth_to_space(self.op.concat(places, 1), "blocks_first", 2)
