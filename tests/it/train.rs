//! Training: what runs, what is restored, and what is left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::harness::{Project, make_pipe};

/// Two steps in a row and one beside them; `TRAIN` takes parameters and measures.
pub const PIPELINE: &str = r#"
[params]
train = { trees = 200, depth = 6 }
report = { title = "of data" }

[step.prepare]
cmd = "mkdir -p data; tr a-z A-Z < raw.txt > data/train.txt"
deps = ["raw.txt"]
outs = ["data/train.txt"]

[step.train]
cmd = '''mkdir -p model; cat data/train.txt > model/m; echo ${train.trees} >> model/m
echo "{\"accuracy\": 0.${train.trees}}" > metrics.json
echo "{\"name\": \"loss\", \"value\": 0.5, \"step\": 1}" >> $MLX_METRICS
echo "{\"name\": \"loss\", \"value\": 0.25, \"step\": 2}" >> $MLX_METRICS'''
deps = ["data/train.txt"]
params = ["train.depth"]
outs = ["model/"]
metrics = ["metrics.json"]

[step.report]
cmd = "echo $MLX_PARAM_REPORT_TITLE > report.txt"
deps = ["raw.txt"]
params = ["report"]
outs = ["report.txt"]
"#;

pub fn pipeline() -> Project {
    Project::with_manifest(PIPELINE).write("raw.txt", "some data\n")
}

/// The outcome of each step of the newest run.
#[track_caller]
pub fn outcomes(project: &Project) -> Vec<(String, String)> {
    let run = project.mlx(&["runs", "show", "latest", "--json"]).success().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    run["steps"].as_array().unwrap().iter().map(|step| (text(&step["name"]), text(&step["outcome"]))).collect()
}

/// Trains and says what became of each step.
#[track_caller]
pub fn train(project: &Project, arguments: &[&str]) -> Vec<(String, String)> {
    project.mlx(&[&["train"], arguments].concat()).success();
    outcomes(project)
}

pub fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())).into()
}

#[test]
fn second_train_runs_nothing() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    let lock = project.read("mlx.lock");

    let second = project.mlx(&["train"]).success();

    assert_snapshot!(second.stdout, @"
    step     outcome     time  why
    prepare  up to date
    train    up to date
    report   up to date

    metric     value
    accuracy  0.2000
    loss      0.2500

    3 steps: 0 run, 3 up to date
    ");
    assert_eq!(project.read("mlx.lock"), lock);
}

#[test]
fn one_parameter_reruns_only_what_depends_on_it() {
    let project = pipeline();
    project.mlx(&["train"]).success();

    let outcomes = train(&project, &["--set", "train.trees=300"]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "ran"), ("report", "up_to_date")]));
    let run = project.mlx(&["runs", "show", "latest", "--json"]).json();
    assert_eq!(run["steps"][1]["reason"], "`train.trees` went from 200 to 300");
    assert_eq!(run["params"]["train.trees"], 300);
    assert!(project.read("model/m").ends_with("300\n"));
}

#[test]
fn what_was_computed_before_is_restored() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    let model = project.read("model/m");
    project.mlx(&["train", "--set", "train.trees=300"]).success();

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "restored"), ("report", "up_to_date")]));
    assert_eq!(project.read("model/m"), model);
}

#[test]
fn deleted_outputs_are_restored() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    fs::remove_dir_all(project.path("model")).unwrap();
    fs::remove_file(project.path("report.txt")).unwrap();

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "restored"), ("report", "restored")]));
    assert!(project.read("model/m").ends_with("200\n"));
}

#[test]
fn an_output_that_comes_out_the_same_stops_the_wave() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("raw.txt", "SOME data\n");

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "ran"), ("train", "up_to_date"), ("report", "ran")]));
}

#[test]
fn a_named_step_brings_what_it_needs() {
    assert_eq!(train(&pipeline(), &["train"]), pairs([("prepare", "ran"), ("train", "ran")]));
}

#[test]
fn force_runs_the_named_step_again() {
    let project = pipeline();
    project.mlx(&["train"]).success();

    let outcomes = train(&project, &["--force", "train"]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "ran")]));
}

