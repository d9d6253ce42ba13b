//! The values that a sweep tries for one parameter, as the manifest and `--set` write them.
//!
//! ```text
//! 3,5,7                    these values; text needs no quotes: adam,sgd
//! [3, 5, 7]                the same
//! int(50..500)             whole numbers, both ends among them; int(50..500 by 50) every fiftieth
//! int(1..1000 log)         whole numbers, small ones as often as large ones
//! uniform(0..1)            numbers; uniform(0..1 by 0.25) those on a grid
//! log(1e-4..1e-1)          numbers, each power of ten as often as the next
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::value::parse_value;
use crate::error::did_you_mean;

/// The values that one parameter may take.
#[derive(Debug, Clone, PartialEq)]
pub enum Domain {
    /// One of these, all different; never empty.
    Choice(Vec<Value>),
    /// A whole number from `low` to `high`; without `log`, one of `low`, `low + step`, and so on.
    Int { low: i64, high: i64, step: i64, log: bool },
    /// A number from `low` to `high`; with a step, one of `low`, `low + step`, and so on.
    Float { low: f64, high: f64, step: Option<f64>, log: bool },
}

/// Text that is no set of values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SpaceError {
    message: String,
    pub hint: String,
}

/// Names of ranges.
const KINDS: [&str; 3] = ["int", "uniform", "log"];
/// Numbers of a range have so many digits, so that people can read and repeat them.
const DIGITS: usize = 6;
const EXAMPLES: &str =
    "write `3,5,7`, `int(50..500)`, `int(50..500 by 50)`, `int(1..1000 log)`, `uniform(0..1)` or `log(1e-4..1e-1)`";

fn bad(message: impl Into<String>) -> SpaceError {
    SpaceError { message: message.into(), hint: EXAMPLES.into() }
}

fn shown(text: &str) -> String {
    crate::fs::escape(text.chars().take(60).collect::<String>().as_bytes())
}

impl FromStr for Domain {
    type Err = SpaceError;

    fn from_str(text: &str) -> Result<Self, SpaceError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(bad("there are no values"));
        }
        if let Some((name, inner)) = call(text) {
            match inner.contains("..") {
                true => return range(name, inner),
                false => refuse_call(name, inner)?,
            }
        }
        if let Some((low, high)) = text.split_once("..")
            && low.trim().parse::<f64>().is_ok()
            && high.trim().parse::<f64>().is_ok()
        {
            let fitting = if text.contains(['e', 'E']) || low.contains('.') { "uniform" } else { "int" };
            return Err(SpaceError {
                message: format!("`{}` does not say what kind of range it is", shown(text)),
                hint: format!("write `{fitting}({text})`, or `log({text})` for each power of ten as often as the next"),
            });
        }
        if text.starts_with('[')
            && let Ok(Some(Value::Array(values))) = parse_value(text)
        {
            return Self::of_values(values);
        }
        let values = items(text)?.into_iter().map(|item| match parse_value(item) {
            Ok(value) => Ok(value.unwrap_or_else(|| Value::from(item))),
            Err(what) => Err(bad(format!("`{}`: {what}", shown(item)))),
        });
        Self::of_values(values.collect::<Result<_, _>>()?)
    }
}

/// `name(inner)`.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then_some((name, rest.strip_suffix(')')?))
}

/// Refuses what other programs write: `uniform(0, 1)`, `choice(a, b)`. Any other call is a text.
fn refuse_call(name: &str, inner: &str) -> Result<(), SpaceError> {
    let shown_call = shown(&format!("{name}({inner})"));
    let ends: Vec<&str> = inner.split(',').map(str::trim).collect();
    let are_numbers = ends.iter().all(|end| end.parse::<f64>().is_ok());
    if let ("choice" | "choices", false) = (name, inner.trim().is_empty()) {
        return Err(SpaceError {
            message: format!("`{shown_call}` is no set of values"),
            hint: format!("write the values alone: `{}`", shown(inner.trim())),
        });
    }
    let is_range = |kind: &&str| are_numbers && ends.len() > 1 && name.to_ascii_lowercase().contains(kind);
    let kind = KINDS.into_iter().find(|kind| *kind == name || is_range(kind));
    match (kind, ends.as_slice()) {
        (Some("uniform"), [low, high]) if name.to_ascii_lowercase().contains("log") => Err(SpaceError {
            message: format!("there is no range `{}(…)`", shown(name)),
            hint: format!("write `log({low}..{high})`"),
        }),
        (Some(kind), [low, high]) => Err(SpaceError {
            message: format!("`{shown_call}` has no `..`"),
            hint: format!("write `{kind}({low}..{high})`"),
        }),
        (Some(_), _) => Err(bad(format!("`{shown_call}` has no `..`"))),
        (None, _) => Ok(()),
    }
}

