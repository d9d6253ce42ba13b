//! How a step that failed is told: what happened, what it said last, and what to do.

use crate::executor::{End, Report};
use crate::project::manifest::Step;
use crate::run::RunId;
use crate::{Error, Result};

/// The exit codes of a shell that could not start the program.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// The error of a program that did not end well.
pub fn check(step: &Step, report: &Report, run: &RunId) -> Result<()> {
    let name = &step.name;
    let after = after(report.seconds);
    let mut hint = "the steps before it are cached; `mlx train` goes on from here".to_owned();
    let what = match report.end {
        End::Exited(0) => return Ok(()),
        End::Interrupted => return Err(Error::interrupted().context(format!("step `{name}` was stopped{after}"))),
        End::Exited(NOT_FOUND) => {
            hint = "install the program, correct `cmd`, or name the environment that has it in [env]".into();
            format!("step `{name}` could not find its program (exit code 127)")
        }
        End::Exited(NOT_EXECUTABLE) => {
            hint = "make the program executable (`chmod +x`), or start it with its interpreter".into();
            format!("step `{name}` could not execute its program (exit code 126)")
        }
        // A shell reports the death of its program this way.
        End::Exited(code) if (129..=192).contains(&code) => {
            let signal = signal_name(code - 128);
            format!("step `{name}` stopped with exit code {code}{after}, as after the signal {signal}")
        }
        End::Exited(code) => format!("step `{name}` stopped with exit code {code}{after}"),
        End::Signalled(signal) => {
            if signal == libc::SIGKILL {
                hint = "the system ends programs this way when memory runs out; `journalctl -k` tells".into();
            }
            format!("step `{name}` was ended by the signal {}{after}", signal_name(signal))
        }
        End::TimedOut(limit) => {
            hint = "give it more with `timeout` in the manifest, or find out what it waits for".into();
            format!("step `{name}` took longer than its timeout of {}", duration(limit.as_secs_f64()))
        }
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

fn after(seconds: f64) -> String {
    if seconds < 0.1 { String::new() } else { format!(" after {}", duration(seconds)) }
}

fn duration(seconds: f64) -> String {
    if seconds < 9.95 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

fn signal_name(signal: i32) -> String {
    let names = [
        (libc::SIGHUP, "HUP"),
        (libc::SIGINT, "INT"),
        (libc::SIGQUIT, "QUIT"),
        (libc::SIGILL, "ILL"),
        (libc::SIGTRAP, "TRAP"),
        (libc::SIGABRT, "ABRT"),
        (libc::SIGBUS, "BUS"),
        (libc::SIGFPE, "FPE"),
        (libc::SIGKILL, "KILL"),
        (libc::SIGSEGV, "SEGV"),
        (libc::SIGPIPE, "PIPE"),
        (libc::SIGALRM, "ALRM"),
        (libc::SIGTERM, "TERM"),
        (libc::SIGXCPU, "XCPU"),
        (libc::SIGXFSZ, "XFSZ"),
    ];
    let name = names.iter().find(|(number, _)| *number == signal).map(|(_, name)| format!("SIG{name}"));
    name.unwrap_or_else(|| signal.to_string())
}
