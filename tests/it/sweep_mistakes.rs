//! Sweeps that were asked for wrongly, and sweeps to which something happened: what is said, and how they go on.

use std::fs;

use serde_json::{Value, json};

use crate::faults::{Disk, fill_up};
use crate::harness::Project;
use crate::sweeps::{GRID, MIN, Started, params, project, shown, sweep, trials};

fn states(results: &Value) -> Vec<String> {
    trials(results).into_iter().map(|(_, state, ..)| state).collect()
}

#[test]
fn a_mistyped_metric_is_told_at_once_ends_the_sweep_and_can_be_corrected() {
    let project = project();

    let mistyped = ["sweep", "--set", "train.depth=int(1..8)", "--metric", "acuracy"];
    project
        .mlx(&mistyped)
        .exits_with(2)
        .says("warning: trial 0 reported no finite `acuracy`, which the sweep goes by; it reported `accuracy`, `loss`")
        .says("did you mean `accuracy`? End this with Ctrl-C and go on with `mlx sweep sweep --resume --metric accuracy`")
        .says("3 trials ended well, and none of them reported a finite `acuracy`; the last one reported `accuracy`, `loss`");

    assert_eq!(trials(&shown(&project, "sweep")).len(), 3);
    project
        .mlx(&["sweep", "--resume", "--metric", "accurracy"])
        .exits_with(2)
        .says("no trial of the sweep `sweep` reported `accurracy`");
    let results = sweep(&project, &["--resume", "--metric", "accuracy"]);
    assert_eq!(results["trials"].as_array().unwrap().len(), 8);
    assert!(results["trials"].as_array().unwrap().iter().all(|trial| trial["value"].is_f64()));

    // One that is over before its time says so, too.
    let short = ["sweep", "short", "--set", "train.depth=1,2", "--metric", "acuracy"];
    project.mlx(&short).exits_with(2).says("2 trials ended well, and none of them reported a finite `acuracy`");
    sweep(&project, &["short", "--resume", "--metric", "accuracy"]);
}

#[test]
fn trials_that_run_when_no_more_begin_come_to_their_end_and_may_save_the_sweep() {
    let project = project();
    let go = project.home().join("go");
    let script = "test $MLX_PARAM_TRAIN_DEPTH != 1 || until test -e GO; do sleep 0.02; done\n\
                  touch model; echo \"{\\\"metric$MLX_PARAM_TRAIN_DEPTH\\\": 7}\" > metrics.json\n";
    project.set("train.sh", script.replace("GO", go.to_str().unwrap()));

    let mut started =
        Started::new(&project, &["--set", "train.depth=int(1..6)", "--metric", "metric1", "--parallel", "2"]);
    started.wait_for("note", 1);
    fs::write(go, "").unwrap();

    assert!(started.process.wait().unwrap().success());
    let results = shown(&project, "sweep");
    assert_eq!((states(&results), &results["best"]), (vec!["finished".to_owned(); 6], &json!(0)));
}

#[test]
fn a_sweep_has_neither_fewer_trials_than_have_begun_nor_more_than_combinations() {
    let project = project();
    sweep(&project, &["--set", "train.lr=uniform(0..1)", "--trials", "3", "--metric", "loss", "--goal", "min"]);
    let resume = |trials: &str| project.mlx(&["sweep", "--resume", "--trials", trials]);

    resume("2")
        .exits_with(2)
        .says("3 trials of the sweep `sweep` have begun, so that there can't be 2 in the end")
        .says("`--trials 3` lets no more begin");
    project.mlx(&["sweep", "list"]).success().prints("3/3  complete");
    resume("4").success().prints("4 trials: 4 finished");
    let again = project.mlx(&["sweep", "--set", "train.lr=uniform(0..1)", "--trials", "9"]).exits_with(2);
    again.says("add trials with `mlx sweep sweep --resume --trials NUMBER`");

    let grid = project.mlx(&[&["sweep", "grid", "--trials", "9"], &GRID[..], &MIN].concat()).success();
    grid.says("there are no more combinations than for 4 trials: the grid has them all");
    let again = project.mlx(&[&["sweep", "grid"], &GRID[..]].concat()).exits_with(2);
    assert!(!again.stderr.contains("--trials"), "{}", again.stderr);
}

