//! `mlx init` where another tool is at home already: the manifest says what that one knows.

use std::fs;

use insta::assert_snapshot;

use super::harness::Project;
use super::steps::assert_outcomes;

const DVC: &str = r#"
vars:
  - data_dir: data
  - kinds: { cats: { n: 1 }, dogs: { n: 2 } }
stages:
  prepare:
    desc: Clean what came
    cmd:
      - mkdir -p ${data_dir}/clean
      - cp ${data_dir}/raw.txt ${data_dir}/clean/all.txt
    deps: [data/raw.txt]
    outs:
      - data/clean/
  count:
    foreach: ${kinds}
    do:
      cmd: echo ${key} ${item.n} \${HOME} > ../counts/${key}.txt
      wdir: work
      deps: [../data/clean]
      params:
        - ../params.yaml: [count.step]
      outs:
        - ../counts/${key}.txt
  fit:
    matrix:
      lr: ${fit.rates}
      kind: [a]
    cmd: sh fit.sh ${item.lr} ${item.kind}
    deps: [fit.sh, counts]
    params:
      - fit.depth
      - gone
      - other.yaml: [count.step]
    plots:
      - plots/${item.lr}.csv: { cache: false, x: a }
    outs:
      - models/${item.lr}.txt
  score:
    cmd: mkdir -p eval && echo '{"acc":1}' > eval/metrics.json
    deps: [models]
    always_changed: true
    outs:
      - eval: { persist: true }
metrics:
  - eval/metrics.json
plots:
  - eval/x.csv
artifacts:
  reader:
    path: models/0.1.txt
    type: model
    desc: Reads
"#;

fn dvc() -> Project {
    Project::empty()
        .write("dvc.yaml", DVC)
        .write("params.yaml", "count: { step: 1 }\nfit: { rates: [0.1, 0.2], depth: 2 }\n")
        .write("other.yaml", "count: { step: 5 }\n")
        .write("data/raw.txt.dvc", "outs:\n- md5: 22a1a2931c8370d3aeedd7183606fd7f\n  size: 4\n  path: raw.txt\n")
        .write("data/raw.txt", "raw\n")
        .write("fit.sh", "mkdir -p models plots; echo $1 > models/$1.txt; echo a > plots/$1.csv")
        .write("work/readme", "")
}

