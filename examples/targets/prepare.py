"""Writes scikit-learn's copy of the wine data as CSV, split into rows to train on and rows to test on.

`data/sample.csv` holds a few rows of the test set without their label: what a caller of the model would send.
"""

import csv
import json
import os
from pathlib import Path

from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

SAMPLE_ROWS = 6


def main() -> None:
    params = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())["prepare"]
    wine = load_wine()
    train_rows, test_rows, train_labels, test_labels = train_test_split(
        wine.data, wine.target, test_size=params["test_share"], random_state=params["seed"], stratify=wine.target
    )

    Path("data").mkdir(exist_ok=True)
    write("data/train.csv", [*wine.feature_names, "cultivar"], with_label(train_rows, train_labels))
    write("data/test.csv", [*wine.feature_names, "cultivar"], with_label(test_rows, test_labels))
    write("data/sample.csv", wine.feature_names, test_rows[:SAMPLE_ROWS].tolist())
    print(f"{len(train_rows)} wines to train on, {len(test_rows)} to test on")


def with_label(rows, labels) -> list[list[float]]:
    return [[*row, label] for row, label in zip(rows.tolist(), labels.tolist())]


def write(path: str, columns: list[str], rows: list[list[float]]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
