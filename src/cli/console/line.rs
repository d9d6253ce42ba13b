//! A line of a terminal that is never wider than it may be.

use unicode_width::UnicodeWidthChar;

use crate::cli::output::{Style, paint};

/// Text in styles, cut where its room ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    spans: Vec<(Option<Style>, String)>,
    limit: usize,
    width: usize,
}

impl Line {
    /// An empty line with room for so many columns.
    pub fn new(limit: usize) -> Self {
        Self { spans: Vec::new(), limit, width: 0 }
    }

    /// The columns that are free.
    pub fn left(&self) -> usize {
        self.limit - self.width
    }

    /// Adds as much of the text as fits.
    pub fn push(&mut self, style: Option<Style>, text: &str) {
        let text = cut(text, self.left());
        self.width += columns(&text);
        self.spans.push((style, text));
    }

    /// The line without its end.
    pub fn text(&self, color: bool) -> String {
        let span = |(style, text): &(Option<Style>, String)| match style {
            Some(style) if color && !text.is_empty() => paint(*style, text),
            _ => text.clone(),
        };
        self.spans.iter().map(span).collect()
    }
}

/// The columns that text without control characters takes.
pub fn columns(text: &str) -> usize {
    text.chars().map(|character| character.width().unwrap_or(0)).sum()
}

/// The text, cut with `…` where it is wider than this.
pub fn cut(text: &str, limit: usize) -> String {
    if columns(text) <= limit {
        return text.to_owned();
    }
    let mut left = limit;
    let fits = |character: &char| {
        let width = character.width().unwrap_or(0);
        // One column is for the mark.
        let fits = width < left;
        left -= if fits { width } else { 0 };
        fits
    };
    let mut short: String = text.chars().take_while(fits).collect();
    if limit > 0 {
        short.push('…');
    }
    short
}

/// Text that anybody may have written, as a part of one line: without escape sequences, control characters and what
/// joins or turns around other characters, so that its width is that of its characters.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut rest = text.trim_end().chars();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' => skip_sequence(&mut rest),
            '\t' | '\n' => line.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => {}
            '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}' => {}
            _ if character.width().is_none() => {}
            _ => line.push(character),
        }
    }
    line
}

/// Passes what follows an escape character: `[ … letter`, or one character.
fn skip_sequence(rest: &mut std::str::Chars<'_>) {
    if rest.next() == Some('[') {
        rest.find(|character| matches!(character, '\x40'..='\x7e'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_character_that_does_not_fit_is_left_out() {
        assert_eq!(cut("中文字", 6), "中文字");
        assert_eq!(cut("中文字", 5), "中文…");
        assert_eq!(cut("中文字", 4), "中…");
        assert_eq!(cut("中文字", 0), "");
    }

    #[test]
    fn sequences_and_control_characters_go() {
        assert_eq!(one_line("\x1b[1;31mred\x1b[0m\tx\u{9b}2J\x1b[2Jy\x1bcz \r\n"), "red x2Jyz");
    }
}
