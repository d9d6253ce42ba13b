//! The result of a command on stdout, as text or as JSON; hints and errors on stderr.

#![expect(clippy::print_stderr, reason = "this is where errors and hints are printed")]

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use serde::Serialize;

use crate::{Error, Result};

/// A result that can be shown: its JSON is the data, its text a view of it.
pub trait Render: Serialize {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()>;
}

/// Where results go.
#[derive(Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether the result is printed as JSON, for commands whose text comes as it arises (`mlx logs`).
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints the result of the command; once.
    pub fn show(&self, result: &impl Render) -> Result<()> {
        if self.json {
            return self.document(result);
        }
        let mut writer = io::BufWriter::new(io::stdout().lock());
        let is_terminal = io::stdout().is_terminal();
        let width = is_terminal.then(|| terminal_width(io::stdout()));
        let shown = result.render(&mut Text { writer: &mut writer, width, color: is_terminal && wants_color() });
        shown.and_then(|()| writer.flush()).context("cannot print the result")?;
        Ok(())
    }

    /// Prints the result as JSON, for commands whose text is a stream.
    pub fn document(&self, result: &impl Serialize) -> Result<()> {
        let mut writer = io::BufWriter::new(io::stdout().lock());
        let shown = serde_json::to_writer_pretty(&mut writer, result).map_err(io::Error::from);
        shown.and_then(|()| writeln!(writer)).and_then(|()| writer.flush()).context("cannot print the result")?;
        Ok(())
    }

    /// Prints raw bytes as the result, for commands whose result is a stream.
    pub fn stream(&self, copy: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut writer = io::BufWriter::new(io::stdout().lock());
        copy(&mut writer)?;
        writer.flush().context("cannot print the result")?;
        Ok(())
    }

    /// One line on stderr about what comes next; nothing with `--quiet` or `--json`.
    pub fn hint(&self, line: impl std::fmt::Display) {
        if !self.quiet && !self.json {
            eprintln!("{line}");
        }
    }
}

/// Text for people: a writer that knows how wide the terminal is and whether colour is welcome.
pub struct Text<'a> {
    writer: &'a mut dyn Write,
    /// Columns of the terminal; `None` in a pipe, where lines are not broken or shortened.
    pub width: Option<usize>,
    color: bool,
}

/// The few styles of the text; without colour it is clear all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Notice,
}

impl<'a> Text<'a> {
    /// Text without colour and of any width, as a file has it.
    pub(super) fn plain(writer: &'a mut dyn Write) -> Self {
        Self { writer, width: None, color: false }
    }
}

impl Text<'_> {
    /// The text in this style, or as it is where colour is not welcome.
    pub fn styled(&self, style: Style, text: impl std::fmt::Display) -> String {
        if self.color { paint(style, text) } else { text.to_string() }
    }
}

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The text with the escape sequences of the style around it.
pub(super) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    let code = match style {
        Style::Bold => 1,
        Style::Dim => 2,
        Style::Good => 32,
        Style::Bad => 31,
        Style::Notice => 33,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Whether the environment welcomes colour; see <https://no-color.org>.
pub(super) fn wants_color() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn terminal_width(terminal: impl std::os::fd::AsFd) -> usize {
    rustix::termios::tcgetwinsize(terminal)
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|width| *width > 0)
        .unwrap_or(80)
}

/// Prints an error with its causes and its hint.
pub(super) fn print_error(error: &Error) {
    let color = io::stderr().is_terminal() && wants_color();
    let label = |text: &str, style| if color { paint(style, text) } else { text.to_owned() };
    let mut chain = error.chain();
    let mut message = chain.next().unwrap_or_default();
    let causes: Vec<String> = chain.collect();
    // A cause that fits on the line stands behind the message, as people read it.
    if let [cause] = causes.as_slice()
        && !cause.contains('\n')
        && message.len() + cause.len() < 160
    {
        message = format!("{message}: {cause}");
        eprintln!("{} {message}", label("error:", Style::Bad));
    } else {
        eprintln!("{} {message}", label("error:", Style::Bad));
        for cause in causes {
            eprintln!("  caused by: {}", cause.replace('\n', "\n    "));
        }
    }
    if let Some(hint) = error.hint() {
        eprintln!("{} {hint}", label("hint:", Style::Notice));
    }
}

/// Whether the reader of stdout went away, which is no failure of ours: `mlx runs | head`.
pub(super) fn is_closed_pipe(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A size for people, in units of 1024: `1.4 MiB`.
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// A duration for people: `0.4 s`, `38 s`, `2 m 05 s`, `1 h 02 m`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{} m {:02} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {:02} m", s as u64 / 3600, s as u64 % 3600 / 60),
    }
}

/// A time for people, in UTC: `2026-11-24 16:55`.
pub fn minute(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// A measured number for people: four decimals, or as many digits in powers of ten where it is very large or small.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (0.001..1e9).contains(&size) && value.fract() == 0.0 => format!("{value}"),
        size if (0.001..1e9).contains(&size) => format!("{value:.4}"),
        _ => format!("{value:.3e}"),
    }
}

/// A count with its noun: `1 file`, `1,797 files`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with its thousands set apart: `1,797`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([size(0), size(1023), size(1024), size(1 << 40)], ["0 B", "1023 B", "1.0 KiB", "1.0 TiB"]);
        assert_eq!([duration(0.42), duration(38.2), duration(125.0)], ["0.4 s", "38 s", "2 m 05 s"]);
        assert_eq!([number(0.12345), number(3.0), number(-1.5e-7)], ["0.1235", "3", "-1.500e-7"]);
        assert_eq!([count(1, "file"), count(1_234_567, "file")], ["1 file", "1,234,567 files"]);
    }
}
