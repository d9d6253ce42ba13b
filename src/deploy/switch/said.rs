//! What is said of a release that did not become live, or does not do well: what happened, who answers now, and what to do.

use super::Switch;
use crate::deploy::history::Action;
use crate::{Digest, Error, Kind};

impl Switch<'_> {
    /// The error of a release that did not pass its probe.
    pub(super) fn refusal(&self, before: Option<Digest>, why: &str, last_lines: &[String]) -> Error {
        let Self { order, description, release, .. } = self;
        let model = &description.model;
        let mut message =
            format!("`{}` {} ({}) does not answer and is not live: {why}", model.name, model.version, release.short());
        if !last_lines.is_empty() {
            message += "\n  last lines of its server:";
            last_lines.iter().for_each(|line| message += &format!("\n    {line}"));
        }
        message += &match before {
            Some(old) => format!("\n  `{}` serves {} as before", order.name, self.named(&old)),
            None => format!("\n  nothing is live on `{}`, as before", order.name),
        };
        Error::check(message).with_hint(match self.action {
            Action::Deploy => "try it here with `mlx serve`, mend the model and deploy again".into(),
            Action::Rollback => {
                format!("`mlx deploy {} {}:{}` brings it there again, whole", order.name, model.name, model.version)
            }
        })
    }

    /// The error of a target whose own server does not answer for the release.
    pub(super) fn silent(&self, front: &str, why: &str, end: &str) -> Error {
        let Self { order, description, .. } = self;
        let model = &description.model;
        Error::check(format!(
            "`{}` {} is on `{}`, but {front} does not answer for it: {why}\n  {end}",
            model.name, model.version, order.name
        ))
        .with_hint(match (&order.check.health.url, self.target.where_to_look()) {
            (None, Some(place)) => place,
            _ => format!("look at the server there; `mlx serve {}` is one", order.name),
        })
    }

    /// The error of a release that did not do well while it was watched.
    pub(super) fn watched_badly(&self, why: &str, end: &str) -> Error {
        let Self { order, description, .. } = self;
        let model = &description.model;
        Error::check(format!(
            "`{}` {} on `{}` was watched and does not do well: {why}\n  {end}",
            model.name, model.version, order.name
        ))
        .with_hint("the log of the server there says what failed")
    }

    /// The error of a release that was to be watched: `now` says what it is, `remedy` what a rollback does, where it does
    /// something.
    pub(super) fn unwatched(&self, error: Error, now: &str, remedy: Option<&str>) -> Error {
        let Self { order, description, .. } = self;
        let (model, name) = (&description.model, order.name);
        let what = format!("`{}` {} {now} `{name}`, and was not watched to the end", model.name, model.version);
        let error = match error.kind() {
            // Its own hint says that the same command goes on.
            Kind::Interrupted => Error::new(Kind::Interrupted, anyhow::Error::msg(format!("interrupted; {what}"))),
            _ => error.context(what),
        };
        match remedy {
            Some(remedy) => error.with_hint(format!("`mlx rollback {name}` {remedy}, if that is wanted")),
            None => error,
        }
    }

    /// What went wrong once the release was live.
    pub(super) fn after_the_fact(&self, error: Error) -> Error {
        let Self { order, description, .. } = self;
        let (model, name) = (&description.model, order.name);
        let error = error.context(format!("`{}` {} is live on `{name}`", model.name, model.version));
        match self.way_back() {
            Some(_) => error.with_hint(format!("`mlx rollback {name}` goes back, if that is wanted")),
            None => error,
        }
    }

    /// A release by model and version where it says them.
    pub(super) fn named(&self, release: &Digest) -> String {
        match self.target.description(release) {
            Ok(Some(description)) => {
                format!("`{}` {} ({})", description.model.name, description.model.version, release.short())
            }
            _ => format!("release {}", release.short()),
        }
    }
}