#[test]
fn parameters_reach_the_program_in_three_ways() {
    let project = Project::with_manifest(
        r#"
        params = ["params.yaml", "more.toml"]
        [step.a]
        cmd = '''echo "${fit.name}" ${fit.rate} $${HOME} > out; echo ${HOME} "$MLX_PARAM_FIT_NAME" >> out
        cat $MLX_PARAMS >> out; echo $MLX_STEP $EXTRA >> out'''
        params = ["fit"]
        outs = ["out"]
        variables = { EXTRA = "more" }
        "#,
    )
    .write("params.yaml", "fit:\n  name: a  b; $x\n  rate: 1\n")
    .write("more.toml", "[other]\nx = 1\n");

    project.mlx(&["train", "--set", "fit.rate=0.5"]).success();

    let out = project.read("out");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("a  b; $x 0.5 ") && lines[0].ends_with("{HOME}"), "{out}");
    assert_eq!(lines[1], format!("{} a  b; $x", project.home().display()));
    let (params, step) = lines[2].rsplit_once('}').unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&format!("{params}}}")).unwrap(),
        json!({ "fit": { "name": "a  b; $x", "rate": 0.5 } })
    );
    assert_eq!(step, "a more");
}

#[test]
fn an_unknown_setting_gets_a_suggestion() {
    pipeline().mlx(&["train", "--set", "train.tree=1"]).exits_with(2).says("did you mean `train.trees`?");
}

#[test]
fn metrics_come_from_files_and_from_appended_lines() {
    let project = pipeline();

    let run = project.mlx(&["train", "--json"]).success().json();

    assert_eq!(run["metrics"], json!({ "accuracy": 0.2, "loss": 0.25 }));
    assert_eq!(run["history"][0], json!({ "metric": "loss", "step": 1, "value": 0.5 }));
    assert_eq!(run["status"], "finished");
}

#[test]
fn a_dry_run_says_what_and_why_and_does_nothing() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("raw.txt", "other\n");
    let lock = project.read("mlx.lock");

    let plan = project.mlx(&["train", "--dry-run"]).success();

    assert_snapshot!(plan.stdout, @"
    step     action       why
    prepare  run          `raw.txt` changed
    train    perhaps run  depends on what `prepare` makes
    report   run          `raw.txt` changed

    3 steps: 2 to run, 1 depending on others, 0 up to date
    ");
    let plan = project.mlx(&["train", "--dry-run", "--json"]).success().json();
    assert_eq!(plan["steps"][0]["action"], "run");
    assert_eq!(project.read("mlx.lock"), lock);
    assert_eq!(project.read("data/train.txt"), "SOME DATA\n");
}

#[test]
fn locked_fails_when_anything_is_out_of_date() {
    let project = pipeline();
    project
        .mlx(&["train", "--locked"])
        .exits_with(4)
        .says("all 3 steps are not up to date, and `--locked` runs nothing:")
        .says("prepare: it never ran here")
        .says("hint: run the same without `--locked`, and commit mlx.lock");
    project.mlx(&["train"]).success();
    project.mlx(&["train", "--locked"]).success();
    let raw = project.read("raw.txt");
    project.set("raw.txt", "other\n");

    project.mlx(&["train", "--locked"]).exits_with(4).says("prepare: `raw.txt` changed");

    assert_eq!(project.read("data/train.txt"), "SOME DATA\n");
    // As after `git clone`: the lock is right, and nothing has to be run.
    project.set("raw.txt", raw);
    std::fs::remove_file(project.path("report.txt")).unwrap();
    project
        .mlx(&["train", "--locked"])
        .exits_with(4)
        .says("step `report` is not up to date")
        .says("its output `report.txt` is missing")
        .says("hint: mlx.lock is as it should be: `mlx pull` brings the outputs");
}

