//! What `mlx train` shows of running steps: a live view on a terminal, plain lines elsewhere; and the log has all of it.

use std::fs;
use std::io::Read;
use std::process::{Child, Stdio};

use crate::harness::Project;

/// The program on a terminal of its own, with so many columns and eight lines. What it draws is read from its stdout.
pub fn on_terminal(project: &Project, columns: u16, arguments: &str) -> Child {
    let command = format!("stty cols {columns} rows 8 && exec {} {arguments}", env!("CARGO_BIN_EXE_mlx"));
    project
        .other("script", &["--quiet", "--return", "--flush", "--command", &command, "/dev/null"])
        .env("MLX_CACHE_DIR", crate::harness::shared_cache())
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what is drawn until this is so; all that was drawn.
fn read_until(terminal: &mut Child, drawn: &mut String, is_so: impl Fn(&str) -> bool) {
    let mut buffer = [0; 4096];
    while !is_so(drawn) {
        let count = terminal.stdout.as_mut().unwrap().read(&mut buffer).unwrap();
        assert!(count > 0, "it ended: {drawn:?}");
        drawn.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

fn read_to_end(mut terminal: Child, drawn: &mut String) {
    let mut rest = Vec::new();
    terminal.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
    drawn.push_str(&String::from_utf8_lossy(&rest));
    assert!(terminal.wait().unwrap().success(), "{drawn:?}");
}

/// A step that measures and prints, and then waits for a file.
fn waiting(project: &Project, name: &str) -> String {
    let script = "for epoch in 8 4 1; do echo \"epoch $epoch 中文\"; printf '\\033[2J\\033]0;title\\007\\n'; \
                  echo \"{\\\"name\\\": \\\"loss\\\", \\\"value\\\": $epoch}\" >> $MLX_METRICS; done\n\
                  until [ -e \"$HOME/go\" ]; do sleep 0.02; done";
    project.set(format!("{name}.sh"), script);
    format!("[step.{name}]\ncmd = 'sh {name}.sh'\ntimeout = '100s'\n")
}

#[test]
fn a_terminal_shows_time_metrics_and_the_newest_line_of_each_step() {
    let project = Project::empty();
    project.set("mlx.toml", waiting(&project, "fit"));
    let mut drawn = String::new();

    let mut terminal = on_terminal(&project, 60, "train");
    read_until(&mut terminal, &mut drawn, |drawn| drawn.contains("loss 1 █▄▁"));
    fs::write(project.home().join("go"), "").unwrap();
    read_to_end(terminal, &mut drawn);

    let row = drawn.lines().find(|line| line.contains("loss 1 █▄▁")).unwrap();
    assert!(row.starts_with("fit ") || row.contains("Afit "), "{row:?}");
    let end = drawn.lines().find(|line| line.contains("fit: ran after")).unwrap();
    assert!(end.contains("loss 1 █▄▁"), "{end:?}");
    assert!(!drawn.contains("\x1b[2J") && !drawn.contains("\x1b]"), "{drawn:?}");
    // What is over is taken away before the report.
    let (_, report) = drawn.rsplit_once("\x1b[2K").unwrap();
    assert!(report.contains("outcome") && !report.contains('中'), "{report:?}");
    assert!(!drawn.contains("\x1b[0m"), "NO_COLOR: {drawn:?}");
}

#[test]
fn more_steps_than_the_terminal_has_lines_are_counted() {
    let project = Project::empty();
    let manifest: String = (0..9).map(|index| waiting(&project, &format!("s{index}"))).collect();
    project.set("mlx.toml", manifest);
    let mut drawn = String::new();

    let mut terminal = on_terminal(&project, 24, "train --jobs 9");
    read_until(&mut terminal, &mut drawn, |drawn| drawn.contains("and 3 more"));
    fs::write(project.home().join("go"), "").unwrap();
    read_to_end(terminal, &mut drawn);

    assert_eq!((0..9).filter(|index| drawn.contains(&format!("s{index}: ran after"))).count(), 9, "{drawn:?}");
}

#[test]
fn without_a_terminal_each_line_is_printed() {
    let project = Project::empty();
    fs::write(project.home().join("go"), "").unwrap();
    project.set("mlx.toml", waiting(&project, "fit"));

    let outcome = project.mlx(&["train"]).success();
    assert!(
        outcome
            .stderr
            .starts_with("fit: sh fit.sh\nepoch 8 中文\n]0;title\nepoch 4 中文\n]0;title\nepoch 1 中文\n]0;title\n"),
        "{:?}",
        outcome.stderr
    );
    assert_eq!(project.mlx(&["train", "--force", "--quiet"]).success().stderr, "");
}

#[test]
fn a_flood_of_output_is_whole_in_the_log() {
    let project = Project::with_manifest("[step.flood]\ncmd = 'seq 1 2700000'\n");
    let expected: String = (1..=2_700_000).map(|number| format!("{number}\n")).collect();
    assert!(expected.len() > 20_000_000);

    read_to_end(on_terminal(&project, 80, "train"), &mut String::new());
    assert!(project.mlx(&["logs", "latest", "flood"]).success().stdout.ends_with(&expected));
    project.mlx(&["train", "--force", "--quiet"]).success();
    assert!(project.mlx(&["logs", "latest", "flood"]).success().stdout.ends_with(&expected));
}

#[test]
fn events_tell_what_a_running_step_measures() {
    let project = Project::empty();
    fs::write(project.home().join("go"), "").unwrap();
    project.set("mlx.toml", waiting(&project, "fit"));

    project.mlx(&["train", "--quiet", "--events", "events.jsonl"]).success();

    let events = project.read("events.jsonl");
    let line = r#"{"event":"step_metric","step":"fit","metric":"loss","at":null,"value":1.0}"#;
    assert!(events.lines().any(|event| event == line), "{events}");
    assert_eq!(events.matches("step_output").count(), 6);
}