#[test]
fn apply_says_what_train_has_to_do() {
    let project = project();
    sweep(&project, &[&GRID[..], &MIN].concat());
    project.set("train.sh", project.read("train.sh") + "# another way\n");

    let applied = project.mlx(&["sweep", "apply"]).success();

    assert!(!applied.stderr.contains("restored"), "{}", applied.stderr);
    let trained = project.mlx(&["train", "--json"]).success().json();
    assert_eq!((&trained["steps"][0]["outcome"], &trained["steps"][1]["outcome"]), (&json!("restored"), &json!("ran")));
    applied.says("Bring the outputs in line: `mlx train`, which has to run `train` (");
    let nothing = project.mlx(&["sweep", "apply"]).success();
    assert_eq!(nothing.stderr, "");
}

#[test]
fn where_no_sweep_is_named_the_only_one_that_was_begun_is_meant() {
    let project = project();
    sweep(&project, &[&["one"], &GRID[..], &MIN].concat());
    let bare = [&["show"][..], &["apply", "--dry-run"], &["apply", "1", "--dry-run"], &["--resume"]];
    for words in bare {
        project.mlx(&[&["sweep"], words].concat()).success();
    }
    sweep(&project, &[&["two"], &GRID[..], &MIN].concat());

    for words in bare {
        let refused = project.mlx(&[&["sweep"], words].concat()).exits_with(2);
        refused.says("there are 2 sweeps").says("name one; there are: `one`, `two`");
    }
    project.mlx(&["sweep", "--resume", "one"]).success();
    project.mlx(&["sweep", "one", "train", "--resume"]).exits_with(2).says("goes on with the steps it began with");
    project.mlx(&["sweep", "show", "../sweeps/one"]).exits_with(2);

    // What was can be seen whatever the manifest says now.
    project.set("mlx.toml", "[stepp.a]\n");
    for words in [&["list"][..], &["show", "one"]] {
        project.mlx(&[&["sweep"], words].concat()).success().says("the past is told all the same").prints("one");
    }
}

#[test]
fn a_damaged_journal_stands_in_no_other_sweeps_way_and_can_be_mended() {
    let project = project();
    let random = ["--set", "train.lr=uniform(0..1)", "--trials", "4", "--metric", "loss", "--goal", "min"];
    let expected = sweep(&project, &[&["hurt"], &random[..]].concat());
    sweep(&project, &[&["well"], &random[..]].concat());
    let journal = project.read(".mlx/sweeps/hurt/journal");
    let lines: Vec<&str> = journal.split_inclusive('\n').collect();
    let damaged = [
        // Line 4 begins trial 1.
        (lines[..3].concat() + "garbage\n" + &lines[4..].concat(), "the line is damaged"),
        (journal.replacen("\"trial\":1,\"run\"", "\"trial\":7,\"run\"", 1), "line 4 of the journal does not fit"),
        (lines[..3].concat() + &lines[4..].concat(), "line 4 of the journal does not fit"),
    ];
    for (text, what) in damaged {
        project.set(".mlx/sweeps/hurt/journal", text);

        project.mlx(&["sweep", "hurt", "--resume"]).exits_with(1).says(what).says("delete that line and all after it");
        let list = project.mlx(&["sweep", "list"]).success().says("warning: cannot read the sweep `hurt`");
        assert!(list.stdout.contains("well"), "{}", list.stdout);
        project.set(".mlx/sweeps/hurt/journal", lines[..3].concat());
        let results = sweep(&project, &["hurt", "--resume"]);
        assert_eq!(trials(&results), trials(&expected));
    }
    project.set(".mlx/sweeps/hurt/journal", "");
    project.mlx(&["sweep", "show", "hurt"]).exits_with(1).says("begin anew with `--force`");
    project.set(".mlx/sweeps/hurt/journal", "garbage\n");
    assert_eq!(params(&sweep(&project, &[&["hurt", "--force"], &random[..]].concat())), params(&expected));
}

