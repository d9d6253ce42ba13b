//! Sweeps: which trials there are, what becomes of them, and that a kill changes nothing about either.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::harness::Project;

/// A step that no parameter touches, and one that measures how far `lr` and `depth` are from where they are best.
const MANIFEST: &str = r#"
[params]
# Found by hand.
train = { lr = 0.5, depth = 1, kind = "a" } # all of them
other = 1

[step.prepare]
cmd = "echo prepared >> $COUNT; cat raw.txt > data.txt"
deps = ["raw.txt"]
outs = ["data.txt"]

[step.train]
cmd = "sh train.sh"
deps = ["train.sh", "data.txt"]
params = ["train"]
outs = ["model"]
metrics = ["metrics.json"]
"#;

/// Writes the metrics from the parameters; fails with the kind `bad`.
const TRAIN: &str = r#"
test "$MLX_PARAM_TRAIN_KIND" != bad || { echo "a bad kind"; exit 3; }
echo "$MLX_PARAM_TRAIN_LR $MLX_PARAM_TRAIN_DEPTH $MLX_PARAM_TRAIN_KIND" > model
echo "$MLX_PARAM_TRAIN_LR $MLX_PARAM_TRAIN_DEPTH" |
    awk '{ print "{\"loss\": " ($1-0.3)^2 + ($2-4)^2 ", \"accuracy\": " 1/(1+($1-0.3)^2) "}" }' > metrics.json
"#;

pub fn project() -> Project {
    let project = Project::with_manifest("").write("raw.txt", "raw\n").write("train.sh", TRAIN);
    let count = project.home().join("count");
    project.set("mlx.toml", MANIFEST.replace("$COUNT", count.to_str().unwrap()));
    project
}

/// How often the step `prepare` ran.
fn prepared(project: &Project) -> usize {
    fs::read_to_string(project.home().join("count")).unwrap_or_default().lines().count()
}

pub fn sweep(project: &Project, arguments: &[&str]) -> Value {
    project.mlx(&[&["sweep", "--json"], arguments].concat()).success().json()
}

pub fn shown(project: &Project, name: &str) -> Value {
    project.mlx(&["sweep", "show", name, "--json"]).success().json()
}

