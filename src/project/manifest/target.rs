//! A place for releases, as `[target.NAME]` says it, over the targets that it names as its base.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::{self, Cluster};
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::project::ProjectPath;
use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// A place that holds releases.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub url: String,
    /// What is deployed where the command does not say: `churn@production`.
    pub model: Option<String>,
    pub health: Health,
    /// Whether releases are served there: mlx is put there too, and tries a release before it becomes live.
    pub serve: bool,
    /// How many releases stay there, the live one among them; all of them where nothing is said.
    pub keep: Option<u64>,
    /// Commands that run here before the target is changed, and after a release became live.
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// What lets us in, by key: `user`, `password`, `token`, `key_file`, `profile`, `region`, `endpoint`, `account`.
    pub auth: BTreeMap<String, Setting>,
    pub require: Require,
    /// The cluster that serves what the registry at `url` holds, where the target is one of Kubernetes.
    pub cluster: Option<Box<Cluster>>,
    pub place: String,
}

/// A value that may stand in the manifest, or where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    Text(String),
    Secret(Secret),
}

/// Where a secret is; the manifest never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// A variable of the environment.
    Env(String),
    /// A file, absolute, from `~/` on, or relative to the project.
    File(String),
    /// What this command prints.
    Command(String),
}

/// What a target demands of a bundle.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Require {
    /// The public key, in a file of the project, whose holder must have signed it.
    pub signature: Option<ProjectPath>,
}

/// How a target's release is asked whether it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Where the live server of the target listens, such as `http://127.0.0.1:8080`; asked from here after the switch.
    pub url: Option<String>,
    /// The path asked for, `/v2/health/ready` by default.
    pub path: String,
    /// How long it may take until the answer is yes; 30 s by default.
    pub timeout: Duration,
    /// How long the server at `url` is watched after the switch; not at all by default.
    pub watch: Option<Duration>,
    /// Which part of the requests may fail while it is watched, from 0 to 1; 0.01 by default.
    pub errors: f64,
}

impl Default for Health {
    fn default() -> Self {
        Self { url: None, path: "/v2/health/ready".into(), timeout: Duration::from_secs(30), watch: None, errors: 0.01 }
    }
}

/// Keys of `auth`; the secret ones are never written out.
const OPEN_KEYS: [&str; 6] = ["user", "key_file", "profile", "region", "endpoint", "account"];
const SECRET_KEYS: [&str; 2] = ["password", "token"];
/// So long a release of Kubernetes may take: its image is fetched, and its pods are started.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(300);
/// Bases may have bases; more of them nobody can follow.
const DEEPEST: usize = 8;

