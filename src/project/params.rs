//! Parameters: named values from the manifest, from files and from `--set`, and how a step gets them.
//!
//! A step gets exactly the parameters it names, in `params` or as `${name}` in its command, because only these are part
//! of its key: as variables `MLX_PARAM_*`, as a JSON file, and in the command.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::error::did_you_mean;
use crate::fs::escape;
use crate::project::document::parse_file;
use crate::project::manifest::{self, KEY, Params as Declared, Step};
use crate::project::value::parse_value;
use crate::project::{MANIFEST, Project, ProjectPath, overlay};
use crate::{Error, Result};

/// A name has at most so many parts.
const DEEPEST_NAME: usize = 64;

/// All parameters of a project by their dotted names: `train.trees`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(pub BTreeMap<String, Value>);

impl Params {
    /// Reads the parameters of the project and applies the `KEY=VALUE` texts of the command line.
    pub fn read(project: &Project, settings: &[String]) -> Result<Self> {
        let file = |path: &ProjectPath| overlay::read(project, path);
        let mut params = Self::gather(&project.manifest.params, &file)?;
        settings.iter().try_for_each(|setting| params.set(setting))?;
        Ok(params)
    }

    /// The parameters that a manifest declares; `file` gives the bytes of a parameter file, `None` where there is none.
    pub fn gather(declared: &Declared, file: &dyn Fn(&ProjectPath) -> Result<Option<Vec<u8>>>) -> Result<Self> {
        let mut params = Self::default();
        params.extend(&declared.values, MANIFEST)?;
        for path in &declared.files {
            params.extend(&read_file(path, file(path)?)?, &path.to_string())?;
        }
        Ok(params)
    }

    fn extend(&mut self, values: &Map<String, Value>, source: &str) -> Result<()> {
        let mut flat = Vec::new();
        flatten("", values, &mut flat);
        for (name, value) in flat {
            let mut groups = name.split('.');
            let is_sound = groups.clone().count() <= DEEPEST_NAME && groups.all(|group| !group.is_empty());
            if !is_sound || name.chars().any(char::is_control) {
                let shown = escape(name.chars().take(80).collect::<String>().as_bytes());
                return Err(Error::usage(format!("`{shown}` is no name for a parameter ({source})"))
                    .with_hint("a name has letters, digits, `-` and `_`, with dots between the groups"));
            }
            if self.0.insert(name.clone(), value).is_some() {
                return Err(Error::usage(format!("the parameter `{name}` is there twice, again in {source}"))
                    .with_hint("keep it in one place"));
            }
        }
        Ok(())
    }

    /// Applies `train.trees=300`. The value is JSON or a TOML value, else text; where the parameter is text, it stays text.
    fn set(&mut self, setting: &str) -> Result<()> {
        let shown = escape(setting.as_bytes());
        let Some((name, text)) = setting.split_once('=') else {
            return Err(Error::usage(format!("`--set {shown}` has no `=`")).with_hint("write `--set train.trees=300`"));
        };
        let name = name.trim();
        if !self.0.contains_key(name) {
            let members: Vec<&str> = self.members(name).map(|(name, _)| name.as_str()).collect();
            return Err(match members.as_slice() {
                [] => Error::usage(format!("there is no parameter `{}` to set", escape(name.as_bytes())))
                    .with_hint(did_you_mean(name, self.0.keys().map(String::as_str))),
                members => Error::usage(format!("`{name}` is a group of parameters")).with_hint(format!(
                    "set one of them: {}",
                    members.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                )),
            });
        }
        let parsed = parse_value(text).map_err(|what| {
            Error::usage(format!("`--set {shown}`: {what}")).with_hint("for text, quote it: `'nan'`")
        })?;
        let value = match (self.0.get(name), parsed) {
            (Some(Value::String(_)), Some(Value::String(text))) => Value::String(text),
            (Some(Value::String(_)), _) | (_, None) => Value::from(text),
            (_, Some(value)) => value,
        };
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// The parameters of a group: `train` stands for all of `train.*`.
    fn members(&self, group: &str) -> impl Iterator<Item = (&String, &Value)> {
        let prefix = format!("{group}.");
        self.0.range(prefix.clone()..).take_while(move |(name, _)| name.starts_with(&prefix))
    }

    /// The names of all parameters and groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let groups: BTreeSet<&str> =
            self.0.keys().flat_map(|name| name.match_indices('.').map(|(dot, _)| &name[..dot])).collect();
        self.0.keys().map(String::as_str).chain(groups)
    }

