//! The lines at the bottom of a terminal that are drawn again and again, below what stays.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use rustix::termios::tcgetwinsize;

use super::line::Line;

/// What is drawn on the terminal of stderr.
#[derive(Default)]
pub struct Screen {
    color: bool,
    /// The columns of the drawn lines.
    drawn: Vec<usize>,
    /// The drawn text, and the width of the terminal it was drawn for.
    last: (String, usize),
}

impl Screen {
    pub fn new(color: bool) -> Self {
        Self { color, ..Self::default() }
    }

    pub fn is_drawn(&self) -> bool {
        !self.drawn.is_empty()
    }

    /// Columns and rows of the terminal.
    pub fn size() -> (usize, usize) {
        let size = tcgetwinsize(io::stderr()).ok();
        let or = |number: Option<u16>, other| number.filter(|number| *number > 0).map_or(other, usize::from);
        (or(size.map(|size| size.ws_col), 80), or(size.map(|size| size.ws_row), 24))
    }

    /// Draws the lines where those before were, and above them, to stay, the text; it is empty or ends with a line end.
    pub fn draw(&mut self, above: &str, lines: &[Line], (width, height): (usize, usize)) {
        if let Some(sequence) = self.sequence(above, lines, (width, height)) {
            // A terminal that went away is no failure.
            let _ = io::stderr().lock().write_all(sequence.as_bytes());
        }
    }

    /// What the terminal is sent; nothing where nothing changes.
    fn sequence(&mut self, above: &str, lines: &[Line], (width, height): (usize, usize)) -> Option<String> {
        let mut text = String::new();
        for line in lines {
            // A line that takes all columns would lose its last one with the rest.
            text.extend([&line.text(self.color), "\x1b[K\n"]);
        }
        if above.is_empty() && (&text, width) == (&self.last.0, self.last.1) {
            return None;
        }
        let mut sequence = String::new();
        // A terminal that became narrower has broken the lines.
        let rows: usize = self.drawn.iter().map(|drawn| drawn.div_ceil(width.max(1)).max(1)).sum();
        let rows = rows.min(height.saturating_sub(1));
        if rows > 0 {
            let _ = write!(sequence, "\r\x1b[{rows}A");
        }
        if rows > 0 && (!above.is_empty() || lines.is_empty() || width != self.last.1) {
            sequence.push_str("\x1b[J");
        }
        sequence.push_str(above);
        sequence.push_str(&text);
        if lines.len() < self.drawn.len() {
            sequence.push_str("\x1b[J");
        }
        self.drawn = lines.iter().map(Line::width).collect();
        self.last = (text, width);
        Some(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::new(79);
        line.push(None, text);
        line
    }

    #[test]
    fn lines_replace_those_before_and_text_stays_above() {
        let mut screen = Screen::new(false);
        let mut send = |above: &str, lines: &[Line], width| screen.sequence(above, lines, (width, 24));

        assert_eq!(send("", &[line("a"), line("b")], 80).unwrap(), "a\x1b[K\nb\x1b[K\n");
        assert_eq!(send("", &[line("a"), line("b")], 80), None);
        assert_eq!(send("done\n", &[line("b")], 80).unwrap(), "\r\x1b[2A\x1b[Jdone\nb\x1b[K\n\x1b[J");
        assert_eq!(send("", &[], 80).unwrap(), "\r\x1b[1A\x1b[J\x1b[J");
        assert_eq!(send("", &[], 80), None);
        assert_eq!(send("note\n", &[], 80).unwrap(), "note\n");
    }

    #[test]
    fn lines_that_a_narrower_terminal_broke_are_taken_away_whole() {
        let mut screen = Screen::new(false);
        screen.sequence("", &[line(&"x".repeat(50)), line("y")], (80, 24));

        let sequence = screen.sequence("", &[line("x")], (20, 24)).unwrap();

        assert!(sequence.starts_with("\r\x1b[4A\x1b[J"), "{sequence:?}");
    }
}
