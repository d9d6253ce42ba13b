//! Programs that speak MLflow: what they log lands in the run, without a change of code.

use serde_json::json;

use super::harness::Project;

const ENV: &str = "[env]\npython = { requirements = [\"mlflow-skinny==3.17.2\"] }\n";

fn project(manifest: &str, program: &str) -> Project {
    Project::with_manifest(&format!("{ENV}{manifest}")).write("train.py", program)
}

/// Logs by MLflow what there is to log, and asks for it again.
const TRAIN: &str = r#"
import mlflow, os
from mlflow.tracking import MlflowClient

mlflow.set_experiment("mine")
with mlflow.start_run(run_name="first") as run:
    mlflow.log_params({"depth": 3, "kind": "a b"})
    for epoch in range(1, 4):
        mlflow.log_metric("loss", 1 / epoch, step=epoch)
    mlflow.log_metrics({"auc": 0.9, "odd": float("nan")})
    mlflow.set_tag("stage", "test")
    with mlflow.start_run(run_name="inner", nested=True):
        mlflow.log_metric("loss", 100)
    open("notes.txt", "w").write("hello")
    mlflow.log_artifact("notes.txt")
    assert os.listdir(mlflow.get_artifact_uri().removeprefix("file://")) == ["notes.txt"]

found = MlflowClient().get_run(run.info.run_id)
assert found.info.status == "FINISHED" and found.info.run_name == "first", found.info
assert found.data.params == {"depth": "3", "kind": "a b"}, found.data.params
assert found.data.metrics["loss"] == 1 / 3 and found.data.tags["stage"] == "test", found.data
assert len(MlflowClient().get_metric_history(run.info.run_id, "loss")) == 3
assert mlflow.get_experiment_by_name("mine").experiment_id == run.info.experiment_id
assert mlflow.get_experiment_by_name("nobody's") is None
open("model", "w").write("model")
"#;

const STEP: &str = "[step.train]\ncmd = 'python train.py'\ndeps = ['train.py']\nouts = ['model']\n";

#[test]
fn what_a_program_logs_by_mlflow_lands_in_the_run() {
    let project = project(STEP, TRAIN);

    let trained = project.mlx(&["train", "--json"]).success();

    let run = trained.json();
    assert_eq!(run["metrics"], json!({ "auc": 0.9, "loss": 1.0 / 3.0 }));
    assert_eq!(run["history"].as_array().unwrap().len(), 4);
    assert_eq!(run["steps"][0]["logged"], json!({ "depth": "3", "kind": "a b" }));
    let trained = trained.says("step `train`: 1 values that are not finite are not recorded");
    trained
        .says("step `train`: files that were logged by MLflow are not kept (1)")
        .says("keeps what is logged as `model`");
    project.mlx(&["runs", "show", "latest"]).success().prints("logged by train").prints("a b");
    // What is restored measures what it measured, and nothing is left behind.
    std::fs::remove_file(project.path("model")).unwrap();
    let again = project.mlx(&["train", "--json"]).success().json();
    assert_eq!((&again["metrics"]["auc"], &again["steps"][0]["logged"]["depth"]), (&json!(0.9), &json!("3")));
    assert!(!project.exists("mlruns") && !project.exists("mlflow.db"));
}

#[test]
fn an_output_may_be_what_is_logged_under_its_name() {
    let program = r#"
import mlflow
with mlflow.start_run():
    mlflow.log_text("1,2", "tables/plot.csv")
    mlflow.log_text("left", "left.txt")
    mlflow.log_dict({"a": 1}, "model/conf.json")
"#;
    let step = STEP.replace("'model'", "'out/model', 'tables'");
    let project = project(&step, program);

    project.mlx(&["train"]).success().says("files that were logged by MLflow are not kept (1)");

    assert_eq!(project.read("tables/plot.csv"), "1,2");
    assert_eq!(project.read("out/model/conf.json"), "{\n  \"a\": 1\n}");
}

#[test]
fn who_has_a_tracking_server_keeps_it() {
    let step = "[step.say]\ncmd = 'echo \"$MLFLOW_TRACKING_URI\" > said'\nouts = ['said']\nalways = true\n";
    let project = Project::with_manifest(step);

    project.mlx(&["train"]).success();
    assert!(project.read("said").starts_with("http://127.0.0.1:"), "{}", project.read("said"));
    project.outcome(project.command(&["train"]).env("MLFLOW_TRACKING_URI", "http://mine")).success();
    assert_eq!(project.read("said"), "http://mine\n");
    project.set("mlx.toml", format!("{step}variables = {{ MLFLOW_TRACKING_URI = 'mlruns' }}\n"));
    project.mlx(&["train"]).success();
    assert_eq!(project.read("said"), "mlruns\n");
    // Whose files are outputs, wants them.
    project
        .set("mlx.toml", step.replace("['said']", "['said', 'mlruns']").replace("> said", "> said; mkdir -p mlruns"));
    project.mlx(&["train"]).success();
    assert_eq!(project.read("said"), "\n");
    // A proxy is not asked for what this machine has.
    project.set("mlx.toml", step.replace("$MLFLOW_TRACKING_URI", "$NO_PROXY $no_proxy"));
    let mut command = project.command(&["train"]);
    project.outcome(command.env("HTTP_PROXY", "http://proxy:1").env("NO_PROXY", "host.example")).success();
    assert_eq!(project.read("said"), "host.example,127.0.0.1 host.example,127.0.0.1\n");
}

#[test]
fn a_trial_that_logs_by_mlflow_is_stopped_when_it_falls_behind() {
    let program = r#"
import mlflow, os, time
lr = float(os.environ["MLX_PARAM_LR"])
with mlflow.start_run():
    for epoch in range(1, 9):
        mlflow.log_metric("loss", lr + 1 / epoch, step=epoch)
        if epoch == 4 and lr > 1:
            time.sleep(600)
open("model", "w").write("model")
"#;
    let project = project(&format!("[params]\nlr = 1\n{STEP}params = ['lr']\n"), program);
    project.mlx(&["train"]).success();
    let asha = ["--strategy", "asha", "--sampler", "list", "--min-resource", "4", "--reduction", "2"];
    let arguments = ["sweep", "--json", "--set", "lr=1,9,0", "--metric", "loss", "--goal", "min"];

    let results = project.mlx(&[&arguments[..], &asha].concat()).success().json();

    let states: Vec<&str> =
        results["trials"].as_array().unwrap().iter().map(|trial| trial["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["finished", "stopped", "finished"]);
    assert_eq!(results["trials"][1]["value"], json!(9.25));
}
