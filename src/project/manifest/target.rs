//! A place for releases, as `[target.NAME]` says it.

use std::time::Duration;

use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// A place that holds releases.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub url: String,
    /// What is deployed where the command does not say: `churn@production`.
    pub model: Option<String>,
    pub health: Health,
    pub place: String,
}

/// How a target's release is asked whether it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// Where the live server of the target listens, such as `http://127.0.0.1:8080`; asked after the switch.
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

impl Target {
    /// Reads `[target.NAME]`.
    pub(super) fn of(mut table: Table<'_>) -> Result<Self> {
        let place = table.place();
        let url = table.require("url")?.string()?;
        let model = table.take("model").map(Item::string).transpose()?;
        let mut health = Health::default();
        if let Some(item) = table.take("health") {
            let mut table = item.table("`health`".into())?;
            health.url = table.take("url").map(Item::string).transpose()?;
            health.path = table.take("path").map_or(Ok(health.path), Item::string)?;
            health.timeout = table.take("timeout").map_or(Ok(health.timeout), Item::duration)?;
            health.watch = table.take("watch").map(Item::duration).transpose()?;
            health.errors = table.take("errors").map_or(Ok(health.errors), share)?;
            if health.watch.is_some() && health.url.is_none() {
                return Err(table.error("has a `watch`, and no `url` of the server that is to be watched"));
            }
            table.finish()?;
        }
        table.finish()?;
        Ok(Self { url, model, health, place })
    }
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
