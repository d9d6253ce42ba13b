//! YAML, JSON and TOML files, and the values in them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::ProjectPath;
use super::value::from_toml;
use crate::{Error, Result};

/// What a YAML, JSON or TOML file holds, by the ending of its name; `what` is what errors call it.
pub fn parse_file(path: &ProjectPath, bytes: &[u8], what: &str) -> Result<Value> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::usage(format!("{what}: the text is not UTF-8")))?;
    let bad = |message: String| Error::usage(format!("{what}: {}", message.trim()));
    let ending = path.as_path().extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "json" => serde_json::from_str(text).map_err(|error| bad(error.to_string())),
        "yaml" | "yml" => serde_saphyr::from_str(text).map_err(|error| bad(error.to_string())),
        "toml" => {
            let table = text.parse::<toml::Table>().map_err(|error| bad(error.to_string()))?;
            from_toml(table.into()).map_err(|what| bad(what.into()))
        }
        _ => Err(Error::usage(format!("{what} is neither YAML nor JSON nor TOML"))
            .with_hint("its name must end with `.yaml`, `.yml`, `.json` or `.toml`")),
    }
}

/// The value with the keys of all its tables sorted.
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(table) => {
            let sorted: BTreeMap<&String, &Value> = table.iter().collect();
            Value::Object(sorted.into_iter().map(|(key, value)| (key.clone(), canonical(value))).collect::<Map<_, _>>())
        }
        value => value.clone(),
    }
}

/// The value at a dotted name in nested tables and lists, whose items are numbered from zero.
pub fn value_at<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Object(table) => table.get(name).or_else(|| {
            // A name may hold dots itself, so that the shortest one that leads on is taken.
            name.match_indices('.').find_map(|(dot, _)| value_at(table.get(&name[..dot])?, &name[dot + 1..]))
        }),
        Value::Array(items) => {
            let (index, rest) = name.split_once('.').map_or((name, None), |(index, rest)| (index, Some(rest)));
            let item = items.get(index.parse::<usize>().ok()?)?;
            rest.map_or(Some(item), |rest| value_at(item, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_found_by_their_dotted_names() {
        let value = json!({ "a": { "b": [1, { "c": 2 }], "d.e": 3 }, "a.b": 4 });

        assert_eq!(value_at(&value, "a.b.1.c"), Some(&json!(2)));
        assert_eq!(value_at(&value, "a.d.e"), Some(&json!(3)));
        assert_eq!(value_at(&value, "a.b"), Some(&json!(4)));
        assert_eq!(value_at(&value, "a.b.2"), None);
        assert_eq!(value_at(&value, ""), None);
    }
}