    /// The value of a parameter, or all of a group as a table.
    pub fn nested(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value.clone());
        }
        let below = |(member, value): (&String, &Value)| (member[name.len() + 1..].to_owned(), value.clone());
        let members: BTreeMap<String, Value> = self.members(name).map(below).collect();
        (!members.is_empty()).then(|| nested(&members))
    }

    /// The parameters that a step names or uses in its command, and what `foreach` or `matrix` made it for. The name of an
    /// item is among them only where the command uses it: in a list it may be no more than the item's place.
    pub fn of_step(&self, step: &Step) -> Result<BTreeMap<String, Value>> {
        let mut chosen = BTreeMap::new();
        let mut take = |(name, value): (&String, &Value)| drop(chosen.insert(name.clone(), value.clone()));
        for name in &step.params {
            let mut found = false;
            for entry in self.0.get_key_value(name).into_iter().chain(self.members(name)) {
                take(entry);
                found = true;
            }
            if !found {
                return Err(self.unknown(name, step));
            }
        }
        let commands = step.parts.iter().filter_map(|part| match part {
            manifest::Part::Command(command) => Some(command),
            _ => None,
        });
        for name in std::iter::once(&step.cmd).chain(commands).flat_map(|command| names_in(command)) {
            match step.values.get_key_value(name).or_else(|| self.0.get_key_value(name)) {
                Some(entry) => take(entry),
                // The shell's own variables have no dots in their names.
                None if name.contains('.') => return Err(self.unknown(name, step)),
                None => {}
            }
        }
        step.values.iter().filter(|(name, _)| *name != KEY).for_each(take);
        check_variables(&chosen, step)?;
        Ok(chosen)
    }

    fn unknown(&self, name: &str, step: &Step) -> Error {
        let known = step.values.keys().map(String::as_str).chain(self.names());
        let shown = escape(name.as_bytes());
        Error::usage(format!("step `{}` uses the parameter `{shown}`, which there is not ({})", step.name, step.place))
            .with_hint(did_you_mean(name, known))
    }
}

/// The command with the step's parameters in it.
///
/// `${train.trees}` becomes the value's text where that is plain (letters, digits, `_./:=+,-@%`); any other text is left to
/// the shell as the variable `${MLX_PARAM_TRAIN_TREES}`, so that no value is taken for a part of the command. All else,
/// `$$` and `${HOME}` too, is the shell's.
pub fn fill(cmd: &str, params: &BTreeMap<String, Value>) -> String {
    let mut filled = String::with_capacity(cmd.len());
    for part in parts(cmd) {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Name(name) => match params.get(name).map(text_of) {
                Some(text) if is_plain(&text) => filled.push_str(&text),
                Some(_) => {
                    let _ = write!(filled, "${{{}}}", variable(name));
                }
                None => {
                    let _ = write!(filled, "${{{name}}}");
                }
            },
        }
    }
    filled
}

