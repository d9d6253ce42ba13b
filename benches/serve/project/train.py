"""The random forest of examples/breast-cancer, in both forms, and a few rows to ask it."""

import json
from pathlib import Path

import joblib
import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier

rows, labels = load_breast_cancer(return_X_y=True)
rows = rows.astype(np.float32)
forest = RandomForestClassifier(n_estimators=100, max_depth=8, random_state=7).fit(rows, labels)
kinds = [("input", FloatTensorType([None, rows.shape[1]]))]
model = to_onnx(forest, initial_types=kinds, options={"zipmap": False}, target_opset=21)
for directory in ("onnx", "sklearn"):
    Path(directory).mkdir(exist_ok=True)
Path("onnx/forest.onnx").write_bytes(model.SerializeToString())
joblib.dump(forest, "sklearn/forest.joblib")
Path("rows.json").write_text(json.dumps(rows[:4].tolist()))
