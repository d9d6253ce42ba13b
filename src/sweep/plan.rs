//! The plan of a sweep: what the manifest and the command line say together, checked before anything begins.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::strategy::{DIMENSIONS, GRID_LIMIT, Values};
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::pipeline::Materials;
use crate::project::manifest::{Goal, Strategy, Sweep};
use crate::project::space::{Domain, SpaceError};
use crate::{Error, Result};

/// What decides the trials of a sweep. It is written down when the sweep begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What chooses the values; never [`Strategy::Asha`], which stands in `rungs`.
    pub strategy: Strategy,
    pub params: Vec<(String, Domain)>,
    /// The combinations of [`Strategy::List`], in the order of `params`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Values>,
    /// Where trials are stopped early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rungs: Option<Rungs>,
    pub trials: u64,
    pub seed: u64,
    pub metric: Option<String>,
    pub goal: Goal,
    /// As they were named; all where none was.
    pub steps: Vec<String>,
}

/// At which steps of a metric's history trials are compared: at `min`, and at every further one that is `reduction` times
/// the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rungs {
    pub min: u64,
    pub max: Option<u64>,
    pub reduction: u64,
}

/// What the command line says; it comes before the manifest.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `KEY=VALUES` texts.
    pub settings: Vec<String>,
    pub strategy: Option<Strategy>,
    pub sampler: Option<Strategy>,
    pub trials: Option<u64>,
    pub seed: Option<u64>,
    pub metric: Option<String>,
    pub goal: Option<Goal>,
    pub steps: Vec<String>,
    pub min_resource: Option<u64>,
    pub max_resource: Option<u64>,
    pub reduction: Option<u64>,
}

