//! Templates: text with `${NAME}` in it, where NAME is a parameter or a part of the item that a step was made for.
//!
//! A value is put in as its text and not looked at again: `${…}` in a value stays as it is, so that no template can go on
//! for ever. `$${` stands for `${` itself.

use serde_json::Value;

use super::params::text_of;

/// What keeps a template from being filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("`${{{0}}}` names nothing that there is")]
    Unknown(String),
    #[error("`${{{name}}}` is {kind}, which can't be put into a text")]
    NoText { name: String, kind: &'static str },
    #[error("`${{` is never closed; `$${{` stands for the text itself")]
    Unclosed,
}

/// The text with the values in it that `value` knows.
pub fn fill<'v>(text: &str, value: impl Fn(&str) -> Option<&'v Value>) -> Result<String, Fault> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').ok_or(Fault::Unclosed)?;
        let name = name.trim();
        let value = value(name).ok_or_else(|| Fault::Unknown(name.to_owned()))?;
        filled.push_str(before);
        filled.push_str(&plain(name, value)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn plain(name: &str, value: &Value) -> Result<String, Fault> {
    let kind = match value {
        Value::Null => "null",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
        value => return Ok(text_of(value)),
    };
    Err(Fault::NoText { name: name.to_owned(), kind })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn filled(text: &str) -> Result<String, Fault> {
        let values = BTreeMap::from([
            ("a".to_owned(), json!("${a} ${b}")),
            ("n.x".to_owned(), json!(0.5)),
            ("t".to_owned(), json!(true)),
            ("list".to_owned(), json!([1])),
            ("null".to_owned(), json!(null)),
        ]);
        fill(text, |name| values.get(name))
    }

    #[test]
    fn values_take_the_place_of_their_names() {
        assert_eq!(filled("m/${n.x}-${ t }.bin"), Ok("m/0.5-true.bin".into()));
        assert_eq!(filled("$HOME $$ ${n.x}$"), Ok("$HOME $$ 0.5$".into()));
        assert_eq!(filled("$${n.x} $$${n.x}"), Ok("${n.x} $${n.x}".into()));
    }

    #[test]
    fn a_value_is_no_template() {
        assert_eq!(filled("${a}"), Ok("${a} ${b}".into()));
    }

    #[test]
    fn what_can_not_be_filled_is_named() {
        assert_eq!(filled("${b}"), Err(Fault::Unknown("b".into())));
        assert_eq!(filled("${list}"), Err(Fault::NoText { name: "list".into(), kind: "a list" }));
        assert_eq!(filled("${null}"), Err(Fault::NoText { name: "null".into(), kind: "null" }));
        assert_eq!(filled("x ${n.x"), Err(Fault::Unclosed));
        assert_eq!(filled("${"), Err(Fault::Unclosed));
    }

    proptest! {
        #[test]
        fn text_without_templates_stays(text in "[^{]*") {
            prop_assert_eq!(fill(&text, |_| None), Ok(text));
        }

        #[test]
        fn an_escaped_text_reads_back(text: String) {
            let value = Value::from(text.as_str());
            prop_assert_eq!(fill(&text.replace("${", "$${"), |_| None), Ok(text.clone()));
            prop_assert_eq!(fill("<${x}>", |_| Some(&value)), Ok(format!("<{text}>")));
        }

        #[test]
        fn no_text_panics(text in "[${}a. ]{0,12}") {
            let _ = filled(&text);
        }
    }
}
