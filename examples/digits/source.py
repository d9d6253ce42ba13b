"""Writes the handwritten digits that scikit-learn ships as one CSV file: a row for each, 8 x 8 values from 0 to 16, and
what it shows.
"""

import csv
from pathlib import Path

from sklearn.datasets import load_digits


def main() -> None:
    digits = load_digits()
    path = Path("data/source.csv")
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*digits.feature_names, "digit"])
        writer.writerows([*row, digit] for row, digit in zip(digits.data.astype(int).tolist(), digits.target.tolist()))
    print(f"{len(digits.target)} digits")


if __name__ == "__main__":
    main()