#[test]
fn asha_tells_when_it_can_stop_nobody() {
    let project = project();

    let asha = ["sweep", "--set", "train.lr=uniform(0..1)", "--trials", "3", "--strategy", "asha", "--metric", "loss"];
    let outcome = project.mlx(&asha).success();

    assert_eq!(outcome.stderr.matches("warning: asha").count(), 1, "{}", outcome.stderr);
    outcome
        .says("warning: asha can stop no trial that does not report `loss` at step 1 or later; trial 0 did not")
        .says("hint: let the program append lines such as {\"name\": \"loss\", \"value\": 0.25, \"step\": 1}");
}

#[test]
fn values_that_make_no_pipeline_together_are_a_trial_that_failed() {
    let step = "[params]\na = 'x'\nb = 'y'\n[step.t]\ncmd = 'touch ${a}.o ${b}.o'\nouts = ['${a}.o', '${b}.o']\n";
    let project = Project::with_manifest(step);

    let results = sweep(&project, &["--set", "a=x,y", "--set", "b=y,z"]);

    assert_eq!(states(&results), ["finished", "finished", "failed", "finished"]);
    let error = results["trials"][2]["error"].as_str().unwrap();
    assert!(error.contains("step `t` names the output `y.o` twice"), "{error}");
    project.mlx(&["sweep", "never", "--set", "a=/etc,/usr"]).exits_with(2).says("is absolute");
    assert!(!project.exists(".mlx/sweeps/never"));
}

#[test]
fn a_metric_of_several_steps_is_told() {
    let folds = "[params]\nlr = 1\n[step.fold]\nforeach = ['a', 'b', 'c']\nparams = ['lr']\nmetrics = ['${item}.json']\n\
                 cmd = 'echo \"{\\\"loss\\\": $MLX_PARAM_LR}\" > ${item}.json'\n";
    let project = Project::with_manifest(folds);

    let outcome = project.mlx(&["sweep", "--set", "lr=1,2", "--metric", "loss"]).success();

    assert_eq!(outcome.stderr.matches("warning:").count(), 1, "{}", outcome.stderr);
    outcome.says("warning: 3 steps report `loss` (`fold@a`, …); the sweep goes by that of `fold@c`");
}

#[test]
fn trials_that_failed_begin_again_when_they_shall() {
    let project = project();
    let broken = project.home().join("broken");
    fs::write(&broken, "").unwrap();
    let test = format!("test $MLX_PARAM_TRAIN_DEPTH = 3 || test ! -e {} || exit 5\n", broken.display());
    project.set("train.sh", test + &project.read("train.sh"));
    sweep(&project, &[&GRID[..], &MIN].concat());
    assert_eq!(states(&shown(&project, "sweep")), ["finished", "failed", "finished", "failed"]);

    fs::remove_file(&broken).unwrap();
    assert_eq!(states(&sweep(&project, &["--resume"])), ["finished", "failed", "finished", "failed"]);
    let results = sweep(&project, &["--resume", "--retry-failed"]);

    assert_eq!((states(&results), &results["best"]), (vec!["finished".to_owned(); 4], &json!(3)));
    assert_eq!(trials(&shown(&project, "sweep")), trials(&results), "the journal says the same");
}

#[test]
fn what_other_programs_write_is_no_text() {
    let project = project();
    let refused = |values: &str, hint: &str| {
        project.mlx(&["sweep", "--set", values, "--trials", "3"]).exits_with(2).says(hint);
    };

    refused("train.lr=uniform(0, 1)", "write `uniform(0..1)`");
    refused("train.lr=loguniform(1e-4,1e-1)", "write `log(1e-4..1e-1)`");
    refused("train.kind=choice(a,b)", "write the values alone: `a,b`");
    let twice = ["sweep", "--set", "train.lr=1", "--set", "train.lr=2"];
    project.mlx(&twice).exits_with(2).says("`--set` is there twice for `train.lr`").says("`--set train.lr=…,…`");
    assert!(!project.exists(".mlx/sweeps"));
}