impl Plan {
    /// The plan of a sweep that the manifest may declare, for the steps with these materials.
    pub fn of(declared: Option<&Sweep>, request: &Request, materials: &Materials) -> Result<Self> {
        let mut params = declared.map_or(Vec::new(), |sweep| sweep.params.clone());
        let listed = declared.map_or(&[][..], |sweep| &sweep.list);
        let settings = settings(&request.settings)?;
        let is_asha = request.strategy.or(declared.and_then(|sweep| sweep.strategy)) == Some(Strategy::Asha);
        for (name, domain) in settings {
            match params.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = domain,
                None => params.push((name, domain)),
            }
        }
        check_names(
            params.iter().map(|(name, _)| name).chain(listed.iter().flatten().map(|(name, _)| name)),
            materials,
        )?;
        let list = combinations(listed, &mut params)?;
        if params.is_empty() {
            return Err(Error::usage("the sweep tries no parameter").with_hint(
                "say which values to try: `mlx sweep --set train.lr=log(1e-4..1e-1)`, or `[sweep.NAME]` in mlx.toml",
            ));
        }
        let asked = request.trials.or(declared.and_then(|sweep| sweep.trials));
        let size = params.iter().try_fold(1_u64, |size, (_, domain)| Some(size.saturating_mul(domain.count()?)));
        let by_itself = match size {
            _ if is_asha => Strategy::Random,
            _ if !list.is_empty() => Strategy::List,
            // Part of a grid is one corner of it.
            Some(size) if asked.is_none_or(|asked| asked >= size) => Strategy::Grid,
            _ => Strategy::Random,
        };
        let sampler = request.sampler.or(declared.and_then(|sweep| sweep.sampler));
        let chosen = request.strategy.or(declared.and_then(|sweep| sweep.strategy));
        let strategy = if is_asha { sampler } else { chosen }.unwrap_or(by_itself);
        if let Some(sampler) = sampler
            && (!is_asha || sampler == Strategy::Asha)
        {
            return Err(Error::usage(format!("the sampler `{sampler}` is for the strategy `asha`"))
                .with_hint(format!("choose it itself: `--strategy {sampler}`")));
        }
        let number = |asked: Option<u64>, of: fn(&Sweep) -> Option<u64>| asked.or(declared.and_then(of));
        let rungs = Rungs {
            min: number(request.min_resource, |sweep| sweep.min_resource).unwrap_or(1),
            max: number(request.max_resource, |sweep| sweep.max_resource),
            reduction: number(request.reduction, |sweep| sweep.reduction).unwrap_or(4),
        };
        if rungs.max.is_some_and(|max| max < rungs.min) {
            return Err(Error::usage("the last step at which trials are compared comes before the first")
                .with_hint("`min_resource` must not be larger than `max_resource`"));
        }
        let list = if strategy == Strategy::List && list.is_empty() { zipped(&params)? } else { list };
        let mut plan = Self {
            strategy,
            params,
            list,
            rungs: is_asha.then_some(rungs),
            trials: 0,
            seed: number(request.seed, |sweep| sweep.seed).unwrap_or(0),
            metric: request.metric.clone().or(declared.and_then(|sweep| sweep.metric.clone())),
            goal: request.goal.or(declared.and_then(|sweep| sweep.goal)).unwrap_or(Goal::Max),
            steps: if request.steps.is_empty() {
                declared.map_or(Vec::new(), |sweep| sweep.steps.clone())
            } else {
                request.steps.clone()
            },
        };
        plan.trials = plan.trial_count(asked)?;
        plan.check()?;
        Ok(plan)
    }

    /// How many combinations there are, where they can all be tried.
    pub fn combinations(&self) -> Result<Option<u64>> {
        Ok(match self.strategy {
            Strategy::Grid => Some(self.grid_size()?),
            Strategy::List => Some(self.list.len() as u64),
            _ => None,
        })
    }

    /// How many trials there are, where so many were asked for.
    pub fn trial_count(&self, asked: Option<u64>) -> Result<u64> {
        match (asked, self.combinations()?) {
            (Some(asked), Some(there_are)) => Ok(asked.min(there_are)),
            (Some(count), None) | (None, Some(count)) => Ok(count),
            (None, None) => {
                let name = if self.rungs.is_some() { Strategy::Asha } else { self.strategy };
                Err(Error::usage(format!("the strategy `{name}` does not end by itself"))
                    .with_hint("say how many trials there should be: `--trials 50`"))
            }
        }
    }

    fn grid_size(&self) -> Result<u64> {
        let mut size = 1_u64;
        for (name, domain) in &self.params {
            let count = domain.count().ok_or_else(|| {
                Error::usage(format!("a grid needs values to count, and `{name}` has all between two ends: `{domain}`"))
                    .with_hint(format!(
                        "list some (`--set {name}=…,…`), give the range a step (`uniform(0..1 by 0.1)`), or choose \
                         `--strategy random` or `sobol`"
                    ))
            })?;
            size = size.saturating_mul(count);
        }
        if size > GRID_LIMIT {
            return Err(Error::usage(format!("a grid of these values has {size} combinations"))
                .with_hint("`--strategy random`, `sobol` or `tpe` with `--trials` tries some of them"));
        }
        Ok(size)
    }

    fn check(&self) -> Result<()> {
        if self.strategy == Strategy::Sobol && self.params.len() > DIMENSIONS {
            return Err(Error::usage(format!("a Sobol sequence has at most {DIMENSIONS} parameters"))
                .with_hint("choose `--strategy random` or `tpe`"));
        }
        let needs_metric = if self.rungs.is_some() { Some(Strategy::Asha) } else { Some(self.strategy) };
        if let (Some(strategy @ (Strategy::Tpe | Strategy::Asha)), None) = (needs_metric, &self.metric) {
            return Err(Error::usage(format!("the strategy `{strategy}` needs a metric to go by"))
                .with_hint("name one that the steps report: `--metric accuracy --goal max`"));
        }
        Ok(())
    }

    /// The values with their names, as a trial's parameters.
    pub fn named(&self, values: &Values) -> BTreeMap<String, Value> {
        self.params.iter().map(|(name, _)| name.clone()).zip(values.iter().cloned()).collect()
    }

    #[cfg(test)]
    pub fn example() -> Self {
        Self {
            strategy: Strategy::Random,
            params: Vec::new(),
            list: Vec::new(),
            rungs: None,
            trials: 10,
            seed: 0,
            metric: Some("loss".into()),
            goal: Goal::Min,
            steps: Vec::new(),
        }
    }
}

/// `train.lr=log(1e-4..1e-1)`.
fn settings(texts: &[String]) -> Result<Vec<(String, Domain)>> {
    let read = |text: &String, earlier: &[String]| {
        let shown = escape(text.as_bytes());
        let Some((name, values)) = text.split_once('=') else {
            return Err(
                Error::usage(format!("`--set {shown}` has no `=`")).with_hint("write `--set train.lr=log(1e-4..1e-1)`")
            );
        };
        let name = name.trim();
        if earlier.iter().any(|text| text.split_once('=').is_some_and(|(other, _)| other.trim() == name)) {
            return Err(Error::usage(format!("`--set` is there twice for `{}`", escape(name.as_bytes())))
                .with_hint(format!("write all values at once: `--set {name}=…,…`")));
        }
        let domain = values.parse().map_err(|error: SpaceError| {
            let hint = error.hint.clone();
            Error::usage(format!("`--set {shown}`: {error}")).with_hint(hint)
        })?;
        Ok((name.to_owned(), domain))
    };
    (0..texts.len()).map(|place| read(&texts[place], &texts[..place])).collect()
}

