//! A canary: a release that answers a part of the requests beside the live one, until it is made live or ended.

use serde::Serialize;

use super::{Deployed, Order, RolledBack, Switch};
use crate::bundle::Bundle;
use crate::deploy::history::{Action, Outcome};
use crate::deploy::split::{self, Split};
use crate::deploy::{Answer, Candidate, Plan, Target, gone, plan};
use crate::event::Watch;
use crate::fs::escape;
use crate::{Digest, Error, Result};

/// What a canary would change: who answers which part of the requests, and what differs between the two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryPlan {
    /// Of each hundred requests the release would answer so many, and the live one the rest.
    pub canary: u8,
    /// The canary that there is now.
    pub canary_before: Option<Split>,
    /// Whether that is the same release, whole, of which only the part changes.
    #[serde(skip)]
    is_known: bool,
    #[serde(flatten)]
    pub plan: Plan,
}

impl CanaryPlan {
    /// Whether there is nothing to do: the release has that part already, or all of them.
    pub fn is_done(&self) -> bool {
        let has_part = self.canary_before.as_ref().is_some_and(|before| before.percent == self.canary);
        self.plan.is_live() || (self.is_known && has_part)
    }
}

/// Computes what giving the bundle so many of each hundred requests would change, on the target of this name.
///
/// # Errors
/// Nothing is live there, or the target can't give that part.
pub fn plan_canary(target: &dyn Target, candidate: &Candidate<'_>, percent: u8, name: &str) -> Result<CanaryPlan> {
    let plan = plan(target, candidate)?;
    let Some(live) = plan.live.as_ref().map(|live| live.release) else {
        return Err(Error::usage(format!("nothing is live on `{name}` that a canary could stand beside"))
            .with_hint(format!("make it live: `mlx deploy {name}` without `--canary`")));
    };
    // A split that can't be read is written anew.
    let before = split::canary(target, Some(&live)).ok().flatten();
    let is_same = before.as_ref().is_some_and(|split| split.release == candidate.release);
    let is_known = is_same && plan.upload.is_empty() && target.is_whole(candidate)?;
    let planned = CanaryPlan { canary: percent, canary_before: before, is_known, plan };
    if !planned.is_done() {
        target.check_canary(percent)?;
    }
    Ok(planned)
}

/// Has the bundle answer so many of each hundred requests beside the live release, on servers that follow the target. It is
/// uploaded and asked as for [`super::deploy`].
pub fn deploy_canary(
    target: &dyn Target,
    bundle: &Bundle,
    percent: u8,
    order: &Order<'_>,
    watch: Watch<'_>,
) -> Result<Deployed> {
    let _alone = target.lock(&format!("mlx deploy by {}", escape(order.who.as_bytes())))?;
    let (release, description) = (bundle.digest(), bundle.description());
    let planned = plan_canary(target, &bundle.into(), percent, order.name)?;
    let (is_done, is_known, plan) = (planned.is_done(), planned.is_known, planned.plan);
    let live = plan.live.as_ref().map(|live| live.release);
    let canary = (!plan.is_live()).then_some(percent);
    let done = |changed| Deployed { target: order.name.to_owned(), changed, canary, back: None, plan };
    if is_done {
        return Ok(done(false));
    }
    let was_there = target.releases()?.contains(&release);
    let switch = Switch { target, order, action: Action::Deploy, release, description, watch };
    switch.noting_failure(|| switch.run_hooks(order.hooks.before))?;
    if !is_known {
        switch.noting_failure(|| target.upload(bundle, watch))?;
        switch.settling(|| switch.probe(live, !was_there))?;
    }
    watch.interrupt.check()?;
    switch.noting_failure(|| target.divert(Some(&Split::new(release, percent, order.who))))?;
    switch.note(live, Outcome::Canary, Some(&format!("{percent} % of the requests")));
    let health = order.check.health;
    let front = if health.url.is_some() || health.watch.is_some() { switch.front()? } else { None };
    if let Some(front) = &front
        && let Answer::No { why, .. } = switch
            .watch_canary(&front.url)
            .map_err(|error| switch.unwatched(error, "answers a part of the requests on", Some("ends that")))?
    {
        target.divert(None)?;
        switch.note(live, Outcome::Returned, Some(&why));
        let live = live.map_or("what is live".into(), |live| switch.named(&live));
        return Err(switch.watched_badly(&why, &format!("{live} answers all requests again")));
    }
    Ok(done(true))
}

/// Makes the canary the live release.
pub fn promote_canary(target: &dyn Target, order: &Order<'_>, watch: Watch<'_>) -> Result<Deployed> {
    let _alone = target.lock(&format!("mlx deploy by {}", escape(order.who.as_bytes())))?;
    let live = target.live()?;
    let split = split::canary(target, live.as_ref())?.ok_or_else(|| {
        Error::usage(format!("`{}` has no canary", order.name))
            .with_hint(format!("start one: `mlx deploy {} --canary 10%`", order.name))
    })?;
    let release = split.release;
    let description = target.description(&release)?.ok_or_else(|| gone(&release, &target.place()))?;
    let description = &description;
    // Its layers lie there already.
    let plan = plan(
        target,
        &Candidate { release, description, layers: Vec::new(), own: Vec::new(), must_be_signed_by: None },
    )?;
    let switch = Switch { target, order, action: Action::Deploy, release, description, watch };
    switch.noting_failure(|| switch.run_hooks(order.hooks.before))?;
    switch.carry_out(plan.live.as_ref().map(|live| live.release), false)?;
    switch.retire();
    switch.run_hooks(order.hooks.after).map_err(|error| switch.after_the_fact(error))?;
    Ok(Deployed { target: order.name.to_owned(), changed: true, canary: None, back: switch.way_back(), plan })
}

/// Gives all requests back to the live release; `None` where it has them. A split that can't be read ends, too.
pub(super) fn end(
    target: &dyn Target,
    live: &Digest,
    order: &Order<'_>,
    watch: Watch<'_>,
) -> Result<Option<RolledBack>> {
    let split = split::canary(target, Some(live));
    if matches!(split, Ok(None)) {
        return Ok(None);
    }
    target.divert(None)?;
    let Some(description) = target.description(live)? else { return Ok(None) };
    let canary = split.ok().flatten().map(|split| split.release);
    if let Some(release) = canary
        && let Ok(Some(description)) = target.description(&release)
    {
        let description = &description;
        let switch = Switch { target, order, action: Action::Rollback, release, description, watch };
        switch.note(Some(*live), Outcome::Returned, Some("the canary was ended"));
    }
    Ok(Some(RolledBack {
        target: order.name.to_owned(),
        place: target.place(),
        changed: true,
        canary_ended: true,
        release: *live,
        model: description.model.name,
        version: description.model.version,
        run: description.lineage.run,
        before: canary,
    }))
}

impl Switch<'_> {
    /// Waits until the target's own server answers with the canary, and watches it.
    fn watch_canary(&self, url: &str) -> Result<Answer> {
        match self.own_server(url).await_takeover(&self.release)? {
            Answer::Yes => self.observe(url),
            no => Ok(no),
        }
    }
}
