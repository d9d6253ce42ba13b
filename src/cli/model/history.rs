//! `mlx model history`: everything that was done with the versions of a model.

use std::io;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::minute;
use super::super::{Context, Render, Table, Text};
use crate::Result;
use crate::fs::escape;
use crate::registry::{Action, Event, Reference, Version, Which};
use crate::store::Store;

/// Show everything that was done with the versions of a model
///
/// Who registered, promoted, tagged, archived or removed which version, and why; the oldest first.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx model history churn\n  mlx model history churn --json | jq '.events[] | select(.action == \"promoted\")'"
)]
pub struct History {
    /// Model in question
    #[arg(value_name = "MODEL")]
    model: String,
}

impl History {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let registry = cx.registry(&project, &Store::of(&project)?)?;
        let versions = registry.versions(&self.model)?;
        let state = registry.state(&self.model)?;
        if versions.is_empty() && state.events.is_empty() {
            registry.find(&Reference { model: self.model.clone(), which: Which::Newest })?;
        }
        let registered = versions.into_iter().map(Registered::of).collect();
        cx.out.show(&Shown { model: self.model, registered, events: state.events })
    }
}

#[derive(Serialize)]
struct Shown {
    model: String,
    registered: Vec<Registered>,
    /// What was done later, in the order in which it was done.
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Registered {
    version: u64,
    when: Timestamp,
    who: String,
}

impl Registered {
    fn of(version: Version) -> Self {
        Self { version: version.version, when: version.created, who: version.created_by }
    }
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let registered = self.registered.iter().map(|Registered { version, when, who }| {
            (*when, [minute(*when), version.to_string(), "registered".into(), escape(who.as_bytes()), String::new()])
        });
        let done = self.events.iter().map(|event| {
            let Event { when, who, why, action } = event;
            let why = why.as_ref().map_or(String::new(), |why| escape(why.as_bytes()));
            let (what, more) = in_words(action);
            let why = [why, more].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
            (*when, [minute(*when), action.version().to_string(), what, escape(who.as_bytes()), why])
        });
        // Events keep their own order, which clocks that differ must not change; registrations go between them.
        let mut rows: Vec<(Timestamp, [String; 5])> = done.collect();
        for (when, row) in registered.collect::<Vec<_>>().into_iter().rev() {
            let place = rows.iter().position(|(other, _)| *other >= when).unwrap_or(rows.len());
            rows.insert(place, (when, row));
        }
        let mut table = Table::new(["when (UTC)", "version", "what", "who", "why"]).right([1]);
        rows.into_iter().for_each(|(_, row)| table.row(row));
        table.render(out)
    }
}

/// What was done, and what else there is to say.
fn in_words(action: &Action) -> (String, String) {
    let tags = |tags: &std::collections::BTreeSet<String>| {
        tags.iter().map(|tag| escape(tag.as_bytes())).collect::<Vec<_>>().join(", ")
    };
    let what = match action {
        Action::Promoted { alias, from, overridden, .. } => {
            let from = from.map_or(String::new(), |from| format!(" (before: {from})"));
            let forced = match overridden.is_empty() {
                true => String::new(),
                false => format!("in spite of: {}", escape(overridden.join("; ").as_bytes())),
            };
            return (format!("promoted to @{}{from}", escape(alias.as_bytes())), forced);
        }
        Action::Demoted { alias, .. } => format!("lost @{}", escape(alias.as_bytes())),
        Action::Described { description: Some(text), .. } => {
            return ("described".into(), escape(text.as_bytes()));
        }
        Action::Described { description: None, .. } => "description taken away".into(),
        Action::Tagged { tags: given, .. } => format!("tagged {}", tags(given)),
        Action::Untagged { tags: taken, .. } => format!("lost the tags {}", tags(taken)),
        Action::Archived { .. } => "archived".into(),
        Action::Restored { .. } => "restored".into(),
        Action::Removed { .. } => "removed".into(),
    };
    (what, String::new())
}