/// Refuses parameters that there are not, and those that no step would notice.
fn check_names<'a>(names: impl Iterator<Item = &'a String>, materials: &Materials) -> Result<()> {
    for name in names.collect::<BTreeSet<_>>() {
        let shown = escape(name.as_bytes());
        if !materials.params.contains_key(name) {
            let prefix = format!("{name}.");
            let members: Vec<&str> =
                materials.params.keys().map(String::as_str).filter(|known| known.starts_with(&prefix)).collect();
            return Err(if members.is_empty() {
                Error::usage(format!("there is no parameter `{shown}` to try values of"))
                    .with_hint(did_you_mean(name, materials.params.keys().map(String::as_str)))
            } else {
                Error::usage(format!("`{shown}` is a group of parameters")).with_hint(did_you_mean("", members))
            });
        }
        if !materials.used.contains(name) && !materials.is_templated {
            return Err(Error::usage(format!(
                "no step of the sweep uses the parameter `{shown}`, so that every trial would be the same"
            ))
            .with_hint("name it in the `params` of the step that reads it, or name the step that does"));
        }
    }
    Ok(())
}

/// The combinations of the manifest with what `--set` adds to all of them; `params` then has every value by its parameter.
fn combinations(listed: &[Vec<(String, Value)>], params: &mut Vec<(String, Domain)>) -> Result<Vec<Values>> {
    let Some(first) = listed.first() else { return Ok(Vec::new()) };
    let mut fixed = BTreeMap::new();
    for (name, domain) in params.drain(..) {
        let Domain::Choice(values) = &domain else { return Err(not_fixed(&name, &domain)) };
        let [value] = values.as_slice() else { return Err(not_fixed(&name, &domain)) };
        fixed.insert(name, value.clone());
    }
    let mut names: Vec<String> = first.iter().map(|(name, _)| name.clone()).collect();
    names.extend(fixed.keys().filter(|name| first.iter().all(|(known, _)| known != *name)).cloned());
    let value = |combination: &[(String, Value)], name: &String| {
        let listed = || combination.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        fixed.get(name).cloned().or_else(listed).unwrap_or(Value::Null)
    };
    let list: Vec<Values> =
        listed.iter().map(|combination| names.iter().map(|name| value(combination, name)).collect()).collect();
    for (place, name) in names.into_iter().enumerate() {
        let mut values: Vec<Value> = Vec::new();
        for combination in &list {
            if !values.contains(&combination[place]) {
                values.push(combination[place].clone());
            }
        }
        params.push((name, Domain::Choice(values)));
    }
    Ok(list)
}

fn not_fixed(name: &str, domain: &Domain) -> Error {
    Error::usage(format!("the sweep lists its combinations, so that `{name}` can be set to one value only: `{domain}`"))
        .with_hint("add the combinations to `list`, or begin a sweep of another name")
}

