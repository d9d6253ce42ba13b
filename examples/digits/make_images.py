"""Makes a small PNG of each digit, `data/digits/<digit>/<number>.png`, as a camera or a colleague would deliver them.

It needs nothing but Python: `mlx train source` has written what it reads.
"""

import csv
import sys
from pathlib import Path

import png

SOURCE = Path("data/source.csv")
IMAGES = Path("data/digits")


def main() -> None:
    if not SOURCE.exists():
        sys.exit(f"{SOURCE} is missing; make it with `mlx train source`")
    with SOURCE.open(newline="") as file:
        _, *rows = csv.reader(file)
    for number, row in enumerate(rows):
        *values, digit = map(int, row)
        # From 0..16, dark on light, to the 0..255 of a grey picture; 15 steps keep whole numbers whole.
        pixels = [[value * 15 for value in values[start : start + 8]] for start in range(0, 64, 8)]
        path = IMAGES / str(digit) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png.encode(pixels))
    print(f"{len(rows)} pictures in {IMAGES}")


if __name__ == "__main__":
    main()
