"""Learns where measurements lie together, and writes it as plain numbers."""

import json
import os
from pathlib import Path

import numpy as np

threshold = json.loads(Path(os.environ["MLX_PARAMS"]).read_text())["train"]["threshold"]
table = np.loadtxt("data/measured.csv", delimiter=",", skiprows=1)
rows, is_broken = table[:, :-1], table[:, -1] == 1

# The median hardly notices the outliers that are to be found.
center = np.median(rows, axis=0)
near = rows[np.abs(rows - center).max(axis=1) < 6]
inverse = np.linalg.inv(np.cov(near, rowvar=False))
distance = np.sqrt(np.einsum("ij,jk,ik->i", rows - center, inverse, rows - center))

Path("model").mkdir(exist_ok=True)
model = {"center": center.round(6).tolist(), "inverse": inverse.round(6).tolist(), "threshold": threshold}
Path("model/outliers.json").write_text(json.dumps(model, indent=2) + "\n")
found = distance > threshold
metrics = {"recall": float(found[is_broken].mean()), "precision": float(is_broken[found].mean())}
Path("metrics.json").write_text(json.dumps({name: round(value, 4) for name, value in metrics.items()}) + "\n")
print(metrics)
