"""Writes two noisy half moons: x, y, and which of them a point belongs to."""

import csv
import json
import math
import os
import random

params = json.load(open(os.environ["MLX_PARAMS"]))["data"]
noise = random.Random(params["seed"])

with open("rows.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["x", "y", "label"])
    for row in range(params["rows"]):
        label = row % 2
        angle = math.pi * noise.random()
        x = math.cos(angle) if label == 0 else 1 - math.cos(angle)
        y = math.sin(angle) if label == 0 else 0.5 - math.sin(angle)
        spread = params["noise"]
        writer.writerow([round(x + noise.gauss(0, spread), 6), round(y + noise.gauss(0, spread), 6), label])
