"""Chooses the number of neighbours that was right most often over all folds."""

import json
from collections import defaultdict
from pathlib import Path

scores = defaultdict(list)
for path in sorted(Path("scores").glob("*.json")):
    score = json.loads(path.read_text())
    scores[score["k"]].append(score["accuracy"])

means = {k: sum(accuracies) / len(accuracies) for k, accuracies in scores.items()}
best = max(sorted(means), key=means.get)
print(f"{best} neighbours: accuracy {means[best]:.3f}")
Path("best.json").write_text(json.dumps({"k": best}))
Path("metrics.json").write_text(json.dumps({"accuracy": means[best], "k": best}))
