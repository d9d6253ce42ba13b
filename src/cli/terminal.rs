//! Bytes that nobody has looked at, made safe for a terminal: what a program printed must not move the cursor, set the
//! title or answer for the user.

use std::io::{self, Write};

/// The longest escape sequence that is looked at; a longer one is none.
const SEQUENCE_LIMIT: usize = 32;

/// Passes text, line ends, tabs, carriage returns and colours on, and shows every other control character as `\xNN`.
pub struct Safe<'w> {
    writer: &'w mut dyn Write,
    /// What might become a colour or a character with the bytes to come.
    pending: Vec<u8>,
}

impl<'w> Safe<'w> {
    pub fn new(writer: &'w mut dyn Write) -> Self {
        Self { writer, pending: Vec::new() }
    }

    /// Writes what waited for more.
    pub fn finish(mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.writer.write_all(crate::fs::escape(&pending).as_bytes())
    }
}

/// What begins the bytes.
enum Piece {
    /// So many bytes that may pass.
    Plain(usize),
    /// So many that may not.
    Control(usize),
    /// More bytes are needed to tell.
    Unknown,
}

impl Write for Safe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.pending);
        all.extend_from_slice(bytes);
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let length = match piece(rest) {
                Piece::Plain(length) => {
                    self.writer.write_all(&rest[..length])?;
                    length
                }
                Piece::Control(length) => {
                    self.writer.write_all(crate::fs::escape(&rest[..length]).as_bytes())?;
                    length
                }
                Piece::Unknown => {
                    self.pending = rest.to_vec();
                    break;
                }
            };
            rest = &rest[length..];
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn piece(bytes: &[u8]) -> Piece {
    match bytes[0] {
        0x1b => color(bytes),
        b'\n' | b'\t' | b'\r' => Piece::Plain(1),
        0x20..=0x7e => Piece::Plain(bytes.iter().take_while(|byte| matches!(byte, 0x20..=0x7e)).count()),
        0x00..=0x7f => Piece::Control(1),
        _ => character(bytes),
    }
}

/// A sequence such as `ESC [ 1 ; 31 m`.
fn color(bytes: &[u8]) -> Piece {
    let Some(second) = bytes.get(1) else { return Piece::Unknown };
    if *second != b'[' {
        return Piece::Control(1);
    }
    let parameters = bytes[2..].iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
    match bytes.get(2 + parameters) {
        Some(b'm') => Piece::Plain(3 + parameters),
        None if bytes.len() < SEQUENCE_LIMIT => Piece::Unknown,
        _ => Piece::Control(1),
    }
}

/// A character of several bytes; the control characters U+0080 to U+009F are among them.
fn character(bytes: &[u8]) -> Piece {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Piece::Control(1),
    };
    match std::str::from_utf8(&bytes[..length.min(bytes.len())]) {
        Ok(text) if crate::fs::escape(text.as_bytes()) == text => Piece::Plain(length),
        Ok(_) => Piece::Control(length),
        Err(error) if error.error_len().is_none() => Piece::Unknown,
        Err(_) => Piece::Control(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn safe(pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Safe::new(&mut out);
        pieces.iter().for_each(|piece| writer.write_all(piece).unwrap());
        writer.finish().unwrap();
        out
    }

    #[test]
    fn text_and_colours_pass() {
        let text = "größe\t\x1b[1;31mred\x1b[0m\r\n".as_bytes();

        assert_eq!(safe(&[text]), text);
    }

    #[test]
    fn what_drives_a_terminal_is_shown() {
        assert_eq!(safe(&[b"\x1b]0;title\x07"]), br"\x1b]0;title\x07");
        assert_eq!(safe(&[b"\x1b[2J\x08\xff"]), br"\x1b[2J\x08\xff");
        assert_eq!(safe(&["\u{9b}2J\u{202e}".as_bytes()]), br"\xc2\x9b2J\xe2\x80\xae");
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(bytes: Vec<u8>, at: prop::sample::Index) {
            let (head, tail) = bytes.split_at(at.index(bytes.len() + 1));

            prop_assert_eq!(safe(&[head, tail]), safe(&[&bytes]));
        }

        #[test]
        fn printable_text_passes(text in "[ -~äß\n]*") {
            prop_assert_eq!(safe(&[text.as_bytes()]), text.as_bytes());
        }
    }
}
