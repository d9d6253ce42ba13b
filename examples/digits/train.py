"""Trains a small network on the pictures, epoch by epoch, writes it as ONNX, and measures that very file."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import png

IMAGES = Path("data/digits")
MODEL = Path("model/digits.onnx")
CLASSES = np.arange(10)
SAMPLE_ROWS = 5


def main() -> None:
    params = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())
    split, train = params["split"], params["train"]
    pixels, digits = read_images()
    train_pixels, test_pixels, train_digits, test_digits = train_test_split(
        pixels, digits, test_size=split["test_share"], random_state=split["seed"], stratify=digits
    )

    network = MLPClassifier(
        hidden_layer_sizes=(train["hidden"],),
        batch_size=train["batch"],
        learning_rate_init=train["learning_rate"],
        random_state=train["seed"],
    )
    with open("history.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", "training_loss", "validation_loss", "validation_accuracy"])
        for epoch in range(1, train["epochs"] + 1):
            network.partial_fit(train_pixels, train_digits, classes=CLASSES)
            probabilities = network.predict_proba(test_pixels)
            loss = log_loss(test_digits, probabilities, labels=CLASSES)
            accuracy = accuracy_score(test_digits, probabilities.argmax(axis=1))
            writer.writerow([epoch, f"{network.loss_:.5f}", f"{loss:.5f}", f"{accuracy:.4f}"])
            if epoch % 10 == 0:
                print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.4f}", flush=True)

    # A name of our own, because the default is a random one, and the same training shall give the same bytes.
    model = to_onnx(
        network,
        initial_types=[("pixels", FloatTensorType([None, pixels.shape[1]]))],
        name="digits",
        options={"zipmap": False},
        target_opset=21,
    )
    MODEL.parent.mkdir(exist_ok=True)
    MODEL.write_bytes(model.SerializeToString(deterministic=True))

    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    (predicted,) = session.run(["label"], {"pixels": test_pixels})
    accuracy = round(float(accuracy_score(test_digits, predicted)), 4)
    Path("metrics.json").write_text(json.dumps({"accuracy": accuracy}, indent=2) + "\n")
    write_sample(test_pixels[:SAMPLE_ROWS])
    print(f"accuracy {accuracy} on {len(test_digits)} pictures that it never saw")


def read_images() -> tuple[np.ndarray, np.ndarray]:
    """A row of 64 values from 0 to 1 for each picture, and the digit that its directory is named after."""
    paths = sorted(IMAGES.glob("*/*.png"))
    pixels = np.array([png.decode(path.read_bytes()) for path in paths], dtype=np.float32)
    digits = np.array([int(path.parent.name) for path in paths])
    return pixels.reshape(len(paths), -1) / np.float32(255), digits


def write_sample(rows: np.ndarray) -> None:
    """A few rows as a caller would send them."""
    with open("sample.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([f"pixel_{row}_{column}" for row in range(8) for column in range(8)])
        writer.writerows([round(float(value), 6) for value in row] for row in rows)


if __name__ == "__main__":
    main()
