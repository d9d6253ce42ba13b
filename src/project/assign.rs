//! Giving a parameter another value in the file that holds it: that value is written, and every other byte, comments
//! included, stays as it was.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::lock::quoted;
use super::params::flatten;
use super::value::from_toml;

/// How a file of parameters is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    Toml,
    Json,
    Yaml,
}

impl Syntax {
    /// By the ending of a file's name.
    pub fn of(ending: &str) -> Option<Self> {
        match ending.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// The values of a file; `None` where it is no such text, or no table.
    pub fn parse(self, text: &str) -> Option<Map<String, Value>> {
        let value = match self {
            Self::Toml => from_toml(text.parse::<toml::Table>().ok()?.into()).ok()?,
            Self::Json => serde_json::from_str(text).ok()?,
            Self::Yaml => serde_saphyr::from_str(text).ok()?,
        };
        if let Value::Object(values) = value { Some(values) } else { None }
    }

    fn write(self, value: &Value) -> Option<String> {
        match self {
            Self::Toml => to_toml(value),
            Self::Json => Some(value.to_string()),
            Self::Yaml => Some(to_yaml(value)),
        }
    }

    /// Where the value of a dotted name stands.
    fn find(self, text: &str, name: &str) -> Option<Range<usize>> {
        match self {
            Self::Toml => find_in_toml(DeTable::parse(text).ok()?.get_ref(), name),
            Self::Json => find_in_braces(text, text.find('{')?, name),
            Self::Yaml => find_in_lines(text, name),
        }
    }
}

/// The text with another value of this parameter, by its dotted name from the root of the file on; `None` where it can't be
/// put there so that nothing else changes its meaning.
pub fn assign(text: &str, syntax: Syntax, name: &str, value: &Value) -> Option<String> {
    let place = syntax.find(text, name)?;
    let candidate = format!("{}{}{}", &text[..place.start], syntax.write(value)?, &text[place.end..]);
    let all = |text: &str| {
        let mut all = Vec::new();
        flatten("", &syntax.parse(text)?, &mut all);
        Some(all)
    };
    let (mut before, after) = (all(text)?, all(&candidate)?);
    let (_, known) = before.iter_mut().find(|(known, _)| known == name)?;
    *known = value.clone();
    (before == after).then_some(candidate)
}

/// The text of a file with the same values and another one of this parameter; remarks and layout are lost.
pub fn rewrite(text: &str, syntax: Syntax, name: &str, value: &Value) -> Option<String> {
    let mut values = syntax.parse(text)?;
    if !put(&mut values, name, value) {
        return None;
    }
    let text = match syntax {
        Syntax::Json | Syntax::Yaml => syntax.write(&Value::Object(values))? + "\n",
        Syntax::Toml => {
            let line = |(key, value): (&String, &Value)| Some(format!("{} = {}\n", quoted(key), to_toml(value)?));
            values.iter().map(line).collect::<Option<String>>()?
        }
    };
    Some(text)
}

/// Puts the value in the place of the one with this dotted name. Says whether there is one.
fn put(table: &mut Map<String, Value>, name: &str, value: &Value) -> bool {
    if let Some(place) = table.get_mut(name) {
        *place = value.clone();
        return true;
    }
    table.iter_mut().any(|(key, inner)| match (below(name, key), inner) {
        (Some(rest), Value::Object(inner)) => put(inner, rest, value),
        _ => false,
    })
}

/// JSON, which is YAML too, but for numbers such as `1e-7`, which many programs take for text.
fn to_yaml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(to_yaml).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| format!("{}: {}", Value::from(key.as_str()), to_yaml(value));
            format!("{{{}}}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Number(number) => {
            let text = number.to_string();
            let Some((digits, exponent)) = text.split_once('e') else { return text };
            let point = if digits.contains('.') { "" } else { ".0" };
            let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
            format!("{digits}{point}e{sign}{exponent}")
        }
        other => other.to_string(),
    }
}