/// Number, state, parameters and value of each trial.
pub fn trials(results: &Value) -> Vec<(u64, String, Value, Value)> {
    let trials = results["trials"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    trials
        .map(|t| (t["number"].as_u64().unwrap(), text(&t["state"]), t["params"].clone(), t["value"].clone()))
        .collect()
}

pub fn params(results: &Value) -> Vec<Value> {
    trials(results).into_iter().map(|(_, _, params, _)| params).collect()
}

pub const GRID: [&str; 6] = ["--set", "train.lr=0.1,0.3", "--set", "train.depth=3,4", "--metric", "loss"];
pub const MIN: [&str; 2] = ["--goal", "min"];

#[test]
fn a_trial_replaces_what_the_one_before_left_and_the_store_does_not_keep() {
    let project = project();
    let unstored = "metrics = [{ path = \"metrics.json\", store = false }]";
    project.set("mlx.toml", project.read("mlx.toml").replace("metrics = [\"metrics.json\"]", unstored));

    let results = sweep(&project, &[&GRID[..], &MIN].concat());

    assert_eq!(trials(&results).iter().filter(|(_, state, ..)| state == "failed").count(), 0);
}

#[test]
fn a_grid_tries_every_combination_and_runs_what_it_touches_alone() {
    let project = project();
    project.commit("start");

    let results = sweep(&project, &[&GRID[..], &MIN].concat());

    let expected: Vec<Value> = [(0.1, 3), (0.1, 4), (0.3, 3), (0.3, 4)]
        .map(|(lr, depth)| json!({ "train.lr": lr, "train.depth": depth }))
        .into();
    assert_eq!(params(&results), expected);
    assert_eq!((&results["best"], &results["is_complete"]), (&json!(3), &json!(true)));
    assert_eq!(prepared(&project), 1, "the step that no parameter touches ran once");
    // The project is as it was, and the working copies are gone.
    assert_eq!(project.git(&["status", "--porcelain"]).stdout, "");
    assert!(!project.exists("mlx.lock") && !project.exists("model") && !project.exists(".mlx/sweeps/sweep/trials"));
    let runs = project.mlx(&["runs", "--json"]).success().json();
    let of_sweep: Vec<&Value> = runs["runs"].as_array().unwrap().iter().map(|run| &run["sweep"]).collect();
    let numbers = [3, 2, 1, 0].map(|number| json!({ "sweep": "sweep", "number": number }));
    assert_eq!(of_sweep, numbers.iter().collect::<Vec<_>>());
    let id = results["trials"][3]["run"].as_str().unwrap();
    let run = project.mlx(&["runs", "show", id, "--json"]).success().json();
    assert_eq!(run["steps"][0]["outcome"], "restored");
    assert_eq!(run["commit"].as_str().unwrap().len(), 40);
    project.mlx(&["runs", "show", id]).success().prints("sweep, trial 3");
    project.mlx(&["verify"]).success();
}

#[test]
fn the_results_are_a_table_with_the_best_first() {
    let project = project();
    sweep(&project, &[&["size"], &GRID[..], &MIN].concat());

    let shown = project.mlx(&["sweep", "show", "size"]).success();

    let text: Vec<String> = shown
        .text()
        .lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|w| !w.ends_with(" s"))
                .collect::<Vec<_>>()
                .join(" ")
                .trim()
                .replace("  ", " ")
        })
        .collect();
    let text: Vec<String> = text.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_snapshot!(text.join("\n"), @r"
    trial state loss train.lr train.depth duration run
    3 best 0 0.3 4 [id]
    1 finished 0.0400 0.1 4 [id]
    2 finished 1 0.3 3 [id]
    0 finished 1.0400 0.1 3 [id]

    best loss so far (lower is better): 1.0400 █▁▁▁ 0

    sweep size: 4 trials: 4 finished
    The best is trial 3. Write its parameters to the project: `mlx sweep apply size`
    ");
    let other = project.mlx(&["sweep", "show", "--metric", "accuracy", "--goal", "max", "--json"]).success().json();
    assert_eq!(other["best"], 2, "the first of two equal ones");
    project.mlx(&["sweep", "show", "size", "--metric", "acuracy"]).exits_with(2).says("did you mean `accuracy`?");
    project.mlx(&["sweep", "show", "--svg", "plot.svg"]).success().says("plot.svg");
    let svg = project.read("plot.svg");
    assert_eq!(svg.matches("<path").count(), 4);
    assert!(svg.starts_with("<svg ") && svg.contains("train.depth") && svg.contains("prefers-color-scheme: dark"));
    assert_snapshot!(project.mlx(&["sweep", "list"]).success().stdout, @r"
    sweep  strategy  trials  state     best
    size   grid         4/4  complete     0  loss (trial 3)
    ");
}

#[test]
fn the_manifest_declares_sweeps_and_the_command_line_comes_first() {
    let project = project();
    let declared = "\n[sweep.size]\nparams = { train.lr = 'log(1e-3..1)', train.depth = [1, 4] }\nstrategy = 'sobol'\n\
                    trials = 4\nmetric = 'loss'\ngoal = 'min'\nsteps = ['train']\nseed = 5\n";
    project.set("mlx.toml", project.read("mlx.toml") + declared);

    let results = sweep(&project, &["--trials", "3", "--set", "train.depth=2"]);

    assert_eq!(
        (&results["sweep"], &results["strategy"], &results["seed"]),
        (&json!("size"), &json!("sobol"), &json!(5))
    );
    assert_eq!(params(&results).iter().map(|params| params["train.depth"].clone()).collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(trials(&results).len(), 3);
}

#[test]
fn a_failed_trial_does_not_end_a_sweep_unless_it_shall() {
    let project = project();
    let kinds = ["--set", "train.kind=bad,good", "--metric", "accuracy"];

    let outcome = project.mlx(&[&["sweep"], &kinds[..]].concat()).success();

    let states =
        |name: &str| trials(&shown(&project, name)).into_iter().map(|(_, state, ..)| state).collect::<Vec<_>>();
    assert_eq!(states("sweep"), ["failed", "finished"]);
    assert!(outcome.stderr.contains("trial 0 failed"), "{}", outcome.stderr);
    project.mlx(&[&["sweep", "fast", "--fail-fast"], &kinds[..]].concat()).exits_with(3).says("a bad kind");
    assert_eq!(states("fast"), ["failed"]);
    project.mlx(&["sweep", "fast", "--resume"]).success();
    assert_eq!(states("fast"), ["failed", "finished"]);
    project.mlx(&["sweep", "all", "--set", "train.kind=bad"]).exits_with(3).says("every trial of the sweep failed");
}

#[test]
fn what_can_not_work_is_told_before_anything_is_written() {
    let project = project();
    let refused = |arguments: &[&str], text: &str| {
        project.mlx(&[&["sweep"], arguments].concat()).exits_with(2).says(text);
    };

    refused(&[], "the sweep tries no parameter");
    refused(&["--set", "train.dept=1,2"], "did you mean `train.depth`?");
    refused(&["--set", "other=1,2"], "no step of the sweep uses the parameter `other`");
    refused(&["--set", "train.lr=log(1e-3..1)"], "--trials 50");
    refused(&["--set", "train.lr=log(1e-3..1)", "--strategy", "grid"], "a grid needs values to count");
    refused(&["--set", "train.lr=log(1..oops)"], "`oops` is no number in `log(1..oops)`");
    refused(&["--set", "train.lr=0.1,0.2", "--strategy", "tpe", "--trials", "3"], "needs a metric");
    refused(&["size", "--resume"], "there is no sweep `size` that was begun");
    refused(&["show"], "there are no sweeps yet");
    refused(&["sise"], "there is no sweep `sise` in mlx.toml");
    assert!(!project.exists(".mlx/sweeps"));
    project.set("mlx.toml", project.read("mlx.toml") + "[sweep.a]\nparams.train.lr = 'uniform(1..0)'\n");
    project.mlx(&["status"]).exits_with(2).says("`train.lr`: the first number of `uniform(1..0)` must not be larger");
}

#[test]
fn a_metric_that_is_no_number_is_the_worst() {
    let project = project();
    project.set("train.sh", "touch model; test $MLX_PARAM_TRAIN_DEPTH != 2 && loss=$MLX_PARAM_TRAIN_DEPTH || loss=NaN; echo \"{\\\"loss\\\": $loss}\" > metrics.json");

    let results = sweep(&project, &["--set", "train.depth=2,3,1", "--metric", "loss", "--goal", "min"]);

    assert_eq!(results["best"], 2);
    assert_eq!(trials(&results)[0].1, "finished");
    assert_eq!(trials(&results)[0].3, Value::Null);
    project.mlx(&["sweep", "show"]).success().prints("finished     -");
}

#[test]
fn apply_writes_the_best_parameters_and_keeps_comments() {
    let project = project();
    sweep(&project, &[&GRID[..], &MIN].concat());
    let before = project.read("mlx.toml");

    project.mlx(&["sweep", "apply", "--dry-run"]).success().prints("train.lr");
    assert_eq!(project.read("mlx.toml"), before);
    project.mlx(&["sweep", "apply"]).success().says("what the trial made is restored");

    let after = before.replace("lr = 0.5, depth = 1", "lr = 0.3, depth = 4");
    assert_eq!(project.read("mlx.toml"), after);
    let run = project.mlx(&["train", "--json"]).success().json();
    assert_eq!((&run["steps"][1]["outcome"], project.read("model").as_str()), (&json!("restored"), "0.3 4 a\n"));
    project.mlx(&["sweep", "apply", "0"]).success();
    assert_eq!(project.read("mlx.toml"), after.replace("lr = 0.3, depth = 4", "lr = 0.1, depth = 3"));
    project.mlx(&["sweep", "apply", "sweep", "9"]).exits_with(2).says("has no trial 9");
}

#[test]
fn apply_writes_to_the_file_that_holds_the_parameter() {
    let project = project();
    let manifest = project.read("mlx.toml");
    let (_, steps) = manifest.split_once("[step.prepare]").unwrap();
    project.set("mlx.toml", format!("params = ['params.yaml', 'more.json']\n[step.prepare]{steps}"));
    project.set("params.yaml", "train:\n  lr: 0.5  # by hand\n  kind: a\n");
    project.set("more.json", "{\n  \"train\": {\"depth\": 1}\n}\n");
    sweep(&project, &[&GRID[..], &MIN].concat());

    project.mlx(&["sweep", "apply"]).success();

    assert_eq!(project.read("params.yaml"), "train:\n  lr: 0.3  # by hand\n  kind: a\n");
    assert_eq!(project.read("more.json"), "{\n  \"train\": {\"depth\": 4}\n}\n");
    // The parameters that the sweep tries do not count as a change.
    sweep(&project, &["--resume"]);
}

#[test]
fn trials_side_by_side_make_what_they_share_once() {
    let project = project();

    let results =
        sweep(&project, &["--set", "train.depth=int(1..8)", "--parallel", "4", "--metric", "loss", "--goal", "min"]);

    assert_eq!((&results["best"], prepared(&project)), (&json!(3), 1));
    assert!(trials(&results).iter().all(|(_, state, ..)| state == "finished"));
}

#[test]
fn the_trials_see_the_files_as_they_were_when_the_sweep_began() {
    let project = project();
    // The first trial changes the project's program; the others do not notice.
    let edit = format!("echo exit 1 > {}", project.path("train.sh").display());
    project.set("train.sh", format!("{edit}\n{TRAIN}"));

    let results = sweep(&project, &[&GRID[..], &MIN].concat());

    assert!(trials(&results).iter().all(|(_, state, ..)| state == "finished"));
    project.mlx(&["sweep", "sweep", "--resume", "--trials", "9"]).exits_with(2).says("`train.sh` was changed");
    project.mlx(&["sweep", "sweep", "--resume", "--force"]).success();
}

#[test]
fn a_changed_manifest_is_refused_with_what_changed() {
    let project = project();
    let random = ["--set", "train.lr=uniform(0..1)", "--trials", "2", "--metric", "loss", "--goal", "min"];
    sweep(&project, &random);
    let before = project.read("mlx.toml");
    let resume = ["sweep", "--resume", "--trials", "3"];

    project.set(
        "mlx.toml",
        before.replace("depth = 1", "depth = 4").replace("cmd = \"sh train.sh\"", "cmd = \"sh ./train.sh\""),
    );
    let refused = project.mlx(&resume).exits_with(2);
    assert!(
        refused.stderr.contains("step `train` was changed; the parameter `train.depth` went from 1 to 4"),
        "{}",
        refused.stderr
    );
    project.set("mlx.toml", format!("# a remark\n{before}"));
    project.mlx(&resume).success();

    assert_eq!(trials(&shown(&project, "sweep")).len(), 3);
}

#[test]
fn what_was_begun_is_not_written_over() {
    let project = project();
    let first = sweep(&project, &[&GRID[..], &MIN].concat());

    let again = project.mlx(&[&["sweep"], &GRID[..]].concat()).exits_with(2);
    assert!(again.stderr.contains("begin anew with `--force`; runs stay"), "{}", again.stderr);
    let anew = sweep(&project, &[&["--force"], &GRID[..], &MIN].concat());
    assert_eq!(params(&anew), params(&first));

    project.mlx(&["sweep", "rm", "sweep"]).success();
    assert!(!project.exists(".mlx/sweeps/sweep") && !project.exists(".mlx/store/records/sweeps/sweep.json"));
    assert_eq!(project.mlx(&["runs", "--json"]).success().json()["runs"].as_array().unwrap().len(), 8);
    project.mlx(&["verify"]).success();
}

#[test]
fn a_collection_of_garbage_keeps_what_a_sweep_needs() {
    let project = project();
    let random = ["--set", "train.lr=uniform(0..1)", "--trials", "1", "--metric", "loss"];
    sweep(&project, &random);

    project.mlx(&["gc", "--grace", "0s", "--yes"]).success();

    let results = sweep(&project, &["--resume", "--trials", "3"]);
    assert!(trials(&results).iter().all(|(_, state, ..)| state == "finished"));
}

#[test]
fn a_store_that_is_shared_serves_the_trials_too() {
    let project = project();
    project.set(".mlx/config.toml", format!("[store]\npath = \"{}\"\n", project.home().join("store").display()));
    project.mlx(&["train"]).success();

    let results = sweep(&project, &[&GRID[..], &MIN].concat());

    assert_eq!((&results["best"], prepared(&project)), (&json!(3), 1));
    let known = fs::read_dir(project.home().join("store/projects")).unwrap().count();
    assert_eq!(known, 1, "working copies are no projects of their own");
    project.mlx(&["verify"]).success();
}

/// As [`project`], but each trial waits until its number is let through a pipe: `gate`.
fn gated() -> Project {
    let project = project();
    let gate = project.home().join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let wait = format!("echo at the gate > {0}.there; read line < {0}", gate.display());
    project.set("train.sh", format!("{wait}\n{TRAIN}"));
    project
}

fn kill(process: &mut Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
    process.wait().unwrap();
}

/// A sweep with its events in a file, that are read as they come.
pub struct Started {
    pub process: Child,
    events: BufReader<File>,
}

impl Started {
    pub fn new(project: &Project, arguments: &[&str]) -> Self {
        let path = project.home().join("events");
        fs::write(&path, "").unwrap();
        let mut command =
            project.command(&[&["sweep", "--json", "--events", path.to_str().unwrap()], arguments].concat());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, events: BufReader::new(File::open(path).unwrap()) }
    }

    /// Waits until this event was told so often.
    pub fn wait_for(&mut self, event: &str, mut times: usize) {
        let wanted = format!("\"event\":\"{event}\"");
        let end = Instant::now() + Duration::from_secs(60);
        let mut line = String::new();
        while times > 0 {
            assert!(Instant::now() < end, "`{event}` did not come");
            if self.events.read_line(&mut line).unwrap() == 0 {
                assert!(self.process.try_wait().unwrap().is_none(), "the sweep ended before `{event}`");
                std::thread::yield_now();
                continue;
            }
            if line.ends_with('\n') {
                times -= usize::from(line.contains(&wanted));
                line.clear();
            }
        }
    }
}

const TPE: [&str; 15] = [
    "tpe",
    "--set",
    "train.lr=uniform(0..1)",
    "--set",
    "train.depth=int(1..9)",
    "--set",
    "train.kind=a,b,bad",
    "--strategy",
    "tpe",
    "--trials",
    "16",
    "--seed",
    "3",
    "--metric",
    "loss",
];

/// The journal without times, runs and durations: what decides how a sweep goes on.
fn story(project: &Project, name: &str) -> Vec<Value> {
    let journal = project.read(format!(".mlx/sweeps/{name}/journal"));
    let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let bare = |mut entry: Value| {
        let fields = entry.as_object_mut().unwrap();
        ["at", "run", "seconds", "error", "snapshot"].iter().for_each(|field| drop(fields.remove(*field)));
        entry
    };
    lines.map(bare).collect()
}

/// Each trial began in the order of the numbers, and ended once.
fn assert_whole(results: &Value, count: u64) {
    let numbers: Vec<u64> = trials(results).iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
    assert!(trials(results).iter().all(|(_, state, ..)| state != "open"));
}

#[test]
fn a_sweep_killed_again_and_again_goes_on_as_if_nothing_had_been() {
    let undisturbed = project();
    let expected = sweep(&undisturbed, &[&TPE[..], &MIN].concat());
    let project = project();
    let mut arguments = [&TPE[..], &MIN].concat();

    // Killed as trials begin, and as they end.
    for (event, times) in
        [("trial_started", 1), ("trial_finished", 2), ("in_trial", 7), ("trial_started", 3), ("trial_finished", 3)]
    {
        let mut started = Started::new(&project, &arguments);
        started.wait_for(event, times);
        kill(&mut started.process, Signal::KILL);
        arguments = vec!["tpe", "--resume"];
    }
    let results = sweep(&project, &arguments);

    assert_eq!(trials(&results), trials(&expected));
    assert_whole(&results, 16);
    let ends = |project: &Project| {
        story(project, "tpe").into_iter().filter(|entry| entry["event"] == "end").collect::<Vec<_>>()
    };
    assert_eq!(ends(&project), ends(&undisturbed), "every trial ended once, in the same order");
    let runs: BTreeSet<&str> =
        results["trials"].as_array().unwrap().iter().map(|t| t["run"].as_str().unwrap()).collect();
    assert_eq!(runs.len(), 16);
    project.mlx(&["verify"]).success();
}

#[test]
fn a_journal_cut_off_anywhere_goes_on_to_the_same_end() {
    let project = project();
    let expected = sweep(&project, &[&TPE[..], &MIN].concat());
    let journal = project.read(".mlx/sweeps/tpe/journal");
    let first = journal.find('\n').unwrap() + 1;

    for part in [0, 1, 3, 7, 9] {
        let cut = first + (journal.len() - first) * part / 10;
        project.set(".mlx/sweeps/tpe/journal", &journal[..cut]);
        let results = sweep(&project, &["tpe", "--resume"]);
        assert_eq!(trials(&results), trials(&expected), "cut at byte {cut}");
    }
}

#[test]
fn trials_side_by_side_survive_a_kill_too() {
    let random = ["many", "--set", "train.lr=uniform(0..1)", "--trials", "12", "--metric", "loss", "--goal", "min"];
    let undisturbed = project();
    let expected = sweep(&undisturbed, &random);
    let project = project();

    let mut started = Started::new(&project, &[&random[..], &["--parallel", "3"]].concat());
    started.wait_for("trial_started", 5);
    kill(&mut started.process, Signal::KILL);
    let results = sweep(&project, &["many", "--resume", "--parallel", "3"]);

    assert_eq!(trials(&results), trials(&expected));
    assert_whole(&results, 12);
}

#[test]
fn ctrl_c_ends_the_trials_in_order_and_leaves_the_way_back() {
    let project = gated();
    let mut command = project.command(&[&["sweep", "--verbose"], &GRID[..], &MIN].concat());
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("train begins")));

    let second = project.mlx(&[&["sweep"], &["--resume"][..]].concat()).exits_with(2);
    kill_process(Pid::from_child(&process), Signal::INT).unwrap();
    let rest: Vec<String> = lines.collect();

    assert!(second.stderr.contains("the sweep `sweep` goes on already"), "{}", second.stderr);
    assert_eq!(process.wait().unwrap().code(), Some(130));
    assert!(rest.last().unwrap().contains("mlx sweep sweep --resume"), "{rest:?}");
    assert_eq!(
        trials(&shown(&project, "sweep")).iter().map(|(_, state, ..)| state.as_str()).collect::<Vec<_>>(),
        ["open"]
    );
    project.mlx(&["verify"]).success();
}