/// Each trial makes a model that can't be compressed, of 300 KB.
fn large_models(project: &Project) {
    let script = "head -c 300000 /dev/urandom > model; echo \"{\\\"loss\\\": $MLX_PARAM_TRAIN_LR}\" > metrics.json\n";
    project.set("train.sh", script);
}

#[test]
fn a_full_disk_ends_a_sweep_and_no_trial_is_lost() {
    let project = project();
    let Some(_disk) = Disk::mount(project.root(), 16 << 20) else { return };
    let step = "[params]\ntrain = { lr = 1 }\n[step.train]\ncmd = 'sh train.sh'\ndeps = ['train.sh']\nparams = ['train']\n\
                outs = ['model']\nmetrics = ['metrics.json']\n";
    project.set("mlx.toml", step);
    large_models(&project);
    let random = ["--set", "train.lr=uniform(0..1)", "--trials", "8", "--metric", "loss"];
    let mut failures = 0;
    for left in [32_u64 << 10, 128 << 10, 400 << 10, 1 << 20, 2 << 20] {
        fs::create_dir_all(project.path(".mlx")).unwrap();
        let ballast = project.path(".mlx/ballast");
        fill_up(&ballast, left);

        let outcome = project.mlx(&[&["sweep", "--force"], &random[..]].concat());

        if outcome.stderr.contains("error:") {
            failures += 1;
            let outcome = outcome.exits_with(1);
            assert!(outcome.stderr.contains("No space left on device"), "{}", outcome.stderr);
        }
        fs::remove_file(&ballast).unwrap();
        project.mlx(&["verify"]).success();
        if project.exists(".mlx/sweeps/sweep/journal") {
            let results = sweep(&project, &["--resume"]);
            assert_eq!(states(&results), ["finished"; 8], "{left} bytes were left: {}", outcome_of(&project));
        }
        project.mlx(&["verify"]).success();
        project.mlx(&["sweep", "rm", "sweep"]);
        for run in project.mlx(&["runs", "--json"]).success().json()["runs"].as_array().unwrap() {
            project.mlx(&["runs", "rm", run["id"].as_str().unwrap()]).success();
        }
        project.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    }
    assert!(failures >= 3, "{failures} of 5 disks were too full");
}

/// What is known of the trials, for a failed assertion.
fn outcome_of(project: &Project) -> String {
    project.mlx(&["sweep", "show"]).text()
}

#[test]
fn a_full_disk_fails_a_run_whose_record_names_nothing_that_is_not_there() {
    let project = project();
    let Some(_disk) = Disk::mount(project.root(), 16 << 20) else { return };
    project.set("mlx.toml", "[step.fit]\ncmd = 'head -c 3000000 /dev/urandom > model; echo said'\nouts = ['model']\n");
    fs::create_dir_all(project.path(".mlx")).unwrap();
    fill_up(&project.path(".mlx/ballast"), 4 << 20);

    project.mlx(&["train"]).exits_with(1).says("No space left on device").says("free some space");

    fs::remove_file(project.path(".mlx/ballast")).unwrap();
    project.mlx(&["verify"]).success();
    let run = project.mlx(&["runs", "show", "latest", "--json"]).success().json();
    assert_eq!((&run["steps"][0]["outcome"], &run["steps"][0]["outs"]), (&json!("failed"), &json!([])));
    assert_eq!(run["steps"][0]["failure"], "infrastructure");
    project.mlx(&["logs", "latest", "fit"]).success().prints("said");
    project.mlx(&["train"]).success();
    project.mlx(&["verify"]).success();
}