/// Reads `[target]`: the targets by name. One that others name as their base may have no URL, and then is none itself.
pub(super) fn read(entries: Vec<(String, Item<'_>)>) -> Result<BTreeMap<String, Target>> {
    let mut written = BTreeMap::new();
    for (name, item) in entries {
        let table = item.table(format!("target `{name}`"))?;
        written.insert(name, Written::of(table)?);
    }
    let is_base = |name: &str| written.values().any(|target| target.base.as_deref() == Some(name));
    let mut targets = BTreeMap::new();
    for (name, target) in &written {
        let target = target.over_bases(name, &written)?;
        let is_reached = target.health_url.is_some() || target.kind.is_some();
        if target.watch().is_some() && !is_reached && target.url.is_some() {
            let place = &target.place;
            return Err(Error::usage(format!(
                "`health` of target `{name}` has a `watch`, and no `url` of the server that is to be watched ({place})"
            )));
        }
        match target.url {
            Some(_) => drop(targets.insert(name.clone(), target.into_target(name)?)),
            None if is_base(name) => {}
            None => return Err(Error::usage(format!("target `{name}` has no `url` ({})", target.place))),
        }
    }
    Ok(targets)
}

/// What a table says itself.
#[derive(Debug, Clone, Default)]
struct Written {
    base: Option<String>,
    kind: Option<String>,
    url: Option<String>,
    model: Option<String>,
    health_url: Option<String>,
    health_path: Option<String>,
    health_timeout: Option<Duration>,
    health_watch: Option<Duration>,
    health_errors: Option<f64>,
    serve: Option<bool>,
    keep: Option<u64>,
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
    auth: BTreeMap<String, Setting>,
    signature: Option<ProjectPath>,
    cluster: cluster::Written,
    place: String,
}

impl Written {
    fn of(mut table: Table<'_>) -> Result<Self> {
        let place = table.place();
        let mut text = |key| table.take(key).map(Item::string).transpose();
        let (base, url, model) = (text("base")?, text("url")?, text("model")?);
        let kind = table.take("kind").map(kind).transpose()?;
        let cluster = cluster::Written::take(&mut table, kind.is_some())?;
        let mut written = Self { base, kind, url, model, cluster, place, ..Self::default() };
        if let Some(item) = table.take("health") {
            let mut table = item.table("`health`".into())?;
            written.health_url = table.take("url").map(Item::string).transpose()?;
            written.health_path = table.take("path").map(Item::string).transpose()?;
            written.health_timeout = table.take("timeout").map(Item::duration).transpose()?;
            written.health_watch = table.take("watch").map(Item::duration_or_zero).transpose()?;
            written.health_errors = table.take("errors").map(share).transpose()?;
            table.finish()?;
        }
        written.serve = table.take("serve").map(Item::boolean).transpose()?;
        written.keep = table.take("keep").map(|item| item.integer(2)).transpose()?;
        written.before = table.take("before").map(commands).transpose()?;
        written.after = table.take("after").map(commands).transpose()?;
        if let Some(item) = table.take("auth") {
            written.auth = auth(item.table("`auth`".into())?)?;
        }
        if let Some(item) = table.take("require") {
            let mut table = item.table("`require`".into())?;
            written.signature = table.take("signature").map(Item::path).transpose()?;
            table.finish()?;
        }
        table.finish()?;
        Ok(written)
    }

    /// With what the bases say where this says nothing.
    fn over_bases(&self, name: &str, all: &BTreeMap<String, Self>) -> Result<Self> {
        let mut merged = self.clone();
        let mut next = self.base.as_deref();
        for _ in 0..DEEPEST {
            let Some(base) = next else { return Ok(merged) };
            let below = all.get(base).ok_or_else(|| {
                let shown = escape(base.as_bytes());
                Error::usage(format!("target `{name}` names the base `{shown}`, which there is not ({})", self.place))
                    .with_hint(did_you_mean(base, all.keys().map(String::as_str)))
            })?;
            merged = merged.over(below);
            next = below.base.as_deref();
        }
        Err(Error::usage(format!("the bases of target `{name}` go in a circle, or are too many ({})", self.place)))
    }

    fn over(self, base: &Self) -> Self {
        let mut auth = base.auth.clone();
        auth.extend(self.auth);
        Self {
            base: self.base,
            kind: self.kind.or_else(|| base.kind.clone()),
            url: self.url.or_else(|| base.url.clone()),
            model: self.model.or_else(|| base.model.clone()),
            health_url: self.health_url.or_else(|| base.health_url.clone()),
            health_path: self.health_path.or_else(|| base.health_path.clone()),
            health_timeout: self.health_timeout.or(base.health_timeout),
            health_watch: self.health_watch.or(base.health_watch),
            health_errors: self.health_errors.or(base.health_errors),
            serve: self.serve.or(base.serve),
            keep: self.keep.or(base.keep),
            before: self.before.or_else(|| base.before.clone()),
            after: self.after.or_else(|| base.after.clone()),
            auth,
            signature: self.signature.or_else(|| base.signature.clone()),
            cluster: self.cluster.over(&base.cluster),
            place: self.place,
        }
    }

    /// How long it is watched; zero where a base says how long and this one does not want to be.
    fn watch(&self) -> Option<Duration> {
        self.health_watch.filter(|watch| !watch.is_zero())
    }

    fn into_target(self, name: &str) -> Result<Target> {
        let (place, watch) = (&self.place, self.watch());
        let cluster = match (&self.kind, &self.cluster.first) {
            (Some(_), _) => Some(Box::new(self.cluster.into_cluster(name, place)?)),
            (None, Some((key, place))) => {
                return Err(Error::usage(format!("`{key}` is for `kind = \"{}\"` ({place})", cluster::KIND))
                    .with_hint(format!("say that target `{name}` is of that kind, or leave the key out")));
            }
            (None, None) => None,
        };
        if cluster.is_some() && !self.url.as_ref().is_some_and(|url| url.starts_with("oci://")) {
            return Err(Error::usage(format!("target `{name}` has no `url` of a registry ({place})")).with_hint(
                "it is where the cluster fetches images from: `url = \"oci://registry.example/models/churn\"`",
            ));
        }
        let default = Health::default();
        let usual = if cluster.is_some() { CLUSTER_TIMEOUT } else { default.timeout };
        Ok(Target {
            url: self.url.unwrap_or_default(),
            model: self.model,
            health: Health {
                url: self.health_url,
                path: self.health_path.unwrap_or(default.path),
                timeout: self.health_timeout.unwrap_or(usual),
                watch,
                errors: self.health_errors.unwrap_or(default.errors),
            },
            serve: self.serve.unwrap_or_default(),
            keep: self.keep,
            before: self.before.unwrap_or_default(),
            after: self.after.unwrap_or_default(),
            auth: self.auth,
            require: Require { signature: self.signature },
            cluster,
            place: self.place,
        })
    }
}

fn kind(item: Item<'_>) -> Result<String> {
    let place = item.place();
    let kind = item.string()?;
    if kind == cluster::KIND {
        return Ok(kind);
    }
    Err(Error::usage(format!("there is no kind of targets `{}` ({place})", escape(kind.as_bytes()))).with_hint(
        format!("`{}` is the only one that is named; of any other the `url` says what it is", cluster::KIND),
    ))
}

/// `"1%"` as a part of one.
fn share(item: Item<'_>) -> Result<f64> {
    let place = item.place();
    let text = item.string()?;
    let percent = text.trim().strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok());
    match percent {
        Some(percent @ 0.0..=100.0) => Ok(percent / 100.0),
        _ => Err(Error::usage(format!("`errors` is no part of the requests ({place})"))
            .with_hint("write it in per cent: \"1%\"")),
    }
}