/// Reports a loss that falls with each epoch, the faster the smaller `lr` is; a bad one would go on for ever.
const EPOCHS: &str = r#"
epoch=0
while [ $epoch -lt 16 ]; do
    epoch=$((epoch + 1))
    echo "{\"name\": \"loss\", \"value\": $(echo "$MLX_PARAM_TRAIN_LR $epoch" | awk '{ print $1 + 1/$2 }'), \"step\": $epoch}" >> $MLX_METRICS
    if [ $epoch -eq 4 ] && [ $MLX_PARAM_TRAIN_LR -gt 1 ]; then sleep 600; fi
done
touch model; echo '{}' > metrics.json
"#;

#[test]
fn asha_stops_trials_that_fall_behind_while_they_run() {
    let project = project();
    project.set("train.sh", EPOCHS);
    let arguments =
        ["asha", "--set", "train.lr=1,9,8,0", "--strategy", "asha", "--sampler", "list", "--metric", "loss"];
    let rungs = ["--goal", "min", "--min-resource", "4", "--reduction", "2"];

    let results = sweep(&project, &[&arguments[..], &rungs].concat());

    let states: Vec<String> = trials(&results).into_iter().map(|(_, state, ..)| state).collect();
    assert_eq!(states, ["finished", "stopped", "stopped", "finished"]);
    assert_eq!((&results["best"], &results["strategy"]), (&json!(3), &json!("asha")));
    assert_eq!(trials(&results)[1].3, json!(9.25), "what it reported last");
    let cut = story(&project, "asha").iter().position(|entry| entry["stop"] == true).unwrap();
    let journal = project.read(".mlx/sweeps/asha/journal");
    let until: String = journal.split_inclusive('\n').take(cut + 1).collect();
    // Killed right after the verdict: the trial is over all the same.
    project.set(".mlx/sweeps/asha/journal", until);
    let resumed = sweep(&project, &["asha", "--resume"]);
    assert_eq!(trials(&resumed), trials(&results));
}