#[test]
fn outputs_are_kept_out_of_git_and_the_run_knows_the_code() {
    let project = pipeline();
    project.commit("first");
    project.set("raw.txt", "changed\n");
    project.set("new.py", "print()\n");
    project.set("image.bin", [0, 1, 2, 255]);
    project.set("a \"dir\"/empty ü", "");
    project.set("a \"dir\"/no end ü", "one\ntwo");
    project.program(&project.path("tool.sh"), "echo tool");
    project.set("large.csv", "1,2\n".repeat(300_000));

    let run = project.mlx(&["train", "--json"]).success().json();

    let head = project.git(&["rev-parse", "HEAD"]).stdout;
    assert_eq!(run["commit"], head.trim());
    assert!(project.read(".gitignore").contains("/model\n"));
    let patch = run["patch"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let patch = fs::read(project.path(format!(".mlx/store/objects/{}/{}", &patch[..2], &patch[2..]))).unwrap();
    assert!(patch.starts_with(b"mlx: left out large.csv (1200000 bytes)\n"));
    assert!(!String::from_utf8_lossy(&patch).contains(".mlx/"), "mlx's own files are no code");
    project.set("patch", patch);
    project.git(&["stash", "--quiet", "--include-untracked", "--", "raw.txt", "*.py", "*.bin", "*.sh", "a*"]);
    assert!(!project.exists("tool.sh") && !project.exists("a \"dir\""));
    project.git(&["apply", "patch"]);
    assert_eq!(project.read("a \"dir\"/empty ü"), "");
    assert_eq!(project.read("a \"dir\"/no end ü"), "one\ntwo");
    assert_eq!(project.path("tool.sh").metadata().unwrap().permissions().mode() & 0o111, 0o111);
    assert_eq!(project.read("raw.txt"), "changed\n");
    assert_eq!(fs::read(project.path("image.bin")).unwrap(), [0, 1, 2, 255]);
}

#[test]
fn an_output_that_git_keeps_is_told() {
    let project = pipeline().write("report.txt", "by hand");
    project.commit("with a report");

    let outcome = project.mlx(&["train", "--force"]).success();

    outcome.says("Git keeps `report.txt`").says("hint: `git rm -r --cached report.txt`");
}

#[test]
fn huge_binary_and_endless_output_is_logged_byte_for_byte() {
    let project = Project::with_manifest(
        "[step.fit]\ncmd = '''head -c 3000000 /dev/zero; head -c 100000 /dev/urandom | tee copy; yes | head -n 100000'''\nouts = ['copy']\n",
    );

    project.mlx(&["train", "--quiet"]).success();

    let log = project.command(&["logs", "latest", "fit"]).output().unwrap().stdout;
    let copy = fs::read(project.path("copy")).unwrap();
    assert_eq!(log.len(), 3_000_000 + 100_000 + 200_000);
    assert!(log[3_000_000..].starts_with(&copy));
}

#[test]
fn old_outputs_are_gone_when_a_step_runs() {
    let project =
        Project::with_manifest("[step.a]\ncmd = 'mkdir m; cp raw m/$(cat raw)'\ndeps = ['raw']\nouts = ['m']")
            .write("raw", "one");
    project.mlx(&["train"]).success();
    project.set("raw", "two");

    project.mlx(&["train"]).success();

    assert!(project.exists("m/two") && !project.exists("m/one"));
}

#[test]
fn outputs_changed_by_hand_are_not_lost() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("model/m", "by hand");

    project
        .mlx(&["train"])
        .exits_with(2)
        .says("output `model` of step `train`: `model/m` holds changes")
        .says("`mlx train --force` gives it up");
    project.mlx(&["train", "--set", "train.trees=1"]).exits_with(2).says("`model`");

    assert_eq!(project.read("model/m"), "by hand");
    project.mlx(&["train", "--force", "train"]).success();
    assert!(project.read("model/m").ends_with("200\n"));
}

#[test]
fn what_the_store_can_not_give_back_is_made_again() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    let lock = project.read("mlx.lock");
    let report = project.mlx(&["runs", "show", "latest", "--json"]).json()["steps"][2]["outs"][0]["digest"].clone();
    let hex = report.as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let object = project.path(format!(".mlx/store/objects/{}/{}", &hex[..2], &hex[2..]));
    fs::remove_file(&object).unwrap();
    fs::write(&object, "cut").unwrap();
    fs::remove_file(project.path("report.txt")).unwrap();

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "up_to_date"), ("report", "ran")]));
    assert_eq!(project.read("report.txt"), "of data\n");
    assert_eq!(project.read("mlx.lock"), lock);
    project.mlx(&["verify"]).success();
}

#[test]
fn a_step_that_is_gone_leaves_the_lock() {
    let project = pipeline();
    project.mlx(&["train"]).success();
    project.set("mlx.toml", PIPELINE.replace("[step.report]", "[step.summary]"));

    assert_eq!(train(&project, &[])[2], ("summary".to_owned(), "restored".to_owned()));

    let lock = project.read("mlx.lock");
    assert!(lock.contains("\"summary\"") && !lock.contains("\"report\""), "{lock}");
}

#[test]
fn steps_run_in_parallel() {
    // Each waits for the other at a pipe.
    let project = Project::with_manifest(
        "[step.a]\ncmd = 'echo from a > pipe; cat back'\n[step.b]\ncmd = 'cat pipe; echo from b > back'\n",
    );
    make_pipe(&project, "pipe");
    make_pipe(&project, "back");

    project.mlx(&["train", "--jobs", "2"]).success().says("a | from b");
}

#[test]
fn what_can_not_have_a_version_is_shown_and_replaced() {
    let project = Project::with_manifest("[step.a]\ncmd = 'mkdir o; mkfifo o/pipe'\nouts = ['o']");
    project.mlx(&["train"]).exits_with(3).says("is a named pipe");

    project.mlx(&["status"]).success().prints("not made  o");
    project.set("mlx.toml", "[step.a]\ncmd = 'mkdir o; echo 1 > o/file'\nouts = ['o']");
    project.mlx(&["train"]).success();

    fs::remove_file(project.path("o/file")).unwrap();
    assert!(project.other("mkfifo", &["o/file"]).status().unwrap().success());
    project.mlx(&["status"]).success().prints("modified  o");
    project.mlx(&["checkout"]).exits_with(2).says("is a named pipe");
    project.mlx(&["checkout", "--force"]).success();
    assert_eq!(project.read("o/file"), "1\n");
}

