//! Values as JSON has them, from what people write.

use serde_json::Value;

/// A value of the command line: JSON, or a TOML value such as `'text'`, `1_000` or `true`; `None` where it is neither.
pub fn parse_value(text: &str) -> Result<Option<Value>, &'static str> {
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(Some(value));
    }
    let Ok(table) = format!("value = {text}").parse::<toml::Table>() else { return Ok(None) };
    let mut values = table.into_iter();
    match (values.next(), values.next()) {
        (Some((_, value)), None) => from_toml(value).map(Some),
        _ => Ok(None),
    }
}

/// The value as JSON has it: dates become text. What is not finite is refused: null would be another value.
pub fn from_toml(value: toml::Value) -> Result<Value, &'static str> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if !number.is_finite() => return Err("numbers must be finite"),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(from_toml).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => {
            let entry = |(key, value)| Ok((key, from_toml(value)?));
            Value::Object(table.into_iter().map(entry).collect::<Result<_, &'static str>>()?)
        }
    })
}