#[test]
fn working_copies_stay_when_they_shall_and_nothing_leaks_from_one_trial_to_the_next() {
    let project = project();
    // A file that nobody declares would be there for the next trial.
    project.set("train.sh", format!("test ! -e left && mkdir -p sub left && touch sub/left || exit 9\n{TRAIN}"));

    let results = sweep(&project, &[&GRID[..], &MIN].concat());
    assert!(trials(&results).iter().all(|(_, state, ..)| state == "finished"));

    sweep(&project, &[&["kept", "--keep"], &GRID[..], &MIN].concat());
    assert_eq!(project.read(".mlx/sweeps/kept/trials/3/model"), "0.3 4 a\n");
    assert!(project.exists(".mlx/sweeps/kept/trials/0/train.sh"));
}

#[test]
fn a_parameter_in_a_path_brings_the_file_it_names() {
    let step = "[params]\ndata = 'a'\n[step.count]\ncmd = 'wc -c < data/${data}.txt > ${data}.count'\n\
                deps = ['data/${data}.txt']\nouts = ['${data}.count']\n";
    let project = Project::with_manifest(step).write("data/a.txt", "1").write("data/b.txt", "22");
    project.set(".gitignore", "/data/\n");
    project.commit("start");

    let results = sweep(&project, &["--set", "data=a,b", "--keep"]);

    assert!(trials(&results).iter().all(|(_, state, ..)| state == "finished"), "{results}");
    assert_eq!(project.read(".mlx/sweeps/sweep/trials/1/b.count").trim(), "2");
}
