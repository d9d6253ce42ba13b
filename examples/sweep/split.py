"""Writes scikit-learn's digits as two files: one to learn from, one to measure with."""

import csv
import json
import os
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main() -> None:
    seed = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())["split"]["seed"]
    pixels, labels = load_digits(return_X_y=True)
    parts = train_test_split(pixels / 16, labels, test_size=0.3, stratify=labels, random_state=seed)
    train_pixels, test_pixels, train_labels, test_labels = parts
    write("data/train.csv", train_pixels, train_labels)
    write("data/test.csv", test_pixels, test_labels)


def write(path: str, pixels, labels) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([*row, label] for row, label in zip(pixels.tolist(), labels.tolist()))


if __name__ == "__main__":
    main()
