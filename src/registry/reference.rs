//! References to versions of models, as users write them.

use std::fmt;
use std::str::FromStr;

use crate::project::manifest::check_name;

/// A model and which of its versions: `churn`, `churn:3` or `churn@production`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub model: String,
    pub which: Which,
}

/// Which version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one with the highest number.
    Newest,
    Number(u64),
    /// The one that holds the alias now.
    Alias(String),
}

/// Text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no version of a model: {why}; write `churn`, `churn:3` or `churn@production`")]
pub struct NotAReference {
    text: String,
    why: String,
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let error = |why: String| NotAReference { text: crate::fs::escape(text.as_bytes()), why };
        let (model, which) = match text.find(['@', ':']) {
            None => (text, Which::Newest),
            Some(place) if text[place..].starts_with('@') => {
                let alias = &text[place + 1..];
                check_name(alias).map_err(|why| error(format!("in the alias, {why}")))?;
                (&text[..place], Which::Alias(alias.into()))
            }
            Some(place) => {
                let number = text[place + 1..].parse().ok().filter(|number| *number > 0);
                let number = number.ok_or_else(|| error("a version is a number from 1 up".into()))?;
                (&text[..place], Which::Number(number))
            }
        };
        check_name(model).map_err(error)?;
        Ok(Self { model: model.into(), which })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, which } = self;
        match which {
            Which::Newest => write!(f, "{model}"),
            Which::Number(number) => write!(f, "{model}:{number}"),
            Which::Alias(alias) => write!(f, "{model}@{alias}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back() {
        for text in ["churn", "churn:3", "churn@production", "a.b-c:12"] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "@a", ":1", "churn:", "churn:0", "churn:-1", "churn:x", "churn@", "churn@a@b", "a/b", "a\n:1"]
        {
            let error = text.parse::<Reference>().unwrap_err().to_string();
            assert!(error.contains("names no version of a model"), "{error}");
            assert!(!error.contains('\n'));
        }
    }
}
