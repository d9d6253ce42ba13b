//! Columns: what type their values have, as far as the values tell, and the range of numbers.

use serde::Serialize;

/// A column of one version of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    pub name: String,
    /// `integer`, `float`, `boolean`, `text`, `empty`; in JSON Lines also `object`, `array` and `mixed`; in Parquet the type of
    /// the schema.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many values are empty, null or missing; `None` where that is not known.
    pub empty: Option<u64>,
    /// The range of its numbers, where it holds nothing else.
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
}

impl Column {
    /// Whether type or range are another; how many values are empty does not count.
    pub fn differs_from(&self, other: &Self) -> bool {
        self.kind != other.kind || self.minimum != other.minimum || self.maximum != other.maximum
    }
}

/// What was seen of a column's values so far.
#[derive(Debug, Clone)]
pub struct Seen {
    kinds: u8,
    empty: u64,
    minimum: f64,
    maximum: f64,
}

const INTEGER: u8 = 1;
const FLOAT: u8 = 2;
const BOOLEAN: u8 = 4;
const TEXT: u8 = 8;
const OBJECT: u8 = 16;
const ARRAY: u8 = 32;

impl Default for Seen {
    fn default() -> Self {
        Self { kinds: 0, empty: 0, minimum: f64::INFINITY, maximum: f64::NEG_INFINITY }
    }
}

impl Seen {
    /// A value of a format in which everything is text.
    pub fn text_value(&mut self, value: &[u8]) {
        let value = value.trim_ascii();
        if value.is_empty() {
            self.empty += 1;
        } else if self.kinds & TEXT == 0 {
            // What holds one text holds nothing but text.
            self.typed_text(value);
        }
    }

    fn typed_text(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"false") {
            self.kinds |= BOOLEAN;
            return;
        }
        // A code such as 00501 would lose its zeros as a number.
        let digits = value.strip_prefix(b"-").or(value.strip_prefix(b"+")).unwrap_or(value);
        let is_code = matches!(digits, [b'0', second, ..] if second.is_ascii_digit());
        let number = std::str::from_utf8(value).ok().filter(|_| !is_code).and_then(|text| text.parse::<f64>().ok());
        match number {
            Some(number) => self.number(number, digits.iter().all(u8::is_ascii_digit)),
            None => self.kinds |= TEXT,
        }
    }

    pub fn json_value(&mut self, value: &serde_json::Value) {
        use serde_json::Value;
        match value {
            Value::Null => self.empty += 1,
            Value::Bool(_) => self.kinds |= BOOLEAN,
            Value::Number(number) => {
                self.number(number.as_f64().unwrap_or(f64::NAN), number.is_i64() || number.is_u64());
            }
            Value::String(_) => self.kinds |= TEXT,
            Value::Array(_) => self.kinds |= ARRAY,
            Value::Object(_) => self.kinds |= OBJECT,
        }
    }

    fn number(&mut self, number: f64, is_integer: bool) {
        self.kinds |= if is_integer { INTEGER } else { FLOAT };
        if number.is_finite() {
            self.minimum = self.minimum.min(number);
            self.maximum = self.maximum.max(number);
        }
    }

    /// Rows that have no such value.
    pub fn missing(&mut self, rows: u64) {
        self.empty += rows;
    }

    /// The column as all its values say. In a format in which everything is text, several types together are text.
    pub fn column(&self, name: String, is_text: bool) -> Column {
        let kind = match self.kinds {
            0 => "empty",
            INTEGER => "integer",
            FLOAT | 3 => "float",
            BOOLEAN => "boolean",
            OBJECT => "object",
            ARRAY => "array",
            TEXT => "text",
            _ if is_text => "text",
            _ => "mixed",
        };
        let is_number = matches!(kind, "integer" | "float") && self.minimum <= self.maximum;
        let range = |bound: f64| is_number.then_some(bound);
        Column {
            name,
            kind: kind.to_owned(),
            empty: Some(self.empty),
            minimum: range(self.minimum),
            maximum: range(self.maximum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[&str]) -> String {
        let mut seen = Seen::default();
        values.iter().for_each(|value| seen.text_value(value.as_bytes()));
        let Column { kind, empty, minimum, maximum, .. } = seen.column("x".into(), true);
        format!("{kind} {} {minimum:?} {maximum:?}", empty.unwrap())
    }

    #[test]
    fn values_tell_the_type() {
        assert_eq!(kind(&["1", "-20", " 3 ", ""]), "integer 1 Some(-20.0) Some(3.0)");
        assert_eq!(kind(&["1", "2.5", "nan", "1e3"]), "float 0 Some(1.0) Some(1000.0)");
        assert_eq!(kind(&["nan"]), "float 0 None None");
        assert_eq!(kind(&["True", "false"]), "boolean 0 None None");
        assert_eq!(kind(&["1", "one"]), "text 0 None None");
        assert_eq!(kind(&["1", "true"]), "text 0 None None");
        assert_eq!(kind(&["00501", "10"]), "text 0 None None");
        assert_eq!(kind(&["0", "0.5"]), "float 0 Some(0.0) Some(0.5)");
        assert_eq!(kind(&["", " "]), "empty 2 None None");
    }
}
