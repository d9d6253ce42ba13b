//! Metrics in nested tables: JSON, YAML and TOML read into one kind of tree, and its numbers named by their way to it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::NonFiniteFloatPolicy;

use super::{Series, bad};
use crate::Result;
use crate::fs::escape;

pub fn json(name: &str, text: &str) -> Result<Series> {
    // Python writes NaN and Infinity, which JSON does not have.
    let text = with_quoted_words(text);
    let tree = serde_json::from_str(&text).map_err(|error| {
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        bad(name, error.line().max(1), message)
    })?;
    Ok(series(tree))
}

pub fn yaml(name: &str, text: &str) -> Result<Series> {
    let options = serde_saphyr::options! { non_finite_float_policy: NonFiniteFloatPolicy::PassThrough };
    let tree = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line() as usize);
        let message = error.without_snippet().to_string();
        bad(name, line.max(1), escape(message.lines().next().unwrap_or_default().as_bytes()))
    })?;
    Ok(series(tree))
}

pub fn toml(name: &str, text: &str) -> Result<Series> {
    let tree = ::toml::from_str(text).map_err(|error: ::toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        bad(name, line, error.message().trim().replace('\n', "; "))
    })?;
    Ok(series(tree))
}

/// A value of any of the formats, as far as metrics go.
#[derive(Debug, PartialEq)]
enum Tree {
    Number(f64),
    List(Vec<Tree>),
    Table(Vec<(String, Tree)>),
    /// Text, a boolean, nothing.
    Other,
}

/// Puts `NaN`, `Infinity` and `-Infinity` in quotes where they stand as values.
fn with_quoted_words(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| !in_string && rest.starts_with(word));
        let taken = match (word, first) {
            (Some(word), _) => {
                result.extend(["\"", word, "\""]);
                rest = &rest[word.len()..];
                continue;
            }
            // An escaped quotation mark does not end the string.
            (None, '\\') if in_string => first.len_utf8() + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, '"') => {
                in_string = !in_string;
                1
            }
            (None, first) => first.len_utf8(),
        };
        result.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    result
}

fn series(tree: Tree) -> Series {
    let mut series = Series::default();
    collect(tree, "", &mut series);
    series
}

fn collect(tree: Tree, name: &str, series: &mut Series) {
    match tree {
        // A number alone in its file has no name to be a metric under.
        Tree::Number(_) if name.is_empty() => {}
        Tree::Number(value) => series.push(name, 0, value),
        Tree::Table(entries) => {
            for (key, tree) in entries {
                let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                collect(tree, &name, series);
            }
        }
        Tree::List(items) => collect_list(items, name, series),
        Tree::Other => {}
    }
}

/// A list of numbers is a history, and a list of tables one history for each of their numbers. Others, such as a
/// confusion matrix, are no metrics.
fn collect_list(items: Vec<Tree>, name: &str, series: &mut Series) {
    let is_numbers = items.iter().all(|item| matches!(item, Tree::Number(_)));
    let is_rows = items.iter().all(|item| matches!(item, Tree::Table(_)));
    if items.is_empty() || !(is_rows || is_numbers && !name.is_empty()) {
        return;
    }
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Tree::Number(value) => {
                series.histories.insert(name.to_owned());
                series.push(name, index as u64, value);
            }
            Tree::Table(entries) => collect_row(entries, index as u64, name, series),
            Tree::List(_) | Tree::Other => {}
        }
    }
}

fn collect_row(entries: Vec<(String, Tree)>, index: u64, name: &str, series: &mut Series) {
    let counted = |counter: &str| {
        let value = entries.iter().find(|(key, _)| key == counter).map(|(_, value)| value);
        match value {
            Some(Tree::Number(number)) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as u64),
            _ => None,
        }
    };
    let step = super::table::COUNTERS.into_iter().find_map(counted).unwrap_or(index);
    for (key, value) in entries {
        if let Tree::Number(value) = value
            && !super::table::COUNTERS.contains(&key.as_str())
        {
            let name = if name.is_empty() { key } else { format!("{name}.{key}") };
            series.histories.insert(name.clone());
            series.push(&name, step, value);
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Number(value as f64))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        // YAML and quoted JSON have these words as text.
        let is_number = matches!(text, "NaN" | "Infinity" | "-Infinity");
        Ok(if is_number { Tree::Number(f64::NAN) } else { Tree::Other })
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut table = Vec::new();
        while let Some((Key(key), value)) = entries.next_entry()? {
            table.push((key, value));
        }
        Ok(Tree::Table(table))
    }
}

/// A key, which YAML allows to be a number or a boolean.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name")
            }

            fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                Ok(Key(text.to_owned()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Key, E> {
                Ok(Key(value.to_string()))
            }
        }

        deserializer.deserialize_any(KeyVisitor)
    }
}