/// The first values of all parameters, the second ones, and so on; a single value is in all of them.
fn zipped(params: &[(String, Domain)]) -> Result<Vec<Values>> {
    let mut columns: Vec<&[Value]> = Vec::new();
    for (name, domain) in params {
        match domain {
            Domain::Choice(values) => columns.push(values),
            range => {
                return Err(Error::usage(format!("a list needs the values themselves: `{name}` is `{range}`"))
                    .with_hint(format!("write `--set {name}=…,…`, or choose `--strategy random`")));
            }
        }
    }
    let longest = columns.iter().map(|values| values.len()).max().unwrap_or(0);
    if let Some(place) = columns.iter().position(|values| values.len() != 1 && values.len() != longest) {
        let (name, count) = (&params[place].0, columns[place].len());
        return Err(Error::usage(format!("a list pairs values, and `{name}` has {count} where another has {longest}"))
            .with_hint("give each parameter as many values, or choose `--strategy grid` for every combination"));
    }
    let value = |values: &&[Value], row: usize| values[row.min(values.len() - 1)].clone();
    Ok((0..longest).map(|row| columns.iter().map(|values| value(values, row)).collect()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::project::Manifest;

    fn materials() -> Materials {
        let names = ["train.lr", "train.depth", "kind"];
        Materials {
            params: names.iter().chain(&["other"]).map(|name| ((*name).to_owned(), json!(1))).collect(),
            used: names.map(str::to_owned).into(),
            sources: Vec::new(),
            steps: Vec::new(),
            is_templated: false,
        }
    }

    fn plan(manifest: &str, settings: &[&str], change: impl FnOnce(&mut Request)) -> Result<Plan> {
        let manifest = Manifest::parse(manifest.as_bytes()).unwrap();
        let mut request =
            Request { settings: settings.iter().map(|text| (*text).to_owned()).collect(), ..Request::default() };
        change(&mut request);
        Plan::of(manifest.sweeps.get("a"), &request, &materials())
    }

    fn error(settings: &[&str], change: impl FnOnce(&mut Request)) -> (String, String) {
        let error = plan("", settings, change).unwrap_err();
        (error.to_string(), error.hint().unwrap_or_default().to_owned())
    }

    #[test]
    fn the_command_line_comes_before_the_manifest() {
        let manifest = "[sweep.a]\nparams = { train.lr = 'log(1e-3..1)', kind = 'a,b' }\nstrategy = 'tpe'\ntrials = 9\n\
                        metric = 'loss'\ngoal = 'min'\nsteps = ['fit']";

        let plan = plan(manifest, &["kind=c"], |request| request.trials = Some(3)).unwrap();

        assert_eq!(plan.params[1], ("kind".into(), Domain::Choice(vec![json!("c")])));
        assert_eq!((plan.trials, plan.strategy, plan.goal), (3, Strategy::Tpe, Goal::Min));
    }

    #[test]
    fn where_nothing_is_said_the_values_decide() {
        let strategy = |settings: &[&str]| plan("", settings, |request| request.trials = Some(4)).unwrap();

        assert_eq!((strategy(&["kind=a,b"]).strategy, strategy(&["kind=a,b"]).trials), (Strategy::Grid, 2));
        assert_eq!(strategy(&["kind=a,b", "train.lr=log(1e-3..1)"]).strategy, Strategy::Random);
    }

    #[test]
    fn a_list_pairs_values() {
        let zipped = |request: &mut Request| request.strategy = Some(Strategy::List);
        let plan_of = |settings: &[&str]| plan("", settings, zipped);

        let plan = plan_of(&["kind=a,b", "train.lr=1,2", "train.depth=3"]).unwrap();

        assert_eq!(plan.list, [[json!("a"), json!(1), json!(3)], [json!("b"), json!(2), json!(3)]]);
        assert!(plan_of(&["kind=a,b", "train.lr=1,2,3"]).unwrap_err().to_string().contains("`kind` has 2"));
        let listed = "[sweep.a]\nlist = [{ kind = 'a', train.lr = 1 }, { kind = 'a', train.lr = 2 }]";
        let manifest = super::tests::plan(listed, &["train.depth=5"], |_| {}).unwrap();
        assert_eq!(manifest.list[1], [json!("a"), json!(2), json!(5)]);
        assert_eq!(manifest.params[0].1, Domain::Choice(vec![json!("a")]));
    }

    #[test]
    fn what_can_not_work_is_refused_with_a_remedy() {
        let none = |_: &mut Request| {};
        let hints = |(_, hint): (String, String)| hint;

        assert!(error(&[], none).0.contains("tries no parameter"));
        assert_eq!(hints(error(&["train.rl=1,2"], none)), "did you mean `train.lr`?");
        assert!(error(&["train=1,2"], none).0.contains("group"));
        assert!(error(&["other=1,2"], none).0.contains("no step of the sweep uses the parameter `other`"));
        assert!(error(&["train.lr=log(1..x)"], none).0.starts_with("`--set train.lr=log(1..x)`: `x` is no number"));
        assert!(hints(error(&["train.lr=log(1e-3..1)"], none)).contains("--trials 50"));
        let grid = |request: &mut Request| request.strategy = Some(Strategy::Grid);
        assert!(error(&["train.lr=log(1e-3..1)"], grid).0.starts_with("a grid needs values to count"));
        assert!(
            error(&["train.lr=int(1..100000)", "train.depth=int(1..100)"], grid).0.contains("10000000 combinations")
        );
        let tpe = |request: &mut Request| (request.strategy, request.trials) = (Some(Strategy::Tpe), Some(3));
        assert!(hints(error(&["train.lr=int(1..9)"], tpe)).contains("--metric"));
    }
}
