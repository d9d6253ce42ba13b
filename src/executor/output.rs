//! What a step's program prints: every byte to its log, lines to whoever watches, the last ones kept for an error.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::digest::Hasher;
use crate::event::{EventSink, Wanted};
use crate::fs::{begin_writing, quote};
use crate::{Digest, Result};

/// After so much of a long log the disk is told to begin.
const BEGIN_BYTES: u64 = 16 << 20;
/// A longer line is shown in pieces, so that an endless one takes no memory.
const LONGEST_LINE: usize = 8 * 1024;
/// So many lines, each cut to so many characters, are kept for the error message.
const KEPT_LINES: usize = 10;
const KEPT_CHARACTERS: usize = 300;

/// Takes the bytes as they come.
pub(super) struct Output<'a> {
    path: &'a Path,
    attempt: u64,
    log: Option<File>,
    /// Of what the log holds.
    hasher: Hasher,
    written: u64,
    /// The disk was told to begin with so much.
    begun: u64,
    lines: Lines<'a>,
}

impl<'a> Output<'a> {
    /// Attempts are counted from 1; the log of a later one goes on behind that of the earlier ones.
    pub fn new(step: &'a str, path: &'a PathBuf, attempt: u64, events: &'a dyn EventSink) -> Self {
        let (hasher, lines) = (Hasher::new(), Lines::new(step.to_owned(), events));
        Self { path, attempt, log: None, hasher, written: 0, begun: 0, lines }
    }

    /// Takes the next bytes. An error means that the log can't be written.
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.log()?.write_all(bytes).with_context(|| format!("cannot write the log `{}`", quote(self.path)))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        if self.written - self.begun >= BEGIN_BYTES
            && let Some(log) = &self.log
        {
            begin_writing(log, self.begun, self.written);
            self.begun = self.written;
        }
        self.lines.take(bytes);
        Ok(())
    }

    /// Shows what stands after the last line end. Returns the last lines, whether there is a log, and what it holds where
    /// this wrote all of it.
    pub fn finish(self) -> (Vec<String>, bool, Option<(Digest, u64)>) {
        let is_whole = self.log.is_some() && self.attempt == 1;
        (self.lines.finish(), self.log.is_some(), is_whole.then(|| self.hasher.finish()))
    }

    fn log(&mut self) -> Result<&mut File> {
        if self.log.is_none() {
            self.path.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
            let cannot = || format!("cannot create the log `{}`", quote(self.path));
            self.log = Some(if self.attempt == 1 {
                File::create(self.path).with_context(cannot)?
            } else {
                let mut file = File::options().append(true).create(true).open(self.path).with_context(cannot)?;
                writeln!(file, "\n[attempt {}]", self.attempt).with_context(cannot)?;
                file
            });
        }
        Ok(self.log.as_mut().expect("the lines above open it"))
    }
}

/// The lines of what a step prints, as they come.
pub(super) struct Lines<'a> {
    step: String,
    events: &'a dyn EventSink,
    /// What came after the last line end.
    line: Vec<u8>,
    /// Lines that are to be passed on, as a terminal would leave them.
    whole: String,
    last_lines: VecDeque<String>,
}

impl<'a> Lines<'a> {
    pub fn new(step: String, events: &'a dyn EventSink) -> Self {
        Self { step, events, line: Vec::new(), whole: String::new(), last_lines: VecDeque::new() }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, mut bytes: &[u8]) {
        if !self.events.wants(Wanted::EveryLine) {
            let newest = newest(bytes);
            if newest.len() < bytes.len() {
                self.line.clear();
            }
            bytes = newest;
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) if self.line.is_empty() && end.len() <= LONGEST_LINE => self.push(end),
                Some(end) => {
                    self.extend(end);
                    self.end_line();
                }
                None => self.extend(piece),
            }
        }
        self.emit();
    }

    /// Shows what stands after the last line end. Returns the last lines.
    pub fn finish(mut self) -> Vec<String> {
        if !self.line.is_empty() {
            self.end_line();
            self.emit();
        }
        self.last_lines.into()
    }

    fn extend(&mut self, mut bytes: &[u8]) {
        while self.line.len() + bytes.len() > LONGEST_LINE {
            let (fits, rest) = bytes.split_at(LONGEST_LINE - self.line.len());
            self.line.extend_from_slice(fits);
            self.end_line();
            bytes = rest;
        }
        self.line.extend_from_slice(bytes);
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        self.push(&line);
        line.clear();
        self.line = line;
    }

    fn push(&mut self, line: &[u8]) {
        push_shown(&mut self.whole, line);
        self.whole.push('\n');
    }

    /// Passes on the lines that came to their end.
    fn emit(&mut self) {
        if self.whole.is_empty() {
            return;
        }
        let last = self.whole.lines().rev().filter(|line| !line.trim().is_empty()).take(KEPT_LINES);
        let mut last: VecDeque<String> = last.map(|line| line.chars().take(KEPT_CHARACTERS).collect()).collect();
        // The newest line is the first one here.
        while last.len() < KEPT_LINES
            && let Some(line) = self.last_lines.pop_back()
        {
            last.push_back(line);
        }
        self.last_lines = last.into_iter().rev().collect();
        self.events.lines(&self.step, &self.whole);
        self.whole.clear();
    }
}

