"""The bars that mlx has to keep: ratios between figures of one run."""

from collections.abc import Callable

Value = Callable[[dict], float]


def ratio(row: str, one: str, other: str, key: str = "seconds") -> Value:
    return lambda results: results[row][one][key] / results[row][other][key]


def figure(row: str, key: str, tool: str = "mlx") -> Value:
    return lambda results: results[row][tool][key]


def most_memory(prefixes: tuple[str, ...]) -> Value:
    return lambda results: max(cells["mlx"]["peak_mb"] for row, cells in results.items() if row.startswith(prefixes))


def transfers(kind: str) -> list[tuple[str, Value, str, float]]:
    row = f"{kind}-s3"
    return [
        (f"{row}: mlx / one tar by curl", ratio(row, "mlx", "floor"), "most", 1.5),
        (f"{row}: dvc / mlx", ratio(row, "dvc", "mlx"), "least", 10),
        (f"{row}: mlx / restic", ratio(row, "mlx", "restic"), "most", 1),
    ]


# What it is, how it comes from the figures, and whether the limit is the most or the least.
BARS: list[tuple[str, Value, str, float]] = [
    ("add: mlx / (cp -r and hashing)", ratio("add", "mlx", "floor"), "most", 0.35),
    ("add: dvc / mlx", ratio("add", "dvc", "mlx"), "least", 15),
    ("status: mlx / git status with git-lfs", ratio("status", "mlx", "git-lfs"), "most", 1),
    ("status: mlx / find -printf", ratio("status", "mlx", "floor"), "most", 1.3),
    ("status: dvc / mlx", ratio("status", "dvc", "mlx"), "least", 20),
    ("status, 1 % changed: dvc / mlx", ratio("status-changed", "dvc", "mlx"), "least", 20),
    ("add of that 1 %: dvc / mlx", ratio("add-changed", "dvc", "mlx"), "least", 20),
    ("checkout: mlx / cp -r", ratio("checkout", "mlx", "floor"), "most", 1.2),
    ("checkout, hard links: mlx / cp -rl", ratio("checkout-hard", "mlx", "floor"), "most", 1.2),
    *transfers("push"),
    *transfers("pull"),
    ("push-s3: files on the remote", figure("push-s3", "remote_files"), "most", 60),
    ("large file: mlx add / cp", ratio("large", "mlx", "floor"), "most", 1.15),
    ("table, 1 % appended: % sent", figure("csv-append", "sent_percent"), "most", 1.5),
    ("table, 1 % appended: % stored", figure("csv-append", "stored_percent"), "most", 1.5),
    ("table, 100 edits: % sent", figure("csv-edit", "sent_percent"), "most", 6),
    ("table, 100 edits: % stored", figure("csv-edit", "stored_percent"), "most", 6),
    ("transfers: most memory, MB", most_memory(("push-", "pull-", "csv-")), "most", 256),
    ("ten times the files: most memory, MB", most_memory(("x10 ",)), "most", 400),
    (
        "status of ten times the files / status",
        lambda results: results["x10 status"]["mlx"]["seconds"] / results["status"]["mlx"]["seconds"],
        "most",
        12,
    ),
]


def verdicts(results: dict) -> list[dict]:
    """The bars whose figures were measured."""
    found = []
    for bar, value, side, limit in BARS:
        try:
            measured = value(results)
        except (KeyError, ValueError):
            continue
        kept = measured <= limit if side == "most" else measured >= limit
        found.append({"bar": bar, "value": measured, "limit": limit, "side": side, "kept": kept})
    return found