/// A text as TOML has it; one of several lines stays one that people can read.
pub fn toml_text(text: &str) -> String {
    let is_plain = |character: char| character == '\n' || character == '\t' || !character.is_control();
    let is_literal =
        text.contains('\n') && !text.contains("'''") && !text.ends_with('\'') && text.chars().all(is_plain);
    if is_literal { format!("'''\n{text}'''") } else { quoted(text) }
}

/// A value as TOML has it; `None` where there is null in it.
pub fn to_toml(value: &Value) -> Option<String> {
    let joined = |items: Option<Vec<String>>| items.map(|items| items.join(", "));
    Some(match value {
        Value::Null => return None,
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(to_toml).collect())?),
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| Some(format!("{} = {}", quoted(key), to_toml(value)?));
            format!("{{ {} }}", joined(table.iter().map(entry).collect())?)
        }
        other => other.to_string(),
    })
}

/// Whether a key is the first part of a name, and what is left of that.
fn below<'n>(name: &'n str, key: &str) -> Option<&'n str> {
    name.strip_prefix(key)?.strip_prefix('.')
}

fn find_in_toml(table: &DeTable<'_>, name: &str) -> Option<Range<usize>> {
    table.iter().find_map(|(key, value)| {
        if &**key.get_ref() == name && !value.get_ref().is_table() {
            return Some(value.span());
        }
        match (below(name, key.get_ref()), value.get_ref()) {
            (Some(rest), DeValue::Table(inner)) => find_in_toml(inner, rest),
            _ => None,
        }
    })
}

/// In `{ key: value, … }`, as JSON has it and YAML may: `open` is where the brace stands.
fn find_in_braces(text: &str, open: usize, name: &str) -> Option<Range<usize>> {
    let mut at = open + 1;
    loop {
        at += blank(&text[at..]);
        if text[at..].starts_with('}') {
            return None;
        }
        let key = scalar(text, at, ":,{}[]")?;
        at = key.end + blank(&text[key.end..]);
        let name_of_key = unquoted(&text[key]);
        at = at + text[at..].strip_prefix(':').map(|_| 1)?;
        at += blank(&text[at..]);
        let value = at..item_end(text, at)?;
        if name_of_key == name {
            return Some(value);
        }
        if let Some(rest) = below(name, &name_of_key)
            && text[at..].starts_with('{')
        {
            return find_in_braces(text, at, rest);
        }
        at = value.end + blank(&text[value.end..]);
        at += text[at..].strip_prefix(',').map_or(0, |_| 1);
    }
}

/// Where the value that begins here ends: a scalar, or all between two brackets.
fn item_end(text: &str, at: usize) -> Option<usize> {
    if !text[at..].starts_with(['{', '[']) {
        return scalar(text, at, ",{}[]").map(|scalar| scalar.end);
    }
    let mut depth = 0_usize;
    let mut rest = at;
    loop {
        match text[rest..].chars().next()? {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '"' | '\'' => rest = quote_end(text, rest)? - 1,
            _ => {}
        }
        rest += text[rest..].chars().next()?.len_utf8();
        if depth == 0 {
            return Some(rest);
        }
    }
}

/// A scalar that begins here: quoted, or up to one of these characters or the end of the line.
fn scalar(text: &str, at: usize, ends: &str) -> Option<Range<usize>> {
    if text[at..].starts_with(['"', '\'']) {
        return quote_end(text, at).map(|end| at..end);
    }
    let rest = &text[at..];
    let end = rest.find(|character| character == '\n' || ends.contains(character)).unwrap_or(rest.len());
    let end = rest[..end].find(" #").unwrap_or(end);
    let end = rest[..end].trim_end().len();
    (end > 0).then(|| at..at + end)
}

/// Behind the closing quote.
fn quote_end(text: &str, at: usize) -> Option<usize> {
    let quote = text[at..].chars().next()?;
    let mut characters = text[at + 1..].char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        if quote == '"' && character == '\\' {
            characters.next();
        } else if character == quote {
            match characters.peek() {
                // `''` stands for a quote in YAML.
                Some((_, '\'')) if quote == '\'' => drop(characters.next()),
                _ => return Some(at + 1 + offset + 1),
            }
        }
    }
    None
}

