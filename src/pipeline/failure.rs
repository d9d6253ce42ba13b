//! How a step that failed is told: what happened, what it said last, and what to do.

use crate::executor::{End, FailureClass, Report};
use crate::project::manifest::Step;
use crate::run::RunId;
use crate::{Error, Result};

/// The error of a program that did not end well; `needs_others` tells whether there are steps before it.
pub fn check(step: &Step, report: &Report, run: &RunId, needs_others: bool) -> Result<()> {
    let Some(class) = report.class() else { return Ok(()) };
    let name = &step.name;
    let attempts = if report.attempts > 1 { format!(", in {} attempts", report.attempts) } else { String::new() };
    let what = format!("step `{name}` {}{attempts}", report.predicate());
    let hint = match (report.end, class) {
        (End::Interrupted, _) => return Err(Error::interrupted().context(what)),
        (End::Exited(127), _) => "install the program, correct `cmd`, or name the environment that has it in [env]",
        (End::Exited(126), _) => "make the program executable (`chmod +x`), or start it with its interpreter",
        (_, FailureClass::Timeout) => "give it more with `timeout` in the manifest, or find out what it waits for",
        (_, FailureClass::OutOfMemory) => {
            "let it take less, or less beside it: what steps declare as `resources = { memory = … }` never runs at once \
             beyond what the machine has"
        }
        (End::Signalled(libc::SIGKILL), _) => {
            "the system ends programs this way when memory runs out; `journalctl -k` tells"
        }
        _ if needs_others => "what the steps before it made is kept; `mlx train` goes on from here",
        _ => "mend what went wrong, then run `mlx train` again",
    };
    Err(Error::step(with_last_lines(what, name, report, run)).with_hint(hint))
}

/// The message with the end of what the program printed.
pub fn with_last_lines(mut message: String, step: &str, report: &Report, run: &RunId) -> String {
    if report.last_lines.is_empty() {
        return message + "; it printed nothing";
    }
    message.push_str(&format!("\n  last lines of its output (all of it: `mlx logs {run} {step}`):"));
    for line in &report.last_lines {
        message.push_str("\n    ");
        message.extend(line.chars().filter(|character| !character.is_control()));
    }
    message
}