/// The texts between the commas that stand in no quotes and no brackets.
fn items(text: &str) -> Result<Vec<&str>, SpaceError> {
    let mut items = Vec::new();
    let (mut start, mut depth, mut quote) = (0, 0_usize, None);
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('"'), '\\') => drop(characters.next()),
            (Some(open), character) if open == character => quote = None,
            (Some(_), _) => {}
            // An apostrophe inside a word is part of it.
            (None, '"' | '\'') if text[start..at].trim().is_empty() || depth > 0 => quote = Some(character),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                items.push(text[start..at].trim());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    if quote.is_some() || depth > 0 {
        return Err(bad(format!("`{}` has a quote or a bracket that does not end", shown(text))));
    }
    items.push(text[start..].trim());
    match items.iter().position(|item| item.is_empty()) {
        Some(place) => Err(bad(format!("value {} of `{}` is empty", place + 1, shown(text)))),
        None => Ok(items),
    }
}

/// The range `name(low..high by step)` or `name(low..high log)`.
fn range(name: &str, inner: &str) -> Result<Domain, SpaceError> {
    if !KINDS.contains(&name) {
        return Err(SpaceError {
            message: format!("there is no range `{}(…)`", shown(name)),
            hint: did_you_mean(name, KINDS),
        });
    }
    let whole = format!("{name}({inner})");
    let (low, rest) = inner.split_once("..").expect("the caller saw the dots");
    let mut words = rest.split_whitespace();
    let high = words.next().unwrap_or_default();
    let (step, is_log) = match (words.next(), words.next(), words.next()) {
        (None, ..) => (None, name == "log"),
        (Some("by"), Some(step), None) if name != "log" => (Some(step), false),
        (Some("log"), None, None) if name == "int" => (None, true),
        _ => {
            let after = rest.trim_start().strip_prefix(high).unwrap_or(rest).trim();
            return Err(bad(format!("`{}` can't follow the range in `{}`", shown(after), shown(&whole))));
        }
    };
    let domain = if name == "int" {
        let number = |text: &str| integer(text).ok_or_else(|| bad(no_number(text, &whole, "whole number")));
        let step = step.map_or(Ok(1), number)?;
        Domain::Int { low: number(low)?, high: number(high)?, step, log: is_log }
    } else {
        let number = |text: &str| float(text).ok_or_else(|| bad(no_number(text, &whole, "number")));
        let step = step.map(number).transpose()?;
        Domain::Float { low: number(low)?, high: number(high)?, step, log: is_log }
    };
    domain.check(&whole)
}

fn no_number(text: &str, whole: &str, what: &str) -> String {
    let text = text.trim();
    let text = if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", shown(text)) };
    format!("{text} is no {what} in `{}`", shown(whole))
}

fn float(text: &str) -> Option<f64> {
    text.trim().replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}

/// A whole number, also as `1e3`.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim().replace('_', "");
    // Beyond this, not every whole number is a float.
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
    text.parse().ok().or_else(|| text.parse().ok().filter(is_whole).map(|number: f64| number as i64))
}

impl Domain {
    /// A domain of these values.
    pub fn of_values(values: Vec<Value>) -> Result<Self, SpaceError> {
        if values.is_empty() {
            return Err(bad("there are no values"));
        }
        for (place, value) in values.iter().enumerate() {
            if values[..place].contains(value) {
                return Err(bad(format!("the value {} is there twice", shown(&value.to_string()))));
            }
        }
        Ok(Self::Choice(values))
    }

    fn check(self, whole: &str) -> Result<Self, SpaceError> {
        let whole = shown(whole);
        let (is_ordered, is_positive, is_step) = match self {
            Self::Choice(_) => (true, true, true),
            Self::Int { low, high, step, log } => {
                (low <= high, !log || low > 0, step > 0 && high.checked_sub(low).is_some())
            }
            Self::Float { low, high, step, log } => {
                let is_step =
                    |step: f64| step > 0.0 && (low == high || step <= high - low) && (high - low) / step < 9e15;
                (low <= high && (high - low).is_finite(), !log || low > 0.0, step.is_none_or(is_step))
            }
        };
        match () {
            () if !is_ordered => Err(bad(format!("the first number of `{whole}` must not be larger than the second"))),
            () if !is_positive => Err(bad(format!("a logarithm needs numbers above zero: `{whole}`"))),
            () if !is_step => Err(bad(format!("the step of `{whole}` must be above zero and fit between its ends"))),
            () => Ok(match self {
                // One value, as a program may write it that makes ranges.
                Self::Int { low, high, .. } if low == high => Self::Choice(vec![low.into()]),
                Self::Float { low, high, .. } if low == high => Self::Choice(vec![low.into()]),
                domain => domain,
            }),
        }
    }

