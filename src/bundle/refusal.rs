//! Why a file is refused as a bundle.

use crate::fs::escape;
use crate::{Error, Kind};

/// What to do with what another program made.
pub const FOREIGN: &str = "take the model's files out of it with the program that made it; `mlx add`, `mlx model register` and \
                           `mlx package` make a bundle of them";

/// A bundle that is damaged, incomplete or made to do harm; says in words what is wrong with it.
///
/// Its text may quote what the file holds, and is escaped, so that it can't break a line or drive a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadBundle {
    reason: String,
    /// Whether it may be sound, and is only not one of ours.
    is_foreign: bool,
}

impl BadBundle {
    /// Something that another program made, and that does not say what a bundle says.
    pub fn foreign(reason: impl std::fmt::Display) -> Self {
        Self { is_foreign: true, ..Self::new(reason) }
    }

    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    pub fn new(reason: impl std::fmt::Display) -> Self {
        const LONGEST: usize = 400;
        let mut reason = reason.to_string();
        if let Some((end, _)) = reason.char_indices().nth(LONGEST) {
            reason.truncate(end);
            reason.push('…');
        }
        Self { reason: escape(reason.as_bytes()), is_foreign: false }
    }
}

impl From<BadBundle> for Error {
    fn from(error: BadBundle) -> Self {
        let hint = match error.is_foreign {
            true => FOREIGN,
            false => "nothing of it was used; fetch the bundle again, or make it again with `mlx package`",
        };
        Error::new(Kind::Failed, error).with_hint(hint)
    }
}

/// Ends the function with a [`BadBundle`] in these words.
macro_rules! refuse {
    ($($words:tt)*) => {
        return Err($crate::bundle::BadBundle::new(format_args!($($words)*)).into())
    };
}

pub(super) use refuse;
