"""Writes models as their libraries write them, in every protocol and packing, and some that would run a program."""

import io
import os
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

root = Path(sys.argv[1])
(root / "safe").mkdir()
(root / "evil").mkdir()
random = np.random.RandomState(7)
rows, labels = random.normal(size=(60, 4)), random.randint(0, 3, 60)

models = {
    "logistic": LogisticRegression(),
    "forest": RandomForestClassifier(n_estimators=5, random_state=random),
    "boosting": GradientBoostingClassifier(n_estimators=3),
    "histogram": HistGradientBoostingClassifier(max_iter=3),
    "neighbours": KNeighborsClassifier(algorithm="kd_tree"),
    "network": MLPClassifier(max_iter=5, hidden_layer_sizes=(4,)),
    "vectors": SVC(probability=False),
    "pipeline": make_pipeline(ColumnTransformer([("scale", StandardScaler(), [0, 1])]), LogisticRegression()),
}
for name, model in models.items():
    model.fit(rows, labels)
    joblib.dump(model, root / f"safe/{name}.joblib")
    joblib.dump(model, root / f"safe/{name}-zlib.joblib", compress=3)
    joblib.dump(model, root / f"safe/{name}-gzip.joblib", compress=("gzip", 3))
    for protocol in (2, 3, 4, 5):
        (root / f"safe/{name}-{protocol}.pkl").write_bytes(pickle.dumps(model, protocol=protocol))
words = OneHotEncoder().fit(np.array([["a"], ["b"]], dtype=object))
joblib.dump(words, root / "safe/objects.joblib")
joblib.dump({"sparse": csr_matrix(rows), "words": np.array(["a", None], dtype=object), "none": np.zeros((0, 3))}, root / "safe/mixed.joblib")
np.save(root / "safe/objects.npy", np.array([{"a": 1}, None], dtype=object))
np.savez(root / "safe/objects.npz", x=np.array([1, "a"], dtype=object), y=np.arange(3.0))


class Evil:
    def __reduce__(self):
        return os.system, ("touch pwned",)


for protocol in range(6):
    (root / f"evil/{protocol}.pkl").write_bytes(pickle.dumps([np.arange(9), Evil()], protocol=protocol))
joblib.dump({"array": np.arange(1000), "evil": Evil()}, root / "evil/array.joblib")
joblib.dump({"array": np.array([Evil(), 1], dtype=object)}, root / "evil/object.joblib")
joblib.dump(Evil(), root / "evil/packed.joblib", compress=3)
np.save(root / "evil/array.npy", np.array([Evil(), 1], dtype=object))
within = io.BytesIO()
pickle.dump({"weights": pickle.dumps(Evil())}, within)
(root / "evil/within.pkl").write_bytes(within.getvalue())
