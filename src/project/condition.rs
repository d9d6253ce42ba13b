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

/// A condition, and how much it must have been measured on.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    pub condition: Condition,
    /// `over at least 500 rows`
    pub minimum: Option<Minimum>,
}

/// The least value of the metric that counts what another one was measured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimum {
    pub count: u64,
    pub metric: String,
}

/// Stands between a condition and its minimum.
const OVER: &str = " over at least ";

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

impl FromStr for Gate {
    type Err = NotACondition;

    fn from_str(text: &str) -> Result<Self, NotACondition> {
        let Some((condition, minimum)) = text.split_once(OVER) else {
            return Ok(Self { condition: text.parse()?, minimum: None });
        };
        let error = || NotACondition(text.to_owned());
        let mut words = minimum.split_whitespace();
        let (count, metric) = (words.next(), words.next());
        let count = count.and_then(|count| count.parse().ok()).filter(|count| *count > 0).ok_or_else(error)?;
        let metric = metric.filter(|_| words.next().is_none()).ok_or_else(error)?.to_owned();
        let condition = condition.parse().map_err(|_| error())?;
        Ok(Self { condition, minimum: Some(Minimum { count, metric }) })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { condition, minimum } = self;
        write!(f, "{condition}")?;
        minimum.iter().try_for_each(|Minimum { count, metric }| write!(f, "{OVER}{count} {metric}"))
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
        for text in [">= 0.8 over at least 500 rows", "not worse than @production over at least 20 test.rows", "< 1"] {
            assert_eq!(text.parse::<Gate>().unwrap().to_string(), text);
        }
        for text in
            [">= 0.8 over at least rows", "< 1 over at least 0 rows", " over at least 5 rows", "< 1 over at least 5"]
        {
            assert!(text.parse::<Gate>().is_err(), "{text}");
        }
        for text in ["", "0.8", "= 1", ">= x", ">= nan", "not worse than production", "not worse than @"] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
