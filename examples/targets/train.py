"""Trains a small network, writes it as ONNX, and measures that very file on the test set."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

MODEL = Path("model/wine.onnx")
CULTIVARS = 3


def main() -> None:
    params = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())
    rows, labels = read("data/train.csv")
    weights = train(rows, labels, params["train"])
    noise = params["train"]["noise"] if params["export"]["mode"] == "training" else 0.0
    model = as_onnx(weights, noise)
    MODEL.parent.mkdir(exist_ok=True)
    MODEL.write_bytes(model.SerializeToString(deterministic=True))

    rows, labels = read("data/test.csv")
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    cultivar, probabilities = session.run(["cultivar", "probabilities"], {"input": rows})
    right = probabilities[np.arange(len(labels)), labels]
    metrics = {
        "accuracy": round(float((cultivar == labels).mean()), 4),
        "loss": round(float(-np.log(np.maximum(right, 1e-9)).mean()), 4),
        "rows": len(labels),
    }
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(", ".join(f"{name} {value}" for name, value in metrics.items()))


def train(rows: np.ndarray, labels: np.ndarray, params: dict) -> dict[str, np.ndarray]:
    """One hidden layer, by gradient descent over all rows at once."""
    random = np.random.default_rng(params["seed"])
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    inputs, truth = (rows - mean) / scale, np.eye(CULTIVARS)[labels]
    neurons = params["neurons"]
    first = random.normal(scale=(2 / rows.shape[1]) ** 0.5, size=(rows.shape[1], neurons))
    second = random.normal(scale=(1 / neurons) ** 0.5, size=(neurons, CULTIVARS))
    first_bias, second_bias = np.zeros(neurons), np.zeros(CULTIVARS)
    for _ in range(params["epochs"]):
        # In each round the measurements are wrong in another way, so that no single wine is learned by heart.
        measured = inputs + random.normal(scale=params["noise"], size=inputs.shape)
        sums = measured @ first + first_bias
        hidden = np.maximum(sums, 0)
        scores = np.exp(hidden @ second + second_bias)
        wrong = (scores / scores.sum(axis=1, keepdims=True) - truth) / len(rows)
        back = wrong @ second.T * (sums > 0)
        second -= params["rate"] * hidden.T @ wrong
        second_bias -= params["rate"] * wrong.sum(axis=0)
        first -= params["rate"] * measured.T @ back
        first_bias -= params["rate"] * back.sum(axis=0)
    named = dict(mean=mean, scale=scale, first=first, first_bias=first_bias, second=second, second_bias=second_bias)
    return {name: array.astype(np.float32) for name, array in named.items()}


def as_onnx(weights: dict[str, np.ndarray], noise: float) -> ModelProto:
    """The network as a graph. Noise in it is the mistake of an export in training mode: no two answers are the same."""
    nodes = [
        helper.make_node("Sub", ["input", "mean"], ["centered"]),
        helper.make_node("Div", ["centered", "scale"], ["scaled"]),
    ]
    if noise:
        nodes.append(helper.make_node("RandomNormalLike", ["scaled"], ["noise"], scale=noise))
        nodes.append(helper.make_node("Add", ["scaled", "noise"], ["measured"]))
    nodes += [
        helper.make_node("Gemm", ["measured" if noise else "scaled", "first", "first_bias"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "second", "second_bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["cultivar"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "wine",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, len(weights["mean"])])],
        [
            helper.make_tensor_value_info("cultivar", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, CULTIVARS]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """The measurements and the cultivars of a file; the cultivar is the last column."""
    with open(path, newline="") as file:
        _, *rows = csv.reader(file)
    table = np.array(rows, dtype=np.float64)
    return table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64)


if __name__ == "__main__":
    main()
