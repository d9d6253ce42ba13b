#!/usr/bin/env python3
"""Is `mlx sweep --strategy tpe` about as good as Optuna's TPESampler? Both search four fixed functions, seed by seed.

    python3 -m venv /tmp/optuna && /tmp/optuna/bin/pip install optuna==5.0.0
    /tmp/optuna/bin/python benches/train/tpe.py --mlx target/release/mlx [--trials 100] [--seeds 10] [--json FILE] [--check]

For each function: the median over the seeds of the best loss found, and how often a sweep of mlx is better than one of Optuna,
of all pairs of seeds (0.5: equally good). `--check` fails below 0.3 for one function, or below 0.4 for all together.
Chance alone (`--strategy random`) is the floor. Like is compared with like: Optuna looks at all parameters at once
(`multivariate=True`), as mlx does; what it finds when it looks at each by itself stands in brackets. The functions are computed
here for Optuna and by awk for mlx.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PI = math.pi
# Name: the parameters as mlx has them, as Optuna suggests them, the loss in Python, the loss in awk.
FUNCTIONS = {
    "sphere": (
        {f"x{i}": "uniform(-5..5)" for i in range(4)},
        lambda trial: {f"x{i}": trial.suggest_float(f"x{i}", -5, 5) for i in range(4)},
        lambda p: sum((p[f"x{i}"] - 1.5) ** 2 for i in range(4)),
        "(x0-1.5)^2 + (x1-1.5)^2 + (x2-1.5)^2 + (x3-1.5)^2",
    ),
    "branin": (
        {"x": "uniform(-5..10)", "y": "uniform(0..15)"},
        lambda trial: {"x": trial.suggest_float("x", -5, 10), "y": trial.suggest_float("y", 0, 15)},
        lambda p: (p["y"] - 5.1 / (4 * PI**2) * p["x"] ** 2 + 5 / PI * p["x"] - 6) ** 2
        + 10 * (1 - 1 / (8 * PI)) * math.cos(p["x"])
        + 10,
        "(y - 5.1/(4*PI^2)*x^2 + 5/PI*x - 6)^2 + 10*(1 - 1/(8*PI))*cos(x) + 10",
    ),
    "rosenbrock": (
        {"x": "uniform(-2..2)", "y": "uniform(-1..3)"},
        lambda trial: {"x": trial.suggest_float("x", -2, 2), "y": trial.suggest_float("y", -1, 3)},
        lambda p: (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2,
        "(1-x)^2 + 100*(y-x^2)^2",
    ),
    # Like a training: a learning rate, a depth, a number of trees, and a kind that shifts where the best ones are.
    "mixed": (
        {"rate": "log(1e-5..1)", "depth": "int(1..16)", "trees": "int(10..1000 log)", "kind": "a,b,c"},
        lambda trial: {
            "rate": trial.suggest_float("rate", 1e-5, 1, log=True),
            "depth": trial.suggest_int("depth", 1, 16),
            "trees": trial.suggest_int("trees", 10, 1000, log=True),
            "kind": trial.suggest_categorical("kind", ["a", "b", "c"]),
        },
        lambda p: (math.log10(p["rate"]) + 2.5 + (p["kind"] == "c")) ** 2
        + ((p["depth"] - 7) / 4) ** 2
        + (math.log10(p["trees"]) - 2) ** 2
        + {"a": 0.5, "b": 0, "c": 1}[p["kind"]],
        '(log(rate)/log(10) + 2.5 + (kind=="c"))^2 + ((depth-7)/4)^2 + (log(trees)/log(10)-2)^2'
        ' + (kind=="a" ? 0.5 : kind=="b" ? 0 : 1)',
    ),
}


def main() -> None:
    options = arguments()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    figures = {}
    for name, (space, suggest, loss, program) in FUNCTIONS.items():
        ours, chance, theirs, alone = [], [], [], []
        with tempfile.TemporaryDirectory(dir=options.work) as directory:
            project(Path(directory), space, program)
            for seed in range(options.seeds):
                ours.append(sweep(options, directory, space, "tpe", seed))
                chance.append(sweep(options, directory, space, "random", seed))
                for found, is_joint in ((theirs, True), (alone, False)):
                    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=is_joint)
                    study = optuna.create_study(sampler=sampler)
                    study.optimize(lambda trial: loss(suggest(trial)), n_trials=options.trials)
                    found.append(study.best_value)
        pairs = [0.5 if a == b else float(a < b) for a in ours for b in theirs]
        figures[name] = {"mlx": ours, "optuna": theirs, "optuna_univariate": alone, "random": chance, "better": statistics.mean(pairs)}
        print(
            f"{name:<12} mlx {statistics.median(ours):<10.4g} optuna {statistics.median(theirs):<10.4g} "
            f"(alone: {statistics.median(alone):.4g}) random {statistics.median(chance):<10.4g} better in {figures[name]['better']:.0%} of pairs",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    better = [figure["better"] for figure in figures.values()]
    if options.check and (min(better) < 0.3 or statistics.mean(better) < 0.4):
        sys.exit("TPE is worse than Optuna's")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlx", type=Path, default=Path("target/release/mlx"))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", type=Path, help="where the projects lie meanwhile")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    options.mlx = options.mlx.resolve()
    return options


def project(directory: Path, space: dict[str, str], program: str) -> None:
    """A project whose one step computes the function."""
    given = " ".join(f"-v {name}=$MLX_PARAM_{name.upper()}" for name in space)
    (directory / "loss.sh").write_text(
        f"awk {given} 'BEGIN {{ PI = atan2(0, -1); printf \"{{\\\"loss\\\": %.17g}}\", {program} }}' > metrics.json\n"
    )
    start = {name: '"a"' if "," in values else "1" for name, values in space.items()}
    (directory / "mlx.toml").write_text(
        f"[params]\np = 0\n{chr(10).join(f'{name} = {value}' for name, value in start.items())}\n"
        f'[step.loss]\ncmd = "sh loss.sh"\ndeps = ["loss.sh"]\nparams = {json.dumps(list(space))}\n'
        'metrics = ["metrics.json"]\n'
    )


def sweep(options: argparse.Namespace, directory: str, space: dict[str, str], strategy: str, seed: int) -> float:
    """The best loss of a sweep."""
    command = [options.mlx, "-C", directory, "--json", "--quiet", "sweep", f"{strategy}{seed}"]
    for name, values in space.items():
        command += ["--set", f"{name}={values}"]
    command += ["--strategy", strategy, "--trials", str(options.trials), "--seed", str(seed)]
    command += ["--metric", "loss", "--goal", "min"]
    results = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return results["trials"][results["best"]]["value"]


if __name__ == "__main__":
    main()