#[test]
fn a_pipeline_of_dvc_becomes_steps() {
    let project = dvc();

    let outcome = project.mlx(&["init"]).success();

    assert_snapshot!(outcome.text(), @r##"
    Created .gitignore, mlx.toml in `[root]/project`
    mlx.toml is made from data/raw.txt.dvc, dvc.yaml, params.yaml
    warning: not taken over: stage `fit`: the parameter `gone`, which params.yaml does not have
    warning: not taken over: stage `score`: `persist` of `eval`: an output is removed before its step runs; see `checkpoint`
    warning: not taken over: `plots` of dvc.yaml
    `mlx add data/raw.txt` versions the data, once it is here (`dvc pull`)
    Look through mlx.toml, then run `mlx train --dry-run`
    "##);
    assert_snapshot!(project.read("mlx.toml"), @r##"
    # The manifest of this project, made from data/raw.txt.dvc, dvc.yaml, params.yaml: what mlx versions, trains, packages, deploys and serves.
    # `mlx train --dry-run` says what would run.
    #
    # Not taken over:
    # - stage `fit`: the parameter `gone`, which params.yaml does not have
    # - stage `score`: `persist` of `eval`: an output is removed before its step runs; see `checkpoint`
    # - `plots` of dvc.yaml

    params = ["params.yaml"]

    [project]
    name = "project"

    [data]
    raw = "data/raw.txt"

    [step.prepare]
    description = "Clean what came"
    cmd = "mkdir -p data/clean && cp data/raw.txt data/clean/all.txt"
    deps = ["data/raw.txt"]
    outs = ["data/clean"]

    [step.count]
    foreach = { "cats" = { "n" = 1 }, "dogs" = { "n" = 2 } }
    cmd = "echo ${key} ${item.n} ${HOME} > ../counts/${key}.txt"
    dir = "work"
    deps = ["data/clean"]
    params = ["count.step"]
    outs = ["counts/${key}.txt"]

    [step.fit]
    matrix = { lr = "fit.rates", kind = ["a"] }
    cmd = "sh fit.sh ${matrix.lr} ${matrix.kind}"
    deps = ["fit.sh", "counts", { path = "other.yaml", key = "count.step" }]
    params = ["fit.depth"]
    outs = ["models/${matrix.lr}.txt", { path = "plots/${matrix.lr}.csv", store = false }]

    [step.score]
    cmd = "mkdir -p eval && echo '{\"acc\":1}' > eval/metrics.json"
    always = true
    deps = ["models"]
    outs = ["eval"]
    metrics = ["eval/metrics.json"]

    [model.reader]
    path = "models/0.1.txt"
    description = "Reads"
    # serve = { python = "serve.py:Model" }   # or { onnx = "model/model.onnx" }
    # examples = "data/sample.csv"
    # gates = { accuracy = ">= 0.80" }

    # Where releases of the model go.
    # [target.production]
    # url = "deploy/production"
    # model = "reader@production"
    "##);
    project.mlx(&["add", "data/raw.txt"]).success();
    fs::create_dir(project.path("counts")).unwrap();
    let ran = ["prepare", "count@cats", "count@dogs", "fit@lr=0.1,kind=a", "fit@lr=0.2,kind=a", "score"];
    assert_outcomes(&project, &[], &ran.map(|step| (step, "ran")));
    assert_eq!(project.mlx(&["runs", "show", "latest", "--json"]).success().json()["metrics"]["acc"], 1.0);
    assert!(project.read("counts/dogs.txt").starts_with("dogs 2 /"));
}

#[test]
fn a_project_of_mlflow_becomes_a_step() {
    let project = Project::empty()
        .write(
            "MLproject",
            "name: wine\nconda_env: conda.yaml\nentry_points:\n  main:\n    parameters:\n      alpha: {type: float, default: 0.5}\n\
             \x20     data: path\n    command: \"sh train.sh {alpha} {data}\"\n  validate:\n    command: sh validate.sh\n",
        )
        .write("conda.yaml", "dependencies: [python=3.8, numpy=1.26, {pip: [mlflow>=2]}]\n")
        .write("train.sh", "");

    let found = project.mlx(&["init", "--json"]).success().json();

    assert_eq!(found["made_from"], serde_json::json!(["MLproject", "conda.yaml"]));
    assert_snapshot!(project.read("mlx.toml"), @r##"
    # The manifest of this project, made from MLproject, conda.yaml: what mlx versions, trains, packages, deploys and serves.
    # `mlx train --dry-run` says what would run.
    #
    # Not taken over:
    # - other entry points of MLproject: `validate`
    # - a value of the parameter `data`, which MLproject gives no default
    # - what the program reads and makes: name it in `deps` and `outs`; what it logs by MLflow as `model` comes to lie in `outs = ["model"]`

    [project]
    name = "project"

    [params]
    alpha = 0.5
    data = ""

    [env]
    conda = { file = "conda.yaml" }
    # Without conda, with packages of the same names for pip:
    # python = { requirements = ["numpy==1.26", "mlflow>=2"] }

    [step.main]
    cmd = "sh train.sh ${alpha} ${data}"
    deps = ["train.sh"]

    # A model is an output with a name.
    # [model.main]
    # path = "model"
    # serve = { python = "serve.py:Model" }   # or { onnx = "model/model.onnx" }
    # examples = "data/sample.csv"
    # gates = { accuracy = ">= 0.80" }

    # Where releases of the model go.
    # [target.production]
    # url = "deploy/production"
    # model = "main@production"
    "##);
}

#[test]
fn requirements_and_notebooks_are_found() {
    let environment = |files: &[(&str, &str)]| {
        let project = files.iter().fold(Project::empty(), |project, (path, content)| project.write(path, content));
        project.mlx(&["init"]).success();
        let manifest = project.read("mlx.toml");
        manifest.lines().find(|line| line.starts_with("python = ")).map(str::to_owned)
    };

    let pyproject = "[project]\nname = 'x'\ndependencies = ['six']\n";
    assert_eq!(
        environment(&[("src/requirements.txt", "six")]).unwrap(),
        "python = { requirements = \"src/requirements.txt\" }"
    );
    assert_eq!(
        environment(&[("pyproject.toml", pyproject)]).unwrap(),
        "python = { requirements = \"pyproject.toml\" }"
    );
    let built = format!("{pyproject}[build-system]\nrequires = []\n");
    assert_eq!(environment(&[("pyproject.toml", &built)]).unwrap(), "python = { requirements = [\"-e .\"] }");
    let poetry = environment(&[("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.9'\nsix = '^1.16'\n")]);
    assert_eq!(poetry.unwrap(), "python = { requirements = [\"six>=1.16,<2\"] }");

    let project =
        Project::empty().write("requirements.txt", "six").write("notebooks/1 look.ipynb", "{}").write("train.py", "");
    project.mlx(&["init"]).success();
    let manifest = project.read("mlx.toml");
    assert!(manifest.contains("# [step.train]\n# cmd = \"python train.py\"\n"), "{manifest}");
    assert!(manifest.contains("--output-dir executed 'notebooks/1 look.ipynb'\"\n"), "{manifest}");
    // All of it is a manifest.
    let shown: String =
        manifest.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect();
    project.set(
        "mlx.toml",
        shown[shown.find("[project]").unwrap()..]
            .replace("A step runs", "# A")
            .replace("A model is", "# A")
            .replace("Where", "# W"),
    );
    project.mlx(&["train", "-n", "train"]).success();
}

#[test]
fn what_can_not_be_read_is_named_and_nothing_is_written() {
    let project = Project::empty().write("dvc.yaml", "stages: [");

    project
        .mlx(&["init"])
        .exits_with(2)
        .says("`dvc.yaml`: ")
        .says("move it away until `mlx init` has written mlx.toml");
    assert!(!project.exists("mlx.toml"));
}
