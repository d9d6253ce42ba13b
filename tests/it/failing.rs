//! Steps that fail: what is said of them, and what stays.

use crate::harness::Project;
use crate::train::{PIPELINE, outcomes, pairs, pipeline, train};

/// A step that fails in some way.
#[track_caller]
fn fails(cmd: &str, rest: &str, messages: &[&str]) -> Project {
    let project = Project::with_manifest(&format!("[step.fit]\ncmd = '''{cmd}'''\n{rest}\n")).write("data", "1");
    let mut outcome = project.mlx(&["train"]).exits_with(3);
    for message in messages {
        outcome = outcome.says(message);
    }
    assert_eq!(outcomes(&project), pairs([("fit", "failed")]));
    project
}

#[test]
fn a_program_that_fails_is_told_with_its_last_lines() {
    let project = pipeline();
    project.set("mlx.toml", PIPELINE.replace("cat data/train.txt >", "echo KeyError >&2; exit 7;"));

    let outcome = project.mlx(&["train", "train"]).exits_with(3);

    let run = project.mlx(&["runs", "show", "latest", "--json"]).json();
    let id = run["id"].as_str().unwrap();
    assert_eq!(run["status"], "failed");
    assert_eq!(run["steps"][1]["exit_code"], 7);
    outcome
        .says("error: step `train` stopped with exit code 7\n")
        .says(
            &format!("  last lines of its output (all of it: `mlx logs {id} train`):\n    KeyError\n")
                .replace(id, "[id]"),
        )
        .says("hint: what the steps before it made is kept; `mlx train` goes on from here")
        .prints("2 steps: 1 run, 1 failed, 0 up to date");
    project.mlx(&["logs", id, "train"]).success().prints("KeyError\n");
}

#[test]
fn a_missing_program_is_told() {
    fails("no-such-program --x", "", &["step `fit` could not find its program (exit code 127)", "no-such-program"]);
}

#[test]
fn a_program_without_permission_is_told() {
    fails("./data", "deps = ['data']", &["step `fit` could not execute its program (exit code 126)", "chmod +x"]);
}

#[test]
fn death_by_signal_is_told() {
    // There is no step before it, of which something could be said.
    fails("kill -SEGV $$", "", &["step `fit` was ended by the signal SIGSEGV", "hint: mend what went wrong, then run"]);
    fails("sh -c 'kill -9 $$'; exit $?", "", &["stopped with exit code 137", "as after the signal SIGKILL"]);
}

#[test]
fn a_timeout_is_told() {
    fails("echo begun; exec sleep 1000", "timeout = '100ms'", &["took longer than its timeout of 100ms", "    begun"]);
}

#[test]
fn a_missing_output_is_told() {
    let rest = "outs = ['a', 'b', 'c/d']";
    fails("touch a; echo done", rest, &["step `fit` ended well and did not make `b`, `c/d`", "correct its `outs`"]);
}

#[test]
fn an_output_that_is_no_file_is_told() {
    fails("ln -s data out", "outs = ['out']", &["the output `out` of step `fit` is a symbolic link"]);
    let project = fails("mkfifo out", "outs = ['out']", &["the output `out` of step `fit` is a pipe"]);
    fails("mkdir out; mkfifo out/x", "outs = ['out']", &["out/x"]);

    // What a failed step left does not stand in the way of the next try.
    project.set("mlx.toml", "[step.fit]\ncmd = 'echo 1 > out'\nouts = ['out']");
    project.mlx(&["train"]).success();
}

#[test]
fn an_input_that_the_step_changes_is_told() {
    let rest = "deps = ['data']\nouts = ['out']";
    fails("echo 2 >> data; touch out", rest, &["step `fit` changed `data`, which is its input"]);
}

#[test]
fn a_metric_line_that_is_none_is_told() {
    fails("echo loss=1 >> $MLX_METRICS", "", &["that is no metric (line 1: `loss=1`)", "{\"name\": \"loss\""]);
}

#[test]
fn what_lies_in_the_place_of_the_metric_lines_is_not_waited_for() {
    fails("rm -f $MLX_METRICS; mkfifo $MLX_METRICS", "", &["it is a named pipe, and should be a regular file"]);
    fails("ln -sf /dev/zero $MLX_METRICS", "", &["it is a device, and should be a regular file"]);
}

#[test]
fn a_parameter_that_fits_into_no_variable_is_in_the_file() {
    let long = "x".repeat(200_000);
    let cmd =
        "wc -c < $MLX_PARAMS > size; for name in LONG ODD A; do printenv MLX_PARAM_$name || echo none; done > seen";
    let step = format!(
        "[params]\nlong = '{long}'\nodd = \"a\\u0000b\"\na = 7\n\
         [step.fit]\ncmd = '''{cmd}'''\nparams = ['long', 'odd', 'a']\nouts = ['size', 'seen']\n"
    );
    let project = Project::with_manifest(&step);

    let trained = project.mlx(&["train"]).success();

    trained
        .says("step `fit`: `long` and `odd` fit into no environment variable; the program finds them in the file that");
    assert_eq!(project.read("seen"), "none\nnone\n7\n");
    assert!(project.read("size").trim().parse::<usize>().unwrap() > 200_000);
}

#[test]
fn failure_keeps_what_succeeded() {
    let project = pipeline();
    project.set("mlx.toml", PIPELINE.replace("mkdir -p model;", "exit 1;"));
    project.mlx(&["train", "--jobs", "1"]).exits_with(3);
    project.set("mlx.toml", PIPELINE);

    let outcomes = train(&project, &[]);

    assert_eq!(outcomes, pairs([("prepare", "up_to_date"), ("train", "ran"), ("report", "ran")]));
}

#[test]
fn keep_going_does_what_does_not_depend_on_the_failure() {
    let project = pipeline();
    project.set("mlx.toml", PIPELINE.replace("mkdir -p data;", "exit 1;"));

    project.mlx(&["train", "--keep-going", "--jobs", "1"]).exits_with(3);

    assert_eq!(outcomes(&project), pairs([("prepare", "failed"), ("train", "skipped"), ("report", "ran")]));
}