#[test]
fn outputs_that_nobody_may_write_are_replaced() {
    let cmd = "mkdir -p o/in; cp raw o/in/file; chmod 400 o/in/file; chmod 555 o/in o";
    let project = Project::with_manifest(&format!("[step.a]\ncmd = '{cmd}'\ndeps = ['raw']\nouts = ['o']"));
    project.set("raw", "1");
    project.mlx(&["train"]).success();

    project.set("raw", "2");

    assert_eq!(train(&project, &[]), pairs([("a", "ran")]));
    assert_eq!(project.read("o/in/file"), "2");
}

/// What the program says when a step of the project calls it with these arguments, and its exit code.
fn called_by_a_step(arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_mlx");
    let cmd = format!("{program} {arguments} 2> said; echo $? >> said");
    let project = Project::with_manifest(&format!("[step.a]\ncmd = '{cmd}'\nouts = ['said']"));
    project.mlx(&["train"]).success();
    project.read("said")
}

#[test]
fn a_checkout_does_not_meddle_with_a_step_at_work() {
    let said = called_by_a_step("checkout");

    assert!(said.contains("is at work in this project") && said.ends_with("\n1\n"), "{said}");
}

#[test]
fn a_step_that_trains_its_own_project_does_not_wait_for_itself() {
    let said = called_by_a_step("train");

    assert!(said.contains("which would wait for itself") && said.ends_with("\n2\n"), "{said}");
}

#[test]
fn who_has_no_home_trains_all_the_same() {
    let project = pipeline();
    let mut command = project.command(&["train"]);

    project.outcome(command.env_remove("HOME").env_remove("MLX_CACHE_DIR")).success();

    assert!(project.exists(".mlx/cache"));
    let mut command = project.command(&["doctor"]);
    project.outcome(command.env_remove("HOME").env_remove("MLX_CACHE_DIR")).prints("ok       project");
}

#[test]
fn numbers_that_json_does_not_have_are_refused() {
    let project = pipeline();
    for value in ["nan", "-inf", "[1, inf]"] {
        let set = format!("train.trees={value}");
        project.mlx(&["train", "--set", &set]).exits_with(2).says(&format!("`--set {set}`: numbers must be finite"));
    }

    project.set("params.toml", "rate = inf");
    project.set("mlx.toml", "params = ['params.toml']\n[step.a]\ncmd = 'true'");

    project.mlx(&["train"]).exits_with(2).says("`params.toml`: numbers must be finite");
}

#[test]
fn the_value_of_a_secret_is_no_parameter() {
    let step = "params.db = { password = 'none', user = 'me' }\n[step.a]\ncmd = 'true'\nparams = ['db']\n";
    let project = Project::with_manifest(step);
    let with = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("DB_TOKEN", "hunter2hunter2").env("GREETING", "good morning");
        project.outcome(&mut command)
    };

    for command in [&["train"][..], &["sweep", "--strategy", "list"]] {
        let refused = with(&[command, &["--set", "db.user=hunter2hunter2"]].concat()).exits_with(2);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
        refused.says("has the value of the variable `DB_TOKEN`").says("deps = [{ env = \"NAME\" }]");
    }
    assert!(!project.exists(".mlx/runs.db") && !project.exists("mlx.lock"));
    let warned = with(&["train", "--set", "db.password=x"]).success();
    warned.says("the parameter `db.password` is called like a secret, and its value is recorded");
    let silent = with(&["train", "--set", "db.user=good morning"]).success();
    assert!(!silent.stderr.contains("secret"), "{}", silent.stderr);
}

#[test]
fn thousands_of_steps_are_planned() {
    let fan: String =
        (0..2000).map(|index| format!("[step.s{index}]\ncmd = 'x'\ndeps = ['raw']\nouts = ['o/{index}']\n")).collect();
    let project = Project::with_manifest(&format!("{fan}[step.all]\ncmd = 'x'\ndeps = ['o']\nouts = ['all']\n"))
        .write("raw", "1");

    let plan = project.mlx(&["train", "--dry-run", "--json"]).success().json();

    assert_eq!(plan["steps"].as_array().unwrap().len(), 2001);
    assert_eq!(plan["steps"][2000]["action"], "depends");
}

#[test]
fn help_shows_examples() {
    let help = Command::new(env!("CARGO_BIN_EXE_mlx")).args(["train", "--help"]).output().unwrap();

    assert!(String::from_utf8(help.stdout).unwrap().contains("mlx train evaluate --set train.trees=300"));
}