    /// How many values there are; `None` where they can't be counted.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Choice(values) => Some(values.len() as u64),
            Self::Int { low, high, step, .. } => Some(high.abs_diff(*low) / step.unsigned_abs() + 1),
            Self::Float { low, high, step, .. } => step.map(|step| ((high - low) / step + 1e-9) as u64 + 1),
        }
    }

    /// The value with this index, of those that [`Domain::count`] counts.
    pub fn nth(&self, index: u64) -> Value {
        match self {
            Self::Choice(values) => values[index as usize].clone(),
            Self::Int { low, step, .. } => low.saturating_add((index as i64).saturating_mul(*step)).into(),
            Self::Float { low, step, high, .. } => {
                tidy(low + index as f64 * step.unwrap_or_default(), *low, *high).into()
            }
        }
    }

    /// The value that stands at this part of the way, from 0 to below 1.
    pub fn at(&self, part: f64) -> Value {
        let part = part.clamp(0.0, 1.0 - f64::EPSILON);
        match *self {
            Self::Int { low, high, log: true, .. } => {
                let (from, to) = ((low as f64 - 0.5).ln(), (high as f64 + 0.5).ln());
                ((from + part * (to - from)).exp().round() as i64).clamp(low, high).into()
            }
            Self::Float { low, high, step: None, log } => {
                let number = match log {
                    true => (low.ln() + part * (high.ln() - low.ln())).exp(),
                    false => low + part * (high - low),
                };
                tidy(number, low, high).into()
            }
            _ => {
                let count = self.count().expect("what is left can be counted");
                self.nth(((part * count as f64) as u64).min(count - 1))
            }
        }
    }

    /// Whether the value is one of these.
    pub fn contains(&self, value: &Value) -> bool {
        match self {
            Self::Choice(values) => values.contains(value),
            Self::Int { low, high, .. } => value.as_i64().is_some_and(|number| (*low..=*high).contains(&number)),
            Self::Float { low, high, .. } => value.as_f64().is_some_and(|number| (*low..=*high).contains(&number)),
        }
    }
}