/// The end of the bytes that holds as many lines as are kept, and what comes after them.
fn newest(bytes: &[u8]) -> &[u8] {
    let mut pieces = bytes.rsplit(|byte| *byte == b'\n');
    let mut length = pieces.next().map_or(0, <[u8]>::len);
    let mut kept = 0;
    for line in pieces {
        if kept == KEPT_LINES {
            break;
        }
        kept += usize::from(!line.trim_ascii().is_empty());
        length += line.len() + 1;
    }
    &bytes[bytes.len() - length..]
}

/// Adds the line as a terminal would leave it: what a carriage return overwrites is gone, and so are control characters
/// and escape sequences other than tabs and colours.
fn push_shown(text: &mut String, line: &[u8]) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
        && let Ok(line) = std::str::from_utf8(line)
    {
        return text.push_str(line);
    }
    let last = line.rsplit(|byte| *byte == b'\r').next().unwrap_or_default();
    let last = String::from_utf8_lossy(last);
    let mut rest = last.as_ref();
    while let Some(character) = rest.chars().next() {
        let length = if character == '\x1b' { sequence(rest) } else { character.len_utf8() };
        let (piece, after) = rest.split_at(length);
        let is_color = piece.starts_with("\x1b[") && piece.ends_with('m');
        if is_color || character == '\t' || !character.is_control() {
            text.push_str(piece);
        }
        rest = after;
    }
}

/// The length of the escape sequence at the beginning of the text; 1 where it is none that is known.
fn sequence(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\x1b[") else { return 1 };
    let length = parameters.bytes().take_while(|byte| matches!(byte, b' '..=b'?')).count();
    match parameters.as_bytes().get(length) {
        Some(b'@'..=b'~') => length + 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Recorder};

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let (path, recorder) = (dir.path().join("log"), Recorder::default());
        let mut output = Output::new("a", &path, 1, &recorder);
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
        assert_eq!(
            lines(&[b"\x1b[1;31mred\x1b[0m\x1b[2J\x1b[3;1Hx\x1bc\n\x1b]0;title\x07\x1b[\n"]),
            ["\x1b[1;31mred\x1b[0mxc", "]0;title["]
        );
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let lines = lines(&[&[b'x'; 20_000]]);

        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [8192, 8192, 3616]);
    }

    /// Wants the newest lines only.
    #[derive(Default)]
    struct Newest(Recorder);

    impl EventSink for Newest {
        fn emit(&self, event: Event) {
            self.0.emit(event);
        }

        fn wants(&self, _: Wanted) -> bool {
            false
        }
    }

    #[test]
    fn who_does_not_want_every_line_gets_the_newest_and_the_last_lines_are_the_same() {
        let text: String = (0..100).map(|line| format!("line {line}\n{}", ["", " \n\n"][line % 2])).collect();
        let (all, newest) = (Recorder::default(), Newest::default());
        let take = |events: &dyn EventSink, size| {
            let mut lines = Lines::new("a".to_owned(), events);
            text.as_bytes().chunks(size).for_each(|chunk| lines.take(chunk));
            lines.finish()
        };

        for size in [1, 7, 100, 10_000] {
            assert_eq!(take(&all, size), take(&newest, size));
        }
        assert!(newest.0.events().len() < all.events().len());
        assert_eq!(newest.0.events().last(), all.events().last());
    }
}
