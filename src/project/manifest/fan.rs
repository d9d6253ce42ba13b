//! Fans: one table `[step.NAME]` that stands for many steps, by `foreach` or by `matrix`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::text::Text;
use crate::project::params::{Params, flatten, text_of};
use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// So many steps a manifest may have; a `matrix` that is meant to be explored is a sweep.
pub const MOST_STEPS: usize = 100_000;
/// Names of steps are names of files too.
const LONGEST_NAME: usize = 200;
/// The name of the item, in a `foreach` step.
pub const KEY: &str = "key";

/// For what a step is there many times.
#[derive(Debug, Clone, PartialEq)]
pub enum Fan {
    /// `foreach`: for each item of a list or a table.
    Each(Values),
    /// `matrix`: for each combination of a value of every axis.
    Matrix { axes: Vec<(String, Values)>, place: String },
}

/// Values in the manifest itself, or the name of a parameter or of a group of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// With the name of each where they stood in a table.
    Here {
        values: Vec<(Option<String>, Value)>,
        place: String,
    },
    Parameter(Text),
}

/// One of the steps that a fan makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// What stands behind the `@` of its name.
    pub name: String,
    /// What templates and the program get: `item`, `item.lr`, `key`, `matrix.lr`.
    pub values: BTreeMap<String, Value>,
}

impl Fan {
    /// Takes `foreach` or `matrix` out of a step's table.
    pub(super) fn take(step: &mut Table<'_>) -> Result<Option<Self>> {
        let (each, matrix) = (step.take("foreach"), step.take("matrix"));
        match (each, matrix) {
            (None, None) => Ok(None),
            (Some(each), Some(_)) => Err(each
                .error("the step has a `matrix` too")
                .with_hint("make the items of `foreach` another axis of the `matrix`")),
            (Some(each), None) => Values::of(each, "foreach", true).map(Self::Each).map(Some),
            (None, Some(matrix)) => {
                let place = matrix.place();
                let mut axes = Vec::new();
                for (axis, item) in matrix.table("`matrix`".into())?.into_entries() {
                    let is_fine = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
                    if axis.is_empty() || !axis.chars().all(is_fine) {
                        return Err(item.error("the name of an axis has letters, digits, `-` and `_`"));
                    }
                    axes.push((axis, Values::of(item, "matrix", false)?));
                }
                Ok(Some(Self::Matrix { axes, place }))
            }
        }
    }

    /// The names of parameters whose values decide which steps there are.
    pub(super) fn needs_params(&self) -> bool {
        let is_name = |values: &Values| matches!(values, Values::Parameter(_));
        match self {
            Self::Each(values) => is_name(values),
            Self::Matrix { axes, .. } => axes.iter().any(|(_, values)| is_name(values)),
        }
    }

    /// The steps that it makes of the step with this name, of which `room` more may be there.
    pub(super) fn members(&self, step: &str, room: usize, params: &Params) -> Result<Vec<Member>> {
        let too_many = |count: Option<usize>, place: &str| {
            let count = count.map_or("more than can be counted".into(), |count| count.to_string());
            Error::usage(format!(
                "step `{step}` would be there {count} times, and a manifest has at most {MOST_STEPS} steps ({place})"
            ))
            .with_hint("take values away; many combinations are tried out with `mlx sweep`")
        };
        match self {
            Self::Each(values) => {
                let (items, place) = values.resolve(step, params, "foreach")?;
                if items.len() > room {
                    return Err(too_many(Some(items.len()), place));
                }
                let member = |(name, value): (String, Value)| {
                    let mut values = BTreeMap::from([(KEY.to_owned(), Value::from(name.as_str()))]);
                    put("item", value, &mut values);
                    Member { name: clean(&name), values }
                };
                checked(step, items.into_iter().map(member).collect(), place)
            }
            Self::Matrix { axes, place } => {
                let mut resolved = Vec::with_capacity(axes.len());
                for (axis, values) in axes {
                    resolved.push((axis.as_str(), values.resolve(step, params, axis)?.0));
                }
                let count = resolved.iter().try_fold(1_usize, |count, (_, values)| count.checked_mul(values.len()));
                match count {
                    Some(count) if count <= room => {}
                    count => return Err(too_many(count, place)),
                }
                if resolved.is_empty() {
                    return Err(empty("matrix", step, place));
                }
                checked(step, product(&resolved), place)
            }
        }
    }
}

/// Every combination; the last axis changes fastest.
fn product(axes: &[(&str, Vec<(String, Value)>)]) -> Vec<Member> {
    let mut members = vec![Member { name: String::new(), values: BTreeMap::new() }];
    for (axis, values) in axes {
        let with = |member: &Member, name: &str, value: &Value| {
            let comma = if member.name.is_empty() { "" } else { "," };
            let mut next =
                Member { name: format!("{}{comma}{axis}={}", member.name, clean(name)), values: member.values.clone() };
            put(&format!("matrix.{axis}"), value.clone(), &mut next.values);
            next
        };
        members = members
            .iter()
            .flat_map(|member| values.iter().map(move |(name, value)| with(member, name, value)))
            .collect();
    }
    members
}

