"""Trains a random forest, writes it as ONNX, and measures that very file on the test set."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

MODEL = Path("model/breast-cancer.onnx")


def main() -> None:
    params = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())["train"]
    rows, labels = read("data/train.csv")
    forest = RandomForestClassifier(
        n_estimators=params["trees"], max_depth=params["depth"], random_state=params["seed"]
    ).fit(rows, labels)

    # A name of our own, because the default is a random one, and the same training shall give the same bytes.
    # Probabilities come as one tensor (no "zipmap"), so that every server can send them.
    model = to_onnx(
        forest,
        initial_types=[("input", FloatTensorType([None, rows.shape[1]]))],
        name="breast-cancer",
        options={"zipmap": False},
        target_opset=21,
    )
    MODEL.parent.mkdir(exist_ok=True)
    MODEL.write_bytes(model.SerializeToString(deterministic=True))

    rows, labels = read("data/test.csv")
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    predicted, probabilities = session.run(["label", "probabilities"], {"input": rows})
    metrics = {
        "accuracy": accuracy_score(labels, predicted),
        "auc": roc_auc_score(labels, probabilities[:, 1]),
        "recall": recall_score(labels, predicted),
    }
    metrics = {name: round(float(value), 4) for name, value in metrics.items()}
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(", ".join(f"{name} {value}" for name, value in metrics.items()))


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """The measurements and the labels of a file; the label is the last column."""
    with open(path, newline="") as file:
        _, *rows = csv.reader(file)
    table = np.array(rows, dtype=np.float64)
    return table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64)


if __name__ == "__main__":
    main()
