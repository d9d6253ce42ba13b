//! Why a file is refused as a bundle.

use crate::fs::escape;
use crate::{Error, Kind};

/// A bundle that is damaged, incomplete or made to do harm; says in words what is wrong with it.
///
/// Its text may quote what the file holds, and is escaped, so that it can't break a line or drive a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBundle(String);

impl BadBundle {
    pub fn new(reason: impl std::fmt::Display) -> Self {
        const LONGEST: usize = 400;
        let mut reason = reason.to_string();
        if let Some((end, _)) = reason.char_indices().nth(LONGEST) {
            reason.truncate(end);
            reason.push('…');
        }
        Self(escape(reason.as_bytes()))
    }
}

impl From<BadBundle> for Error {
    fn from(error: BadBundle) -> Self {
        Error::new(Kind::Failed, error)
            .with_hint("nothing of it was used; fetch the bundle again, or make it again with `mlx package`")
    }
}

/// Ends the function with a [`BadBundle`] in these words.
macro_rules! refuse {
    ($($words:tt)*) => {
        return Err($crate::bundle::BadBundle::new(format_args!($($words)*)).into())
    };
}

pub(super) use refuse;
