//! The lines at the bottom of a terminal that are drawn again and again, below what stays.

use std::io::{self, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;

use super::line::Line;

/// So often a second does the terminal take what is drawn.
const DRAWN_A_SECOND: u8 = 10;

/// What is drawn on the terminal of stderr.
pub struct Screen {
    color: bool,
    place: MultiProgress,
    /// One for each drawn line, from above.
    lines: Vec<ProgressBar>,
}

impl Screen {
    pub fn new(color: bool) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(DRAWN_A_SECOND);
        Self { color, place: MultiProgress::with_draw_target(target), lines: Vec::new() }
    }

    pub fn is_drawn(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Columns and rows of the terminal.
    pub fn size() -> (usize, usize) {
        let size = tcgetwinsize(io::stderr()).ok();
        let or = |number: Option<u16>, other| number.filter(|number| *number > 0).map_or(other, usize::from);
        (or(size.map(|size| size.ws_col), 80), or(size.map(|size| size.ws_row), 24))
    }

    /// Draws the lines where those before were, and above them, to stay, the text; it is empty or ends with a line end.
    pub fn draw(&mut self, above: &str, lines: &[Line]) {
        for line in self.lines.drain(lines.len().min(self.lines.len())..) {
            line.finish_and_clear();
            self.place.remove(&line);
        }
        while self.lines.len() < lines.len() {
            let style = ProgressStyle::with_template("{msg}").expect("the template is one");
            self.lines.push(self.place.add(ProgressBar::no_length().with_style(style)));
        }
        for (drawn, line) in self.lines.iter().zip(lines) {
            drawn.set_message(line.text(self.color));
        }
        if !above.is_empty() {
            // A terminal that went away is no failure.
            let _ = self.place.suspend(|| io::stderr().lock().write_all(above.as_bytes()));
        }
    }
}
