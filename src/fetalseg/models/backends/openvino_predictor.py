"""`OpenVinoPredictor`: a network on the CPU by OpenVINO, made from the weights' file without torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalseg.errors import BackendError, ModelError
from fetalseg.models import architectures, catalogue, weights
from fetalseg.models.backends.graph import Graph
from fetalseg.models.card import Card

#: A compiled network: arrays in, arrays out.
Compiled = Callable[..., list[NDArray[np.float32]]]

# Single precision also where the processor would rather take half of it. Threads are not tied to cores: processes that
# run side by side would choose the same.
_CONFIG: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}


class OpenVinoPredictor:
    """A network ready to answer; see `fetalseg.models.predictor.Predictor`.

    Pictures, and the slices of a volume, pass one by one: memory stays flat, and an answer depends on its own picture
    alone.

    Parameters
    ----------
    model : catalogue.Model

    Raises
    ------
    BackendError
        If OpenVINO is not installed, can't start, or does not know how to run this network.
    ModelError
        If the weights are missing or damaged.
    """

    backend = "openvino"
    device = "cpu"

    def __init__(self, model: catalogue.Model) -> None:
        self.card: Card = model.card
        # An inference request serves one caller at a time.
        self._turn = threading.Lock()
        self._threads = 0
        architecture = architectures.get(self.card.arch)
        tensors = weights.read(self.card, model.folder / weights.WEIGHTS)
        try:
            self._answer = self._prepare(architecture, tensors)
        except ImportError as error:
            raise BackendError(f"OpenVINO is not installed ({error}): pip install openvino.") from error
        except (ModelError, KeyError) as error:
            why = error if isinstance(error, ModelError) else "its weights do not fit the architecture"
            raise BackendError(f"OpenVINO can't run the model '{self.card.name}': {why}.") from error
        except RuntimeError as error:
            raise BackendError(f"OpenVINO can't start here: {str(error).strip().splitlines()[-1]}") from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities for inputs (n, channels, [slices,] rows, columns), without the channels."""
        with self._turn:
            return np.stack([self._answer(part) for part in batch])

    def describe(self) -> str:
        """Return the line that doors show: device, backend and model."""
        threads = f"{self._threads} thread{'s' if self._threads > 1 else ''}"
        return f"CPU, {threads}, OpenVINO · {self.card.name} {self.card.version}"

    def _prepare(
        self, architecture: ModuleType, tensors: dict[str, NDArray[Any]]
    ) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Return what answers one picture (channels, rows, columns), or one volume (1, slices, rows, columns)."""
        parameters = {**architecture.DEFAULTS, **self.card.parameters}
        if hasattr(architecture, "draw_mixing"):
            return self._prepare_mixing(architecture, tensors, parameters)
        if not hasattr(architecture, "draw"):
            raise ModelError(f"the architecture '{self.card.arch}' is not known to it")
        channels = parameters.get("in_channels", parameters.get("slices", 1))
        graph = Graph(tensors)
        picture = graph.input(1, channels, *self.card.size)
        network = self._compiled(graph, graph.op.sigmoid(architecture.draw(graph, picture, parameters)))

        def one(picture: NDArray[np.float32]) -> NDArray[np.float32]:
            probability: NDArray[np.float32] = network(picture[None])[0][0, 0]
            return probability

        def slice_by_slice(volume: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.stack([one(picture) for picture in with_neighbours(volume[0], channels)])

        return slice_by_slice if parameters.get("volume") else one

    def _prepare_mixing(
        self, architecture: ModuleType, tensors: dict[str, NDArray[Any]], parameters: dict[str, Any]
    ) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Return what answers a volume whose deep features are mixed along the slices, before each is decoded."""
        graph = Graph(tensors)
        levels = architecture.draw_encoder(graph, graph.input(1, parameters["slices"], *self.card.size), parameters)
        shapes = [tuple(level.shape) for level in levels]
        encode = self._compiled(graph, *levels)
        first = len(levels) - len(parameters["dilations"])
        mixes = []
        for number, (_, channels, rows, columns) in enumerate(shapes[first:]):
            graph = Graph(tensors)
            features = graph.input(1, channels, -1, rows * columns)
            mixes.append(self._compiled(graph, architecture.draw_mixing(graph, features, number, parameters)))
        graph = Graph(tensors)
        decoded = architecture.draw_decoder(graph, [graph.input(*shape) for shape in shapes])
        decode = self._compiled(graph, graph.op.sigmoid(decoded))

        def answer(volume: NDArray[np.float32]) -> NDArray[np.float32]:
            encoded = [encode(picture[None]) for picture in with_neighbours(volume[0], parameters["slices"])]
            features = [np.concatenate(level) for level in zip(*encoded, strict=True)]
            del encoded
            for number, mix in enumerate(mixes, start=first):
                slices, channels, rows, columns = features[number].shape
                along = features[number].swapaxes(0, 1).reshape(1, channels, slices, rows * columns)
                mixed = mix(np.ascontiguousarray(along))[0].reshape(channels, slices, rows, columns)
                features[number] = np.ascontiguousarray(mixed.swapaxes(0, 1))
            each = range(len(features[0]))
            return np.stack([decode(*(level[i : i + 1] for level in features))[0][0, 0] for i in each])

        return answer

    def _compiled(self, graph: Graph, *outputs: Any) -> Compiled:
        """Return the graph, ready to run."""
        import openvino

        config = dict(_CONFIG)
        told = os.environ.get("OMP_NUM_THREADS", "")
        if told.isdigit() and int(told):
            config["INFERENCE_NUM_THREADS"] = int(told)
        compiled = openvino.Core().compile_model(graph.model(*outputs), "CPU", config)
        self._threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
        request = compiled.create_infer_request()

        def run(*inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            given = [np.ascontiguousarray(array, np.float32) for array in inputs]
            # Copied: the next picture's answer takes the same memory.
            return [value.copy() for value in request.infer(given, share_inputs=True, share_outputs=True).values()]

        return run


def with_neighbours(volume: NDArray[np.float32], slices: int) -> Sequence[NDArray[np.float32]]:
    """Return each slice with its neighbours as channels; beyond the ends the last slice is repeated.

    Parameters
    ----------
    volume : ndarray, shape (depth, rows, columns)
    slices : int
        Odd number of slices that make one picture.

    Returns
    -------
    list of ndarray, shape (slices, rows, columns)
    """
    reach, last = slices // 2, len(volume) - 1
    return [volume[np.clip(np.arange(at - reach, at + reach + 1), 0, last)] for at in range(len(volume))]
