"""The model as it is served: `mlx serve` starts processes that call this class."""

import json

import numpy as np


class BadRequest(ValueError):
    """An exception of this name is the client's fault: it is answered with 400 and its text."""


class Model:
    def load(self, path):
        """`path` is what the manifest calls the model's path, wherever it was unpacked."""
        with open(f"{path}/outliers.json") as file:
            model = json.load(file)
        self.center, self.inverse = np.array(model["center"]), np.array(model["inverse"])
        self.threshold = model["threshold"]

    def predict(self, inputs):
        """All rows of a request at once."""
        rows = inputs["input"]
        if np.isnan(rows).any():
            raise BadRequest("a measurement is missing")
        away = rows - self.center
        distance = np.sqrt(np.einsum("ij,jk,ik->i", away, self.inverse, away))
        return {"is_outlier": distance > self.threshold, "distance": distance}
