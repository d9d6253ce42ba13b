//! The format of a file that is to be written, by the ending of its name.

use std::path::Path;

use crate::fs::{escape, quote};
use crate::{Error, Result};

/// The format that is asked for; else the one that the ending of the output stands for, where there is one; else the default.
///
/// # Errors
/// A `Usage` error for an ending that none of the formats has: whoever opens the file would not find what its name says.
pub fn format_of<T: Copy>(asked: Option<T>, output: Option<&Path>, endings: &[(&str, T)], default: T) -> Result<T> {
    let ending = |output: &Path| output.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let (None, Some((output, ending))) = (asked, output.and_then(|output| Some((output, ending(output)?)))) else {
        return Ok(asked.unwrap_or(default));
    };
    let format = endings.iter().find(|(known, _)| *known == ending).map(|(_, format)| *format);
    format.ok_or_else(|| {
        let known: Vec<String> = endings.iter().map(|(known, _)| format!("`.{known}`")).collect();
        let shown = escape(ending.as_bytes());
        Error::usage(format!("`{}` ends with `.{shown}`, and no format that can be written does", quote(output)))
            .with_hint(format!("let it end with {}, or say with `--format` what it holds", known.join(", ")))
    })
}
