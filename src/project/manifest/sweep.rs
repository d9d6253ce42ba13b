//! `[sweep.NAME]`: which parameters are tried, with which values, and how the next ones are chosen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::project::reader::{Item, Table};
use crate::project::space::{Domain, SpaceError};
use crate::{Error, Result};

/// A sweep as the manifest declares it; each of its keys can be given on the command line instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    pub description: Option<String>,
    /// The parameters by their dotted names, in the order of the file.
    pub params: Vec<(String, Domain)>,
    /// Explicit combinations, for [`Strategy::List`].
    pub list: Vec<Vec<(String, Value)>>,
    pub strategy: Option<Strategy>,
    /// What chooses the trials that [`Strategy::Asha`] stops early.
    pub sampler: Option<Strategy>,
    pub trials: Option<u64>,
    pub parallel: Option<u64>,
    pub seed: Option<u64>,
    pub metric: Option<String>,
    pub goal: Option<Goal>,
    /// The steps that a trial brings up to date, with all that they need; every step where none is named.
    pub steps: Vec<String>,
    /// The first step of a metric's history at which ASHA may stop a trial.
    pub min_resource: Option<u64>,
    /// The last one.
    pub max_resource: Option<u64>,
    /// One trial of so many goes on at each of these points.
    pub reduction: Option<u64>,
    /// Where it stands, for messages: `mlx.toml, line 14`.
    pub place: String,
}

/// How the values of the next trial are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Every combination.
    Grid,
    /// The combinations that were listed.
    List,
    /// By chance.
    Random,
    /// Evenly spread over all parameters at once.
    Sobol,
    /// Near what was good so far: a tree-structured Parzen estimator.
    Tpe,
    /// As another strategy chooses; who falls behind is stopped early.
    Asha,
}

impl Strategy {
    pub const ALL: [Self; 6] = [Self::Grid, Self::List, Self::Random, Self::Sobol, Self::Tpe, Self::Asha];

    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::List => "list",
            Self::Random => "random",
            Self::Sobol => "sobol",
            Self::Tpe => "tpe",
            Self::Asha => "asha",
        }
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name);
            format!(
                "`{}` is no strategy; {}",
                crate::fs::escape(text.as_bytes()),
                crate::error::did_you_mean(text, known)
            )
        })
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which end of the metric is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    Max,
    Min,
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self::Max),
            "min" => Ok(Self::Min),
            _ => Err(format!("`{}` is no goal; it is \"max\" or \"min\"", crate::fs::escape(text.as_bytes()))),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if *self == Self::Max { "max" } else { "min" })
    }
}

impl Sweep {
    pub(super) fn of(mut table: Table<'_>) -> Result<Self> {
        let place = table.place();
        let description = table.take("description").map(Item::string).transpose()?;
        let mut params = Vec::new();
        if let Some(item) = table.take("params") {
            domains("", item.table("`params`".into())?, &mut params)?;
        }
        let mut list = Vec::new();
        if let Some(item) = table.take("list") {
            for combination in item.items()? {
                let mut values = Vec::new();
                flat_values("", combination.table("a combination of `list`".into())?, &mut values)?;
                list.push(values);
            }
        }
        if let Some(combination) = list.iter().find(|values| !names(values).eq(names(&list[0]))) {
            let (first, other) = (quoted(names(&list[0])), quoted(names(combination)));
            return Err(table.error(format!("has combinations of different parameters: {first}, but also {other}")));
        }
        if !list.is_empty() && !params.is_empty() {
            return Err(table.error("has both `params` and `list`").with_hint("keep the one that says what you mean"));
        }
        let mut number = |key, minimum| table.take(key).map(|item| item.integer(minimum)).transpose();
        let (trials, parallel, seed) = (number("trials", 1)?, number("parallel", 1)?, number("seed", 0)?);
        let (min_resource, max_resource) = (number("min_resource", 1)?, number("max_resource", 1)?);
        let reduction = number("reduction", 2)?;
        let strategy = table.take("strategy").map(word).transpose()?;
        let sampler = table.take("sampler").map(word).transpose()?;
        let metric = table.take("metric").map(Item::string).transpose()?;
        let goal = table.take("goal").map(word).transpose()?;
        let steps = table.take("steps").map_or(Ok(Vec::new()), Item::strings)?;
        table.finish()?;
        Ok(Self {
            description,
            params,
            list,
            strategy,
            sampler,
            trials,
            parallel,
            seed,
            metric,
            goal,
            steps,
            min_resource,
            max_resource,
            reduction,
            place,
        })
    }
}

