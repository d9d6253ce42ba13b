"""The same forest in BentoML, with scikit-learn."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1)
class Forest:
    def __init__(self):
        self.forest = joblib.load(os.environ["MODEL"])
        self.forest.n_jobs = 1

    @bentoml.api(batchable="TOGETHER" in os.environ, max_batch_size=32)
    def infer(self, rows: np.ndarray) -> np.ndarray:
        return self.forest.predict(rows)
