//! A place for releases, as `[target.NAME]` says it.

use std::time::Duration;

use crate::Result;
use crate::project::reader::{Item, Table};

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
}

impl Default for Health {
    fn default() -> Self {
        Self { url: None, path: "/v2/health/ready".into(), timeout: Duration::from_secs(30) }
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
            table.finish()?;
        }
        table.finish()?;
        Ok(Self { url, model, health, place })
    }
}
