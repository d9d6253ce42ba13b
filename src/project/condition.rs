//! Gates: what a metric must be before an alias may move to a model version.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A condition on one metric, as the manifest writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Condition {
    /// `>= 0.80`
    Absolute { comparison: Comparison, bound: f64 },
    /// `not worse than @production`: at least as good as the version that holds the alias now. Higher is better, unless
    /// the text ends with `(lower is better)`.
    NotWorseThan { alias: String, lower_is_better: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Text that is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no gate; write \">= 0.80\", \"< 0.1\" or \"not worse than @production\"")]
pub struct NotACondition(String);

impl FromStr for Condition {
    type Err = NotACondition;

    fn from_str(text: &str) -> Result<Self, NotACondition> {
        let error = || NotACondition(text.to_owned());
        let trimmed = text.trim();
        if let Some(rest) = trimmed.strip_prefix("not worse than") {
            let rest = rest.trim();
            let (alias, lower_is_better) = match rest.strip_suffix("(lower is better)") {
                Some(alias) => (alias.trim(), true),
                None => (rest, false),
            };
            let alias =
                alias.strip_prefix('@').filter(|alias| !alias.is_empty() && !alias.contains(char::is_whitespace));
            return Ok(Self::NotWorseThan { alias: alias.ok_or_else(error)?.into(), lower_is_better });
        }
        // The longer symbols first, because the shorter ones begin them.
        let comparisons = [Comparison::LessOrEqual, Comparison::GreaterOrEqual, Comparison::Less, Comparison::Greater];
        let (comparison, bound) = comparisons
            .into_iter()
            .find_map(|comparison| Some((comparison, trimmed.strip_prefix(comparison.symbol())?)))
            .ok_or_else(error)?;
        let bound: f64 = bound.trim().parse().map_err(|_| error())?;
        if bound.is_nan() { Err(error()) } else { Ok(Self::Absolute { comparison, bound }) }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute { comparison, bound } => write!(f, "{} {bound}", comparison.symbol()),
            Self::NotWorseThan { alias, lower_is_better } => {
                write!(f, "not worse than @{alias}{}", if *lower_is_better { " (lower is better)" } else { "" })
            }
        }
    }
}

impl TryFrom<String> for Condition {
    type Error = NotACondition;

    fn try_from(text: String) -> Result<Self, NotACondition> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_back() {
        for text in [">= 0.8", "< 1", "not worse than @production", "not worse than @prod (lower is better)"] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "0.8", "= 1", ">= x", ">= nan", "not worse than production", "not worse than @"] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