/// A table becomes dotted names, so that each of its values can be named.
fn put(name: &str, value: Value, values: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(table) if !table.is_empty() => {
            let mut flat = Vec::new();
            flatten(name, &table, &mut flat);
            values.extend(flat);
        }
        value => drop(values.insert(name.to_owned(), value)),
    }
}

/// The name with what may stand in the name of a file everywhere.
fn clean(name: &str) -> String {
    let fit = |character: char| match character.is_ascii_alphanumeric() || "-_.+".contains(character) {
        true => character,
        false => '-',
    };
    name.chars().map(fit).collect()
}

fn checked(step: &str, members: Vec<Member>, place: &str) -> Result<Vec<Member>> {
    let remedy = "name the items yourself: `{ NAME = …, OTHER = … }` instead of a list";
    let mut seen = HashSet::with_capacity(members.len());
    for Member { name, .. } in &members {
        if name.is_empty() {
            return Err(Error::usage(format!("an item of step `{step}` has no name ({place})")).with_hint(remedy));
        }
        if step.len() + 1 + name.len() > LONGEST_NAME {
            let shown: String = name.chars().take(40).collect();
            return Err(Error::usage(format!(
                "the name `{step}@{shown}…` is longer than {LONGEST_NAME} characters ({place})"
            ))
            .with_hint(remedy));
        }
        if !seen.insert(name.as_str()) {
            return Err(Error::usage(format!("two items of step `{step}` would both be `{step}@{name}` ({place})"))
                .with_hint(remedy));
        }
    }
    Ok(members)
}

fn empty(key: &str, step: &str, place: &str) -> Error {
    Error::usage(format!("`{key}` in step `{step}` is empty, so that there is no such step ({place})"))
        .with_hint("give it values, or take the step away")
}

impl Values {
    fn of(item: Item<'_>, key: &'static str, may_be_table: bool) -> Result<Self> {
        let place = item.place();
        if item.is_string() {
            return Ok(Self::Parameter(Text::of(item, key)?));
        }
        if item.is_array() {
            let values = item.items()?.into_iter().map(|item| Ok((None, item.json()?))).collect::<Result<_>>()?;
            return Ok(Self::Here { values, place });
        }
        if !may_be_table {
            // The error says which types there may be.
            return item.items().map(|_| Self::Here { values: Vec::new(), place });
        }
        let entries = item.table(format!("`{key}`"))?.into_entries();
        let values = entries.into_iter().map(|(name, item)| Ok((Some(name), item.json()?))).collect::<Result<_>>()?;
        Ok(Self::Here { values, place })
    }

    /// The values, each with its name, and where they stand.
    fn resolve(&self, step: &str, params: &Params, key: &str) -> Result<(Vec<(String, Value)>, &str)> {
        let (values, place) = match self {
            Self::Here { values, place } => (values.clone(), place),
            Self::Parameter(text) => (of_parameter(step, params, text)?, &text.place),
        };
        if values.is_empty() {
            return Err(empty(key, step, place));
        }
        let named = |(index, (name, value)): (usize, (Option<String>, Value))| {
            let name = name.unwrap_or_else(|| match &value {
                Value::Array(_) | Value::Object(_) => index.to_string(),
                Value::Null => "null".into(),
                value => text_of(value),
            });
            (name, value)
        };
        Ok((values.into_iter().enumerate().map(named).collect(), place))
    }
}

