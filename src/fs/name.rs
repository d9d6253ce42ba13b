//! File names as text, without loss: names are bytes, and terminals, TOML and JSON want text.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The name as text that reads back: printable UTF-8 stays, a backslash is doubled, every other byte is `\xNN`.
pub fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                _ if is_harmless(character) => text.push(character),
                _ => push_bytes(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        push_bytes(&mut text, chunk.invalid());
    }
    text
}

/// The bytes that [`escape`] made this text from; `None` where it can't have.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                tail
            }
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digits = [*high, *low];
                bytes.push(hex_byte(digits)?);
                tail
            }
            (b'\\', _) => return None,
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    Some(bytes)
}

fn hex_byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? << 4 | low?).ok()
}

/// A path for a message, escaped so that no name can break a line or drive a terminal.
pub fn quote(path: impl AsRef<Path>) -> String {
    escape(path.as_ref().as_os_str().as_bytes())
}

/// Neither a control character nor one that changes the direction of the text around it.
fn is_harmless(character: char) -> bool {
    let reorders = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !reorders && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    use std::fmt::Write;
    for byte in bytes {
        let _ = write!(text, "\\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_break_lines_are_escaped() {
        assert_eq!(escape(b"a b\n\xff\\\x1b[31m"), r"a b\x0a\xff\\\x1b[31m");
        assert_eq!(escape("größe".as_bytes()), "größe");
        assert_eq!(unescape(r"\q"), None);
        assert_eq!(unescape(r"\x+1"), None);
    }

    proptest! {
        #[test]
        fn every_name_reads_back(name: Vec<u8>) {
            prop_assert_eq!(unescape(&escape(&name)), Some(name));
        }
    }
}
