"""Trains a small network epoch by epoch, and tells after each how well it does."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier


def main() -> None:
    params = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())["train"]
    pixels, labels = read("data/train.csv")
    test_pixels, test_labels = read("data/test.csv")
    network = MLPClassifier(
        hidden_layer_sizes=(params["neurons"],),
        learning_rate_init=params["rate"],
        alpha=params["penalty"],
        batch_size=64,
        random_state=params["seed"],
    )
    digits = np.unique(labels)
    for epoch in range(1, params["epochs"] + 1):
        network.partial_fit(pixels, labels, classes=digits)
        tell("loss", epoch, log_loss(test_labels, network.predict_proba(test_pixels)))
    accuracy = accuracy_score(test_labels, network.predict(test_pixels))
    Path("metrics.json").write_text(json.dumps({"accuracy": round(float(accuracy), 4)}) + "\n")
    Path("model").mkdir(exist_ok=True)
    Path("model/network.pkl").write_bytes(pickle.dumps(network))
    print(f"accuracy {accuracy:.4f}")


def tell(name: str, step: int, value: float) -> None:
    """A line that mlx reads while the program runs: by these, a sweep may stop a trial that falls behind."""
    with open(os.environ["MLX_METRICS"], "a") as file:
        file.write(json.dumps({"name": name, "value": float(value), "step": step}) + "\n")


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """The pixels and the digits of a file; the digit is the last column."""
    table = np.loadtxt(path, delimiter=",")
    return table[:, :-1], table[:, -1].astype(int)


if __name__ == "__main__":
    main()
