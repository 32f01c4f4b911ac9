"""
Turns Kokoro's ONNX graph in int8 into a checkpoint in the published form.

Every parameter of Kokoro's own classes is accounted for. What int8 took of the weights is lost; the vector of
the pooler, which nothing reads, is zero.
"""

import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Parameters = dict[str, Array]

_PARTS = ("bert", "bert_encoder", "predictor", "text_encoder", "decoder")
_SCALES = ("_scale", "_zero_point", "_shape")
# node type to pairs of inputs (weight, its zero point)
_ZERO_POINTS = {
    "MatMulInteger": ((1, 3),),
    "ConvInteger": ((1, 3),),
    "DequantizeLinear": ((0, 2),),
    "DynamicQuantizeLSTM": ((1, 9), (2, 11)),
}


class Graph:
    """The tensors of an ONNX graph, with int8 made float32 again."""

    def __init__(self, path: Path) -> None:
        """Read the graph in `path`."""
        import onnx  # noqa: PLC0415  # of `make real-voices` alone

        graph = onnx.load(str(path)).graph
        self.nodes = list(graph.node)
        self.arrays: Parameters = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
        self._zeros = dict(self._zero_points())

    def dequantized(self, name: str) -> Array:
        """Return the float32 tensor of the quantized one called `name`."""
        stem = name.removesuffix("_quantized")
        zero = self.arrays.get(f"{stem}_zero_point", self._zeros.get(name))
        scale = self.arrays[f"{stem}_scale"]
        if zero is None:
            raise SystemExit(f"{name} has no zero point")
        if self.arrays[name].ndim == 3 and scale.shape == (2,):  # noqa: PLR2004  # an LSTM: one per direction
            zero, scale = zero.reshape(2, 1, 1), scale.reshape(2, 1, 1)
        return (self.arrays[name].astype(np.float32) - zero.astype(np.float32)) * scale

    def _zero_points(self) -> Iterator[tuple[str, Array | None]]:
        """Yield the zero points by the nodes that read them: equal ones are shared under another name."""
        for node in self.nodes:
            for weight, zero in _ZERO_POINTS.get(node.op_type, ()):
                yield node.input[weight], self.arrays.get(node.input[zero])
        for node in self.nodes:  # embeddings: Gather of the quantized, and DequantizeLinear behind it
            if node.op_type == "Gather" and node.input[0].endswith("_quantized"):
                reader = next(each for each in self.nodes if node.output[0] in each.input)
                yield node.input[0], self.arrays[reader.input[2]]


def parameters(graph: Graph) -> Parameters:
    """Return Kokoro's parameters by torch's names."""
    found = dict(_named(graph))
    for node in graph.nodes:  # the others are known by the node that reads them
        path = _module(".".join(node.name.strip("/").split("/")[:-1]))
        second = node.input[1] if len(node.input) > 1 else ""
        if node.op_type == "MatMulInteger" and second.startswith("onnx::"):
            found.setdefault(re.sub(r"_\d+$", "", path) + ".weight", graph.dequantized(second).T)
        elif node.op_type == "MatMul" and second in graph.arrays:
            found[f"{path}.weight"] = graph.arrays[second].T
        elif node.op_type == "ConvInteger" and "Mul" in second:
            found.update(_normed(path, graph.dequantized(second)))
        elif node.op_type in ("Conv", "ConvTranspose") and "Mul" in second and second in graph.arrays:
            found.update(_normed(path, graph.arrays[second]))
        elif node.op_type == "DynamicQuantizeLSTM":
            weights = graph.dequantized(second), graph.dequantized(node.input[2])
            found.update(_lstm(path, *weights, graph.arrays[node.input[3]]))
    return found


def checkpoint(found: Parameters, configuration: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return torch's tensors in the published form. Ends the program if one is missing or left over."""
    import torch  # noqa: PLC0415  # seconds to import

    model = _blank_model(configuration)
    state: dict[str, dict[str, Any]] = {}
    for part in _PARTS:
        state[part] = {}
        for key, default in getattr(model, part).state_dict().items():
            name = f"{part}.{key}"
            if name in found:
                value = torch.from_numpy(np.array(found.pop(name), order="C"))
                if value.shape != default.shape:
                    raise SystemExit(f"{name}: {tuple(value.shape)}, not {tuple(default.shape)}")
            elif "pooler" in name:
                value = torch.zeros_like(default)
            elif re.search(r"norm[12]?\.norm\.|adain[12]\.\d\.norm\.", name):
                continue  # not in the published file either: instance norms are neutral
            else:
                raise SystemExit(f"not in the graph: {name}")
            state[part][f"module.{key}"] = value.clone()
    if found:
        raise SystemExit(f"of no module: {sorted(found)}")
    return state


def _blank_model(configuration: dict[str, Any]) -> Any:
    import torch  # noqa: PLC0415
    from kokoro import KModel  # noqa: PLC0415

    blank = io.BytesIO()
    torch.save({}, blank)
    blank.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what Kokoro calls
        return KModel(repo_id="hexgrad/Kokoro-82M", config=configuration, model=blank)


def _named(graph: Graph) -> Iterator[tuple[str, Array]]:
    """Yield the parameters that kept their names."""
    for name, value in graph.arrays.items():
        if not name.startswith(("encoder.", "decoder.")) or name.endswith(_SCALES):
            continue
        if name.endswith(".weight_quantized"):
            whole = graph.dequantized(name)
            yield _module(name.removesuffix("_quantized")), whole.T if ".fc." in name else whole
        elif value.dtype == np.float32 and not re.search(r"stft|quantized", name):
            yield _module(name), value


def _module(path: str) -> str:
    """Return the torch module or parameter that a node's path names."""
    path = re.sub(r"^encoder\.(F0|N|shared)", r"encoder.predictor.\1", path)
    path = re.sub(r"\b([a-z_]+(?:\.\d+)?)\.(?=\1\.\d)", "", path)  # cnn.0.cnn.0.0, asr_res.asr_res.0
    return path.removeprefix("encoder.").removeprefix("decoder.")


def _normed(path: str, weight: Array) -> Parameters:
    """Return the norm and the direction whose product is `weight`: norms over all but the first axis."""
    norm = np.sqrt((weight.astype(np.float64) ** 2).sum((1, 2), keepdims=True)).astype(np.float32)
    # rows that int8 left nothing of need some direction, or they become NaN
    return {f"{path}.weight_v": np.where(norm == 0, np.float32(1), weight), f"{path}.weight_g": norm}


def _lstm(path: str, inward: Array, recurrent: Array, bias: Array) -> Parameters:
    """Return torch's parameters of a bidirectional LSTM, whose gates ONNX has in another order."""
    result: Parameters = {}
    for direction, suffix in enumerate(("l0", "l0_reverse")):
        half = bias.shape[1] // 2
        for name, whole in (
            ("weight_ih", inward[direction].T),
            ("weight_hh", recurrent[direction].T),
            ("bias_ih", bias[direction][:half]),
            ("bias_hh", bias[direction][half:]),
        ):
            i, o, f, c = np.split(whole, 4)  # input, output, forget, cell
            result[f"{path}.{name}_{suffix}"] = np.concatenate((i, f, c, o))
    return result