fn unquoted(text: &str) -> String {
    match text.chars().next() {
        Some('"') => serde_json::from_str(text).unwrap_or_default(),
        Some('\'') => text.trim_matches('\'').replace("''", "'"),
        _ => text.to_owned(),
    }
}

/// How much space and remarks stand before the next thing.
fn blank(text: &str) -> usize {
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        match text[at..].starts_with('#') {
            true => at += text[at..].find('\n').unwrap_or(text.len() - at),
            false => return at,
        }
    }
}

/// In YAML's lines, where the indent says what belongs to what.
fn find_in_lines(text: &str, name: &str) -> Option<Range<usize>> {
    // The groups that the line stands in: their indents, and what is left of the name below them.
    let mut groups: Vec<(usize, &str)> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        let content = line.trim();
        let indent = line.len() - line.trim_start().len();
        if content.is_empty() || content.starts_with(['#', '-']) {
            continue;
        }
        if content.starts_with('{') && groups.is_empty() {
            return find_in_braces(text, at + indent, name);
        }
        let Some(key) = scalar(text, at + indent, ":") else { continue };
        while groups.last().is_some_and(|(outer, _)| *outer >= indent) {
            groups.pop();
        }
        let wanted = match groups.last() {
            Some((_, rest)) => *rest,
            None if indent == 0 => name,
            None => continue,
        };
        let name_of_key = unquoted(&text[key.clone()]);
        let Some(after) = text[key.end..at + line.len()].trim_start().strip_prefix(':') else { continue };
        let value = at + line.len() - after.len() + (after.len() - after.trim_start().len());
        let is_empty = after.trim().is_empty() || after.trim_start().starts_with('#');
        if name_of_key == wanted && !is_empty {
            return Some(value..item_end(text, value)?);
        }
        match below(wanted, &name_of_key) {
            Some(rest) if is_empty => groups.push((indent, rest)),
            Some(rest) if text[value..].starts_with('{') => return find_in_braces(text, value, rest),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn set(syntax: Syntax, text: &str, name: &str, value: Value) -> String {
        assign(text, syntax, name, &value).unwrap_or_else(|| "refused".into())
    }

    #[test]
    fn toml_keeps_its_comments_and_its_layout() {
        let text = "# mine\n[params]\ntrain = { lr = 0.1, depth = 3 } # why\n[params.fit]\nkind = 'a' # b\nsizes = [\n  1, # one\n]\n";
        let set = |name: &str, value: Value| set(Syntax::Toml, text, name, value);

        assert_eq!(set("params.train.lr", json!(1e-5)), text.replace("0.1", "0.00001"));
        assert_eq!(set("params.fit.kind", json!("it's \"x\"")), text.replace("'a'", "\"it's \\\"x\\\"\""));
        assert_eq!(set("params.fit.sizes", json!([1, 2])), text.replace("[\n  1, # one\n]", "[1, 2]"));
        assert_eq!(set("params.train", json!(1)), "refused");
        assert_eq!(set("params.fit.none", json!(1)), "refused");
        assert_eq!(set("params.train.lr", Value::Null), "refused");
        assert_eq!(assign("a.b = 1\n\"c.d\" = 2", Syntax::Toml, "c.d", &json!(3)).unwrap(), "a.b = 1\n\"c.d\" = 3");
    }

    #[test]
    fn json_keeps_its_layout() {
        let text = "{\n  \"train\": { \"lr\" : 0.1, \"names\": [\"a}\", {\"lr\": 2}] },\n  \"lr\": \"x, y\"\n}\n";
        let set = |name: &str, value: Value| set(Syntax::Json, text, name, value);

        assert_eq!(set("train.lr", json!(3)), text.replace("0.1", "3"));
        assert_eq!(set("lr", json!(false)), text.replace("\"x, y\"", "false"));
        assert_eq!(set("train.names", json!([])), text.replace("[\"a}\", {\"lr\": 2}]", "[]"));
        assert_eq!(set("train.depth", json!(1)), "refused");
    }

    #[test]
    fn yaml_keeps_its_comments_and_its_layout() {
        let text = "# all\ntrain:\n  # rate\n  lr: 0.1   # of learning\n  kind: 'a # b'\n  deep: { lr: 7, list: [1, 2] }\n  \
                    list:\n    - lr: 5\nother:\n    lr: 3\nlr: text here # end\n";
        let set = |name: &str, value: Value| set(Syntax::Yaml, text, name, value);

        assert_eq!(set("train.lr", json!(1e-4)), text.replace("0.1 ", "0.0001 "));
        assert_eq!(set("train.kind", json!("it: b")), text.replace("'a # b'", "\"it: b\""));
        assert_eq!(set("train.deep.lr", json!(8)), text.replace("lr: 7", "lr: 8"));
        assert_eq!(set("train.deep.list", json!([3])), text.replace("[1, 2]", "[3]"));
        assert_eq!(set("other.lr", json!(4)), text.replace("lr: 3", "lr: 4"));
        assert_eq!(set("lr", json!("other text")), text.replace("text here", "\"other text\""));
        assert_eq!(set("train.list", json!([])), "refused");
        assert_eq!(assign("{a: {b: 1}}", Syntax::Yaml, "a.b", &json!(2)).unwrap(), "{a: {b: 2}}");
        // `1e-9` without a point is text to many readers of YAML.
        assert_eq!(set("train.lr", json!([1e-9, 1e30])), text.replace("0.1 ", "[1.0e-9, 1.0e+30] "));
    }

    #[test]
    fn what_can_not_be_found_is_written_anew() {
        let yaml = "base: &base\n  lr: 1\ntrain:\n  <<: *base\n  sizes:\n    - 1\n";
        let set = |syntax, text: &str, name: &str, value: Value| rewrite(text, syntax, name, &value);

        assert_eq!(assign(yaml, Syntax::Yaml, "train.sizes", &json!([2])), None);
        assert_eq!(
            set(Syntax::Yaml, yaml, "train.sizes", json!([2])).unwrap(),
            "{\"base\": {\"lr\": 1}, \"train\": {\"sizes\": [2], \"lr\": 1}}\n"
        );
        assert_eq!(
            set(Syntax::Toml, "a.b = 1 # x\nc = 'd'", "a.b", json!(2)).unwrap(),
            "\"a\" = { \"b\" = 2 }\n\"c\" = \"d\"\n"
        );
        assert_eq!(set(Syntax::Json, "{\"a\": {\"b\": 1}}", "a.c", json!(2)), None);
    }

    proptest! {
        #[test]
        fn what_is_assigned_is_read(text in "[ -~äß\n]{0,12}", number in any::<f64>(), to in any::<i64>()) {
            let files = [
                (Syntax::Toml, "a = 1\n[b]\nc = 'x' # y\n"),
                (Syntax::Json, "{\"a\": 1, \"b\": {\"c\": \"x\"}}"),
                (Syntax::Yaml, "a: 1\nb:\n  c: x # y\n"),
            ];
            let finite = if number.is_finite() { number } else { 0.0 };
            for (syntax, file) in files {
                for value in [json!(text), json!(finite), json!(to), json!([text, to])] {
                    let Some(after) = assign(file, syntax, "b.c", &value) else {
                        // YAML may not give each text back as it was.
                        prop_assert!(syntax == Syntax::Yaml, "{:?} {}", syntax, value);
                        continue;
                    };
                    prop_assert_eq!(&syntax.parse(&after).unwrap()["b"]["c"], &value);
                }
            }
        }

        #[test]
        fn no_text_breaks_it(text: String, name in "[a-c.]{0,5}") {
            for syntax in [Syntax::Toml, Syntax::Json, Syntax::Yaml] {
                if let Some(after) = assign(&text, syntax, &name, &json!(1)) {
                    prop_assert!(syntax.parse(&after).is_some());
                }
            }
        }
    }
}
