//! Runs for other programs: JSON with everything, or a table of parameters and metrics.

use std::collections::BTreeSet;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::{Label, Run};
use crate::Result;

/// A run with what is said of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exported {
    #[serde(flatten)]
    pub run: Run,
    #[serde(flatten)]
    pub label: Label,
}

/// The runs as one JSON array.
pub fn to_json(runs: &[Exported]) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(runs).context("cannot write the runs as JSON")?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The runs as CSV: a column for each parameter (`param.NAME`) and each metric (`metric.NAME`) that any of them has.
pub fn to_csv(runs: &[Exported]) -> Result<Vec<u8>> {
    let params: BTreeSet<&String> = runs.iter().flat_map(|exported| exported.run.params.keys()).collect();
    let metrics: BTreeSet<&String> = runs.iter().flat_map(|exported| exported.run.metrics.keys()).collect();
    let fixed = ["id", "name", "tags", "note", "status", "started", "seconds", "user", "host", "commit"];
    let cannot = "cannot write the runs as CSV";
    let mut writer = csv::Writer::from_writer(Vec::new());
    let named =
        params.iter().map(|name| format!("param.{name}")).chain(metrics.iter().map(|name| format!("metric.{name}")));
    writer.write_record(fixed.iter().map(ToString::to_string).chain(named)).context(cannot)?;
    for Exported { run, label } in runs {
        let mut cells = vec![
            run.id.to_string(),
            label.name.clone().unwrap_or_default(),
            label.tags.iter().cloned().collect::<Vec<_>>().join(" "),
            label.note.clone().unwrap_or_default(),
            run.status.word().to_owned(),
            run.started.to_string(),
            run.seconds().map_or(String::new(), |seconds| seconds.to_string()),
            run.user.clone(),
            run.host.name.clone(),
            run.commit.clone().unwrap_or_default(),
        ];
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        cells.extend(params.iter().map(|name| run.params.get(*name).map_or(String::new(), text)));
        cells.extend(metrics.iter().map(|name| run.metrics.get(*name).map_or(String::new(), ToString::to_string)));
        writer.write_record(&cells).context(cannot)?;
    }
    Ok(writer.into_inner().context(cannot)?)
}