/// The list or the group of this name, which may also be written as `${NAME}`.
fn of_parameter(step: &str, params: &Params, text: &Text) -> Result<Vec<(Option<String>, Value)>> {
    let bare = text.text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let name = bare.unwrap_or(&text.text).trim();
    match params.nested(name) {
        Some(Value::Array(items)) => Ok(items.into_iter().map(|item| (None, item)).collect()),
        Some(Value::Object(table)) => Ok(table.into_iter().map(|(name, item)| (Some(name), item)).collect()),
        Some(_) => Err(text.error(step, format!("the parameter `{name}` is neither a list nor a table"))),
        None => {
            let shown = crate::fs::escape(name.as_bytes());
            let error = text.error(step, format!("there is no parameter `{shown}`"));
            Err(error.with_hint(crate::error::did_you_mean(name, params.names())))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::project::Manifest;

    fn names(text: &str) -> Vec<String> {
        Manifest::parse(text.as_bytes()).unwrap().steps.into_iter().map(|step| step.name).collect()
    }

    fn error(text: &str) -> String {
        let error = Manifest::parse(text.as_bytes()).unwrap_err();
        format!("{error} | {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn a_step_is_there_for_each_item() {
        assert_eq!(names("[step.a]\ncmd='x'\nforeach=['cats', 2, 'd/x.csv']"), ["a@cats", "a@2", "a@d-x.csv"]);
        assert_eq!(names("[step.a]\ncmd='x'\nforeach={ b = 1, a = { x = 2 } }"), ["a@b", "a@a"]);
        assert_eq!(names("[step.a]\ncmd='x'\nforeach=[{ x = 1 }, { x = 2 }]"), ["a@0", "a@1"]);
        let by_name = "[params]\nsets = ['u', 'v']\n[params.models]\nb = { lr = 1 }\na = { lr = 2 }\n";
        assert_eq!(names(&format!("{by_name}[step.a]\ncmd='x'\nforeach='sets'")), ["a@u", "a@v"]);
        assert_eq!(names(&format!("{by_name}[step.a]\ncmd='x'\nforeach='${{models}}'")), ["a@a", "a@b"]);
    }

    #[test]
    fn a_step_is_there_for_each_combination() {
        let text = "[step.a]\ncmd='x'\nmatrix = { lr = [0.1, 0.5], kind = ['u', 'v'] }\nouts = ['${matrix.lr}/${matrix.kind}']";

        let steps = Manifest::parse(text.as_bytes()).unwrap().steps;

        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["a@lr=0.1,kind=u", "a@lr=0.1,kind=v", "a@lr=0.5,kind=u", "a@lr=0.5,kind=v"]);
        assert_eq!(steps[1].products().next().unwrap().to_string(), "0.1/v");
        assert!(steps.iter().all(|step| step.group.as_deref() == Some("a")));
    }

    #[test]
    fn nonsense_is_named_with_its_place() {
        let cases = [
            ("foreach = []", "`foreach` in step `a` is empty, so that there is no such step (mlx.toml, line 3)"),
            ("matrix = {}", "`matrix` in step `a` is empty"),
            ("matrix = { x = [] }", "`x` in step `a` is empty"),
            ("foreach = ['x', 'x']", "two items of step `a` would both be `a@x` (mlx.toml, line 3) | name the items"),
            ("foreach = ['a/b', 'a-b']", "two items of step `a` would both be `a@a-b`"),
            ("foreach = ['']", "an item of step `a` has no name"),
            ("foreach = [1]\nmatrix = { x = [1] }", "`foreach` in step `a`: the step has a `matrix` too"),
            ("foreach = 'train'", "`foreach` in step `a`: there is no parameter `train` (mlx.toml, line 3)"),
            ("foreach = 3", "`foreach` in step `a` must be a table, not an integer (mlx.toml, line 3)"),
            ("matrix = { x = 1 }", "`x` in `matrix` must be an array, not an integer (mlx.toml, line 3)"),
            ("matrix = { 'a b' = [1] }", "the name of an axis has letters, digits"),
        ];
        for (text, expected) in cases {
            let error = error(&format!("[step.a]\ncmd = 'x'\n{text}"));
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_fan_that_is_too_large_is_refused_before_it_is_made() {
        let axis = |name: usize| format!("a{name} = [{}]", (0..100).map(|n| format!("{n},")).collect::<String>());
        let matrix = |axes: usize| {
            let axes: Vec<String> = (0..axes).map(axis).collect();
            error(&format!("[step.a]\ncmd = 'x'\nmatrix = {{ {} }}", axes.join(", ")))
        };

        assert!(matrix(3).contains("step `a` would be there 1000000 times, and a manifest has at most 100000 steps"));
        assert!(matrix(20).contains("more than can be counted"), "{}", matrix(20));
        let two = "[step.a]\ncmd='x'\nmatrix.x = [NUMBERS]\nmatrix.y = [NUMBERS]\nmatrix.z = [1,2,3,4,5,6]\n\
                   [step.b]\ncmd='x'\nmatrix.x = [NUMBERS]\nmatrix.y = [NUMBERS]\nmatrix.z = [1,2,3,4,5,6]";
        let numbers: String = (0..100).map(|n| format!("{n},")).collect();
        assert!(error(&two.replace("NUMBERS", &numbers)).contains("step `b` would be there 60000 times"));
    }

    proptest! {
        #[test]
        fn combinations_are_all_there_and_distinct(axes in prop::collection::vec(1_usize..5, 1..5)) {
            let axes: Vec<(String, Vec<(String, Value)>)> = axes
                .iter()
                .enumerate()
                .map(|(axis, count)| (format!("x{axis}"), (0..*count).map(|n| (n.to_string(), n.into())).collect()))
                .collect();
            let borrowed: Vec<_> = axes.iter().map(|(name, values)| (name.as_str(), values.clone())).collect();

            let members = checked("a", product(&borrowed), "here").unwrap();

            prop_assert_eq!(members.len(), axes.iter().map(|(_, values)| values.len()).product::<usize>());
            let distinct: HashSet<String> = members.iter().map(|member| format!("{:?}", member.values)).collect();
            prop_assert_eq!(distinct.len(), members.len());
            prop_assert!(members.iter().all(|member| member.values.len() == axes.len()));
        }

        #[test]
        fn every_name_is_that_of_a_file(name: String) {
            let name = clean(&name);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
        }
    }
}