fn names(values: &[(String, Value)]) -> impl Iterator<Item = &String> {
    values.iter().map(|(name, _)| name)
}

fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn word<T: FromStr<Err = String>>(item: Item<'_>) -> Result<T> {
    let place = item.place();
    item.string()?.parse().map_err(|message| Error::usage(format!("{message} ({place})")))
}

/// Tables are groups of parameters, texts are read as `--set` reads them, and arrays are the values to try.
fn domains(prefix: &str, table: Table<'_>, params: &mut Vec<(String, Domain)>) -> Result<()> {
    for (key, item) in table.into_entries() {
        let name = below(prefix, &key);
        if item.is_table() {
            domains(&name, item.table(format!("`{name}`"))?, params)?;
            continue;
        }
        let place = item.place();
        let named = |error: SpaceError| {
            let hint = error.hint.clone();
            Error::usage(format!("`{}`: {error} ({place})", crate::fs::escape(name.as_bytes()))).with_hint(hint)
        };
        let domain = match item.is_string() {
            true => item.string()?.parse().map_err(named)?,
            false => match item.json()? {
                Value::Array(values) => Domain::of_values(values).map_err(named)?,
                value => Domain::Choice(vec![value]),
            },
        };
        params.push((name, domain));
    }
    Ok(())
}

/// The values of one combination, sorted by name.
fn flat_values(prefix: &str, table: Table<'_>, values: &mut Vec<(String, Value)>) -> Result<()> {
    for (key, item) in table.into_entries() {
        let name = below(prefix, &key);
        match item.is_table() {
            true => flat_values(&name, item.table(format!("`{name}`"))?, values)?,
            false => values.push((name, item.json()?)),
        }
    }
    values.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(())
}

fn below(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::project::Manifest;

    fn sweep(text: &str) -> Result<Sweep> {
        let mut manifest = Manifest::parse(format!("[sweep.a]\n{text}").as_bytes())?;
        Ok(manifest.sweeps.remove("a").unwrap())
    }

    #[test]
    fn params_are_read_as_on_the_command_line() {
        let sweep = sweep(
            "params = { train.lr = 'log(1e-4..1e-1)', \"train.depth\" = [3, 5], kind = 'a,b', n = 3 }\n\
             strategy = 'tpe'\ngoal = 'min'\n",
        )
        .unwrap();

        let texts: Vec<String> = sweep.params.iter().map(|(name, domain)| format!("{name} {domain}")).collect();
        assert_eq!(texts, ["train.lr log(0.0001..0.1)", "train.depth [3,5]", "kind [\"a\",\"b\"]", "n [3]"]);
        assert_eq!((sweep.strategy, sweep.goal), (Some(Strategy::Tpe), Some(Goal::Min)));
    }

    #[test]
    fn combinations_name_the_same_parameters() {
        let read = sweep("list = [{ train.lr = 0.1, n = 1 }, { n = 2, train.lr = 0.2 }]").unwrap();
        assert_eq!(read.list[1], [("n".to_owned(), json!(2)), ("train.lr".to_owned(), json!(0.2))]);

        let error = sweep("list = [{ n = 1 }, { m = 2 }]").unwrap_err().to_string();
        assert_eq!(error, "sweep `a` has combinations of different parameters: `n`, but also `m` (mlx.toml, line 1)");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let error = |text: &str| sweep(text).unwrap_err().to_string();

        assert_eq!(
            error("params.lr = 'log(0..1)'"),
            "`lr`: a logarithm needs numbers above zero: `log(0..1)` (mlx.toml, line 2)"
        );
        assert_eq!(error("strategy = 'tpee'"), "`tpee` is no strategy; did you mean `tpe`? (mlx.toml, line 2)");
        assert_eq!(error("trials = 0"), "`trials` in sweep `a`: expected a whole number from 1 up (mlx.toml, line 2)");
    }
}