/// One command or several.
fn commands(item: Item<'_>) -> Result<Vec<String>> {
    if item.is_string() { Ok(vec![item.string()?]) } else { item.strings() }
}

fn auth(mut table: Table<'_>) -> Result<BTreeMap<String, Setting>> {
    let mut auth = BTreeMap::new();
    for key in OPEN_KEYS {
        if let Some(item) = table.take(key) {
            auth.insert(key.to_owned(), Setting::Text(item.string()?));
        }
    }
    for key in SECRET_KEYS {
        if let Some(item) = table.take(key) {
            auth.insert(key.to_owned(), Setting::Secret(secret(item, key)?));
        }
    }
    table.finish()?;
    Ok(auth)
}

fn secret(item: Item<'_>, key: &str) -> Result<Secret> {
    if item.is_string() {
        let hint =
            format!("write `{key} = {{ env = \"VARIABLE\" }}`, `{{ file = \"PATH\" }}` or `{{ command = \"…\" }}`");
        return Err(item.error("a secret does not belong into the manifest").with_hint(hint));
    }
    let mut table = item.table(format!("`{key}`"))?;
    let mut text = |key| table.take(key).map(Item::string).transpose();
    let places = (text("env")?, text("file")?, text("command")?);
    let secret = match places {
        (Some(variable), None, None) => Secret::Env(variable),
        (None, Some(file), None) => Secret::File(file),
        (None, None, Some(command)) => Secret::Command(command),
        _ => {
            table.check()?;
            return Err(table.error("must say one of `env`, `file` and `command`"));
        }
    };
    table.finish()?;
    Ok(secret)
}