/// What stands in `${…}` in a command, where it may be the name of a parameter.
pub fn names_in(cmd: &str) -> impl Iterator<Item = &str> {
    parts(cmd).into_iter().filter_map(|part| match part {
        Part::Name(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// The variable that brings a parameter to a step: `MLX_PARAM_TRAIN_TREES`.
pub fn variable(name: &str) -> String {
    let fit = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' };
    format!("MLX_PARAM_{}", name.chars().map(fit).collect::<String>())
}

/// A value as a variable holds it: text as it is, nothing for null, all else as JSON.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

/// The parameters as nested JSON, for the file that `MLX_PARAMS` names.
pub fn nested(params: &BTreeMap<String, Value>) -> Value {
    let mut root = Map::new();
    params.iter().for_each(|(name, value)| insert(&mut root, name, value));
    Value::Object(root)
}

/// A value and a group can have one name only where a key was written with a dot, as `"a.b" = 1`; then the value stays.
fn insert(table: &mut Map<String, Value>, name: &str, value: &Value) {
    match name.split_once('.') {
        None => drop(table.insert(name.to_owned(), value.clone())),
        Some((group, rest)) => {
            if let Value::Object(inner) = table.entry(group).or_insert_with(|| Value::Object(Map::new())) {
                insert(inner, rest, value);
            }
        }
    }
}

enum Part<'t> {
    Text(&'t str),
    /// What stands in `${…}`, where it may be the name of a parameter.
    Name(&'t str),
}

/// Takes a command apart. `$$` is the shell's, with what follows it.
fn parts(cmd: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut text_start = 0;
    let mut at = 0;
    while let Some(dollar) = cmd[at..].find('$').map(|offset| at + offset) {
        let rest = &cmd[dollar + 1..];
        if rest.starts_with('$') {
            at = dollar + 2;
            continue;
        }
        at = dollar + 1;
        let Some((name, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { continue };
        let is_name = |name: &str| {
            let fits = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
            name.starts_with(|first: char| first.is_alphabetic() || first == '_') && name.chars().all(fits)
        };
        if !is_name(name) {
            continue;
        }
        parts.push(Part::Text(&cmd[text_start..dollar]));
        parts.push(Part::Name(name));
        at = dollar + 2 + name.len() + 1;
        text_start = at;
    }
    parts.push(Part::Text(&cmd[text_start..]));
    parts
}

fn is_plain(text: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_./:=+,-@%".contains(character);
    !text.is_empty() && text.chars().all(fits)
}

/// Refuses two parameters of a step that would share one variable.
fn check_variables(params: &BTreeMap<String, Value>, step: &Step) -> Result<()> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for name in params.keys() {
        if let Some(other) = taken.insert(variable(name), name) {
            let variable = variable(name);
            return Err(Error::usage(format!(
                "the parameters `{other}` and `{name}` of step `{}` would both be `{variable}` ({})",
                step.name, step.place
            ))
            .with_hint("rename one of them"));
        }
    }
    Ok(())
}

/// Tables become dotted names; all else, an empty table too, is a value.
pub fn flatten(prefix: &str, values: &Map<String, Value>, flat: &mut Vec<(String, Value)>) {
    for (key, value) in values {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) if !inner.is_empty() => flatten(&name, inner, flat),
            value => flat.push((name, value.clone())),
        }
    }
}

fn read_file(path: &ProjectPath, bytes: Option<Vec<u8>>) -> Result<Map<String, Value>> {
    let Some(bytes) = bytes else {
        return Err(Error::usage(format!("the parameter file `{path}` is not there"))
            .with_hint(format!("{MANIFEST} names it in `params`")));
    };
    let what = format!("the parameter file `{path}`");
    match parse_file(path, &bytes, &what)? {
        Value::Object(values) => Ok(values),
        Value::Null => Ok(Map::new()),
        _ => Err(Error::usage(format!("{what}: it must be a table of names and values"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::project::Manifest;

    fn params(value: Value) -> Params {
        let mut params = Params::default();
        params.extend(value.as_object().unwrap(), "test").unwrap();
        params
    }

    fn step(text: &str) -> Step {
        Manifest::parse(format!("[step.a]\n{text}").as_bytes()).unwrap().steps.remove(0)
    }

    #[test]
    fn a_step_gets_what_it_names_and_what_its_command_uses() {
        let params = params(json!({ "train": { "trees": 3, "depth": 2 }, "seed": 7, "other": 1 }));

        let chosen = params.of_step(&step("cmd='x ${seed} ${HOME} $$ $${other}'\nparams=['train']")).unwrap();

        assert_eq!(chosen.keys().collect::<Vec<_>>(), ["seed", "train.depth", "train.trees"]);
        assert_eq!(nested(&chosen), json!({ "seed": 7, "train": { "depth": 2, "trees": 3 } }));
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
        let params = params(json!({ "train": { "trees": 3 } }));
        for text in ["cmd='x'\nparams=['train.tree']", "cmd='x ${train.tree}'"] {
            let error = params.of_step(&step(text)).unwrap_err();
            assert!(error.to_string().contains("(mlx.toml, line 1)"), "{error}");
            assert_eq!(error.hint(), Some("did you mean `train.trees`?"));
        }
    }

    #[test]
    fn values_of_the_command_line_keep_the_kind_of_the_parameter() {
        let mut params = params(json!({ "n": 1, "s": "a", "g": { "x": [1] } }));
        for setting in ["n=1_000", "s=3.11", "g.x=[1, 'b']"] {
            params.set(setting).unwrap();
        }

        assert_eq!(params.0["n"], json!(1000));
        assert_eq!(params.0["s"], json!("3.11"));
        assert_eq!(params.0["g.x"], json!([1, "b"]));
        params.set("n=much").unwrap();
        assert_eq!(params.0["n"], json!("much"));
        assert!(params.set("g=1").unwrap_err().hint().unwrap().contains("`g.x`"));
        assert!(params.set("m=1").unwrap_err().hint().unwrap().contains("`n`"));
    }

    #[test]
    fn no_value_becomes_a_part_of_the_command() {
        let params = BTreeMap::from([("a.b".to_owned(), json!("x; rm -rf /")), ("n".to_owned(), json!(0.5))]);

        assert_eq!(
            fill("p ${n} \"${a.b}\" $${n} ${HOME%/} ${X}", &params),
            "p 0.5 \"${MLX_PARAM_A_B}\" $${n} ${HOME%/} ${X}"
        );
    }

    #[test]
    fn parameters_that_share_a_variable_are_refused() {
        let params = params(json!({ "a": { "b": 1 }, "a_b": 2 }));

        assert!(
            params.of_step(&step("cmd='x'\nparams=['a', 'a_b']")).unwrap_err().to_string().contains("MLX_PARAM_A_B")
        );
    }
}
