"""Makes measurements of three sensors that move together, a few of which are broken."""

import csv
import json
import os
from pathlib import Path

import numpy as np

COLUMNS = ["temperature", "pressure", "flow"]


def main() -> None:
    params = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())["make"]
    random = np.random.default_rng(params["seed"])
    common = random.normal(size=(params["rows"], 1))
    rows = common * [2.0, 1.0, -1.5] + random.normal(scale=0.3, size=(params["rows"], 3)) + [20.0, 1.0, 5.0]
    is_broken = random.random(params["rows"]) < 0.05
    rows[is_broken] += random.choice([-4.0, 4.0], size=(is_broken.sum(), 3))
    write("data/measured.csv", [*COLUMNS, "is_broken"], [[*row, int(flag)] for row, flag in zip(rows.round(4), is_broken)])
    sample = np.vstack([rows[~is_broken][:4], rows[is_broken][:1]])
    write("data/sample.csv", COLUMNS, sample.round(4).tolist())


def write(path: str, header: list[str], rows: list[list]) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
