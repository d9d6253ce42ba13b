//! What a step's program prints: every byte to its log, lines to whoever watches, the last ones kept for an error.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::Result;
use crate::event::{Event, EventSink};
use crate::fs::quote;

/// A longer line is shown in pieces, so that an endless one takes no memory.
const LONGEST_LINE: usize = 8 * 1024;
/// So many lines, each cut to so many characters, are kept for the error message.
const KEPT_LINES: usize = 10;
const KEPT_CHARACTERS: usize = 300;

/// Takes the bytes as they come.
pub(super) struct Output<'a> {
    path: &'a Path,
    log: Option<File>,
    lines: Lines<'a>,
}

impl<'a> Output<'a> {
    pub fn new(step: &'a str, path: &'a PathBuf, events: &'a dyn EventSink) -> Self {
        Self { path, log: None, lines: Lines::new(step.to_owned(), events) }
    }

    /// Takes the next bytes. An error means that the log can't be written.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.log()?.write_all(bytes).with_context(|| format!("cannot write the log `{}`", quote(self.path)))?;
        self.lines.take(bytes);
        Ok(())
    }

    /// Shows what stands after the last line end. Returns the last lines, and whether there is a log.
    pub fn finish(self) -> (Vec<String>, bool) {
        (self.lines.finish(), self.log.is_some())
    }

    fn log(&mut self) -> Result<&mut File> {
        if self.log.is_none() {
            self.path.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
            let file =
                File::create(self.path).with_context(|| format!("cannot create the log `{}`", quote(self.path)))?;
            self.log = Some(file);
        }
        Ok(self.log.as_mut().expect("the lines above open it"))
    }
}

/// The lines of what a step prints, as they come.
pub(super) struct Lines<'a> {
    step: String,
    events: &'a dyn EventSink,
    line: Vec<u8>,
    last_lines: VecDeque<String>,
}

impl<'a> Lines<'a> {
    pub fn new(step: String, events: &'a dyn EventSink) -> Self {
        Self { step, events, line: Vec::new(), last_lines: VecDeque::new() }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.extend(end);
                    self.emit();
                }
                None => self.extend(piece),
            }
        }
    }

    /// Shows what stands after the last line end. Returns the last lines.
    pub fn finish(mut self) -> Vec<String> {
        if !self.line.is_empty() {
            self.emit();
        }
        self.last_lines.into()
    }

    fn extend(&mut self, mut bytes: &[u8]) {
        while self.line.len() + bytes.len() > LONGEST_LINE {
            let (fits, rest) = bytes.split_at(LONGEST_LINE - self.line.len());
            self.line.extend_from_slice(fits);
            self.emit();
            bytes = rest;
        }
        self.line.extend_from_slice(bytes);
    }

    fn emit(&mut self) {
        let line = shown(&self.line);
        self.line.clear();
        if !line.trim().is_empty() {
            if self.last_lines.len() == KEPT_LINES {
                self.last_lines.pop_front();
            }
            self.last_lines.push_back(line.chars().take(KEPT_CHARACTERS).collect());
        }
        self.events.emit(Event::StepOutput { step: self.step.clone(), line });
    }
}

/// The line as a terminal would leave it: what a carriage return overwrites is gone, and so are control characters
/// other than tabs and colours.
fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let last = line.rsplit(|byte| *byte == b'\r').next().unwrap_or_default();
    let text = String::from_utf8_lossy(last);
    text.chars().filter(|character| !character.is_control() || matches!(character, '\t' | '\x1b')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Recorder;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let (path, recorder) = (dir.path().join("log"), Recorder::default());
        let mut output = Output::new("a", &path, &recorder);
        for chunk in chunks {
            output.take(chunk).unwrap();
        }
        output.finish();
        assert_eq!(std::fs::read(&path).unwrap(), chunks.concat());
        let line = |event| match event {
            Event::StepOutput { line, .. } => line,
            other => panic!("{other:?}"),
        };
        recorder.events().into_iter().map(line).collect()
    }

    #[test]
    fn lines_are_put_together_from_chunks() {
        assert_eq!(lines(&[b"a", b"b\nc\r\n\n", b"d"]), ["ab", "c", "", "d"]);
    }

    #[test]
    fn what_would_disturb_a_terminal_is_left_out() {
        assert_eq!(lines(&[b" 10%\r 50%\r100%\r\n\xff\x07\x00x\n"]), ["100%", "\u{fffd}x"]);
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let lines = lines(&[&[b'x'; 20_000]]);

        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [8192, 8192, 3616]);
    }
}
