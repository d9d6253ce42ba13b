import joblib


class Model:
    def load(self, path):
        self.forest = joblib.load(f"{path}/forest.joblib")
        self.forest.n_jobs = 1

    def predict(self, inputs):
        return {"label": self.forest.predict(inputs["input"])}