/// The number with few digits, and still between the ends.
pub fn tidy(number: f64, low: f64, high: f64) -> f64 {
    let rounded: f64 = format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number);
    rounded.clamp(low, high)
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(values) => write!(f, "{}", Value::from(values.clone())),
            Self::Int { low, high, log: true, .. } => write!(f, "int({low}..{high} log)"),
            Self::Int { low, high, step: 1, .. } => write!(f, "int({low}..{high})"),
            Self::Int { low, high, step, .. } => write!(f, "int({low}..{high} by {step})"),
            Self::Float { low, high, log: true, .. } => write!(f, "log({low:?}..{high:?})"),
            Self::Float { low, high, step: None, .. } => write!(f, "uniform({low:?}..{high:?})"),
            Self::Float { low, high, step: Some(step), .. } => write!(f, "uniform({low:?}..{high:?} by {step:?})"),
        }
    }
}

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn values_are_numbers_texts_and_whatever_json_has() {
        let cases = [
            ("3,5,7", json!([3, 5, 7])),
            ("[3, 5, 7]", json!([3, 5, 7])),
            ("adam, sgd", json!(["adam", "sgd"])),
            ("'a,b', \"c\\\",d\", it's", json!(["a,b", "c\",d", "it's"])),
            ("true,null,1e-3,x(1)", json!([true, null, 0.001, "x(1)"])),
            ("[1,2],[3]", json!([[1, 2], [3]])),
            ("[[1, 2], [3]]", json!([[1, 2], [3]])),
            ("5", json!([5])),
            ("../data,./x", json!(["../data", "./x"])),
        ];
        for (text, values) in cases {
            assert_eq!(domain(text), Domain::Choice(values.as_array().unwrap().clone()), "{text}");
        }
    }

    #[test]
    fn ranges_hold_their_ends() {
        assert_eq!(domain("int(50..500 by 50)").count(), Some(10));
        assert_eq!(domain("int(50..500 by 50)").nth(9), json!(500));
        assert_eq!(domain(" int( 1 .. 1e3 log ) "), Domain::Int { low: 1, high: 1000, step: 1, log: true });
        assert_eq!(domain("uniform(0..1 by 0.1)").count(), Some(11));
        assert_eq!(domain("uniform(0..1 by 0.1)").nth(3), json!(0.3));
        assert_eq!(domain("log(1e-4..1e-1)").count(), None);
        assert_eq!(domain("log(1e-4..1e-2)").at(0.5), json!(0.001));
        assert_eq!(domain("int(-3..3)").at(0.0), json!(-3));
        assert_eq!(domain("int(-3..3)").at(1.0), json!(3));
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        let cases = [
            ("", "there are no values"),
            ("[]", "there are no values"),
            ("1,,2", "value 2 of `1,,2` is empty"),
            ("1,1", "the value 1 is there twice"),
            ("1..5", "`1..5` does not say what kind of range it is"),
            ("uniform(1..0)", "the first number of `uniform(1..0)` must not be larger than the second"),
            ("log(0..1)", "a logarithm needs numbers above zero: `log(0..1)`"),
            ("int(0..9 by 0)", "the step of `int(0..9 by 0)` must be above zero and fit between its ends"),
            ("int(0..x)", "`x` is no whole number in `int(0..x)`"),
            ("int(0.5..2)", "`0.5` is no whole number in `int(0.5..2)`"),
            ("log(..1)", "nothing is no number in `log(..1)`"),
            ("log(1..9 by 2)", "`by 2` can't follow the range in `log(1..9 by 2)`"),
            ("uniform(0..inf)", "`inf` is no number in `uniform(0..inf)`"),
            ("'a", "`'a` has a quote or a bracket that does not end"),
            ("unifrom(0..1)", "there is no range `unifrom(…)`"),
            ("nan,1", "`nan`: numbers must be finite"),
            ("log(1e-4,1e-1)", "`log(1e-4,1e-1)` has no `..`"),
            ("uniform()", "`uniform()` has no `..`"),
            ("loguniform(1e-4, 1e-1)", "there is no range `loguniform(…)`"),
            ("choice(a, b)", "`choice(a, b)` is no set of values"),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<Domain>().unwrap_err().to_string(), message);
        }
        let hint = |text: &str| text.parse::<Domain>().unwrap_err().hint;
        assert_eq!(hint("unifrom(0..1)"), "did you mean `uniform`?");
        assert_eq!(hint("log(1e-4,1e-1)"), "write `log(1e-4..1e-1)`");
        assert_eq!(hint("loguniform(1e-4, 1e-1)"), "write `log(1e-4..1e-1)`");
        assert_eq!(hint("randint(1, 9)"), "write `int(1..9)`");
        assert_eq!(hint("choice(a, b)"), "write the values alone: `a, b`");
    }

    #[test]
    fn a_range_whose_ends_are_the_same_is_one_value() {
        for (text, value) in
            [("int(5..5)", json!(5)), ("uniform(0.5..0.5 by 0.1)", json!(0.5)), ("log(2..2)", json!(2.0))]
        {
            assert_eq!(domain(text), Domain::Choice(vec![value]), "{text}");
        }
    }

    fn ends() -> impl Strategy<Value = (f64, f64)> {
        (-1e9..1e9_f64, 1e-6..1e9_f64).prop_map(|(low, width)| (low, low + width))
    }

    fn domains() -> impl Strategy<Value = Domain> {
        prop_oneof![
            prop::collection::btree_set("[ -~äß]{0,8}", 1..5)
                .prop_map(|texts| Domain::Choice(texts.into_iter().map(Value::from).collect())),
            prop::collection::btree_set(any::<i64>(), 1..5)
                .prop_map(|numbers| Domain::Choice(numbers.into_iter().map(Value::from).collect())),
            (-1000..1000_i64, 1..1000_i64, 1..20_i64).prop_map(|(low, width, step)| Domain::Int {
                low,
                high: low + width,
                step,
                log: false
            }),
            (1..1000_i64, 1..1000_i64).prop_map(|(low, width)| Domain::Int {
                low,
                high: low + width,
                step: 1,
                log: true
            }),
            ends().prop_map(|(low, high)| Domain::Float { low, high, step: None, log: false }),
            ends().prop_map(|(low, high)| Domain::Float { low, high, step: Some((high - low) / 7.0), log: false }),
            (1e-9..1.0_f64, 1.5..1e9_f64).prop_map(|(low, factor)| Domain::Float {
                low,
                high: low * factor,
                step: None,
                log: true
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(domain in domains()) {
            prop_assert_eq!(domain.to_string().parse::<Domain>(), Ok(domain));
        }

        #[test]
        fn every_value_belongs_to_its_domain(domain in domains(), part in 0.0..1.0_f64) {
            prop_assert!(domain.contains(&domain.at(part)), "{} {}", domain, domain.at(part));
        }

        #[test]
        fn no_text_breaks_the_parser(text: String) {
            let _ = text.parse::<Domain>();
        }
    }
}
