//! The environments that the steps of a pipeline run in: looked up before anything is judged, made when the first program
//! needs them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Options;
use crate::env::{Declared, Environment, Kind, Prepared};
use crate::event::Watch;
use crate::project::Project;
use crate::project::manifest::{DEFAULT_ENVIRONMENT, Step};
use crate::store::Store;
use crate::{Digest, Result};

/// The environments of the steps in question, by name.
#[derive(Debug)]
pub struct Environments(BTreeMap<String, Declared>);

impl Environments {
    /// Looks up what these steps need, and nothing else. An image of a container that is not here is fetched where `watch`
    /// is given.
    pub fn of<'s>(
        project: &Project,
        options: &Options,
        steps: impl Iterator<Item = &'s Step>,
        watch: Option<Watch<'_>>,
    ) -> Result<Self> {
        let mut environments = BTreeMap::new();
        // Frozen steps run nothing.
        for step in steps.filter(|step| !step.frozen) {
            let name = step.environment();
            if !environments.contains_key(name) {
                environments.insert(name.to_owned(), Self::one(project, name, options, watch)?);
            }
        }
        Ok(Self(environments))
    }

    /// Looks up the one with this name.
    pub fn one(project: &Project, name: &str, options: &Options, watch: Option<Watch<'_>>) -> Result<Declared> {
        Declared::of(project, name, &options.cache, &options.interpreters, watch)
    }

    /// The digest that is part of the key of each step.
    pub fn digests(&self, steps: &[Step]) -> Vec<Option<Digest>> {
        let known: BTreeMap<&str, Option<Digest>> =
            self.0.iter().map(|(name, declared)| (name.as_str(), declared.digest())).collect();
        steps.iter().map(|step| known.get(step.environment()).copied().flatten()).collect()
    }

    /// What is known of each before any of them is made.
    pub fn records(&self) -> BTreeMap<String, Environment> {
        self.0.iter().map(|(name, declared)| (name.clone(), declared.record())).collect()
    }
}

/// The one that a run has in the first place, that of steps that name none, and the others.
pub fn first_and_others(mut records: BTreeMap<String, Environment>) -> (Environment, BTreeMap<String, Environment>) {
    match records.remove(DEFAULT_ENVIRONMENT) {
        Some(first) => (first, records),
        None => (records.values().next().cloned().unwrap_or_default(), records),
    }
}

/// Environments while steps run: each is made by whoever needs it first, and the others wait.
pub struct Making<'a> {
    store: &'a Store,
    environments: BTreeMap<&'a str, Slot<'a>>,
    clock: Mutex<Clock>,
}

/// Where the program of a step is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Here,
    /// On a machine that sees the files of this one.
    Near,
    /// On a machine that sees nothing of this one.
    Far,
}

/// A declared environment, and what became of it.
struct Slot<'a> {
    declared: &'a Declared,
    prepared: Mutex<Option<Arc<Prepared>>>,
    /// As it is made far away.
    described: Mutex<Option<Arc<Prepared>>>,
}

impl<'a> Making<'a> {
    pub fn new(environments: &'a Environments, store: &'a Store) -> Self {
        let slot = |declared| Slot { declared, prepared: Mutex::default(), described: Mutex::default() };
        let environments = environments.0.iter().map(|(name, declared)| (name.as_str(), slot(declared))).collect();
        Self { store, environments, clock: Mutex::default() }
    }

    /// The environment of a step, ready for its program to be started at this place.
    pub fn prepare(&self, step: &Step, site: Site, watch: Watch<'_>) -> Result<Arc<Prepared>> {
        let slot = self.environments.get(step.environment());
        let Slot { declared, prepared, described } =
            slot.expect("the environments of all selected steps were looked up");
        match (site, declared.kind()) {
            (Site::Near | Site::Far, Some(Kind::Container)) => {
                return declared.prepare_elsewhere(self.store, watch).map(Arc::new);
            }
            (Site::Far, Some(Kind::Python | Kind::Conda)) => {
                let mut described = described.lock().expect("no thread panics while it describes the environment");
                let made = match &*described {
                    Some(known) => known.clone(),
                    None => Arc::new(declared.prepare_far(self.store, watch)?),
                };
                *described = Some(made.clone());
                return Ok(made);
            }
            _ => {}
        }
        let mut prepared = prepared.lock().expect("no thread panics while it makes the environment");
        if let Some(prepared) = &*prepared {
            return Ok(prepared.clone());
        }
        self.tick(|clock| clock.makers += 1);
        let made = declared.prepare(self.store, watch).map(Arc::new);
        self.tick(|clock| clock.makers -= 1);
        let made = made?;
        *prepared = Some(made.clone());
        Ok(made)
    }

    /// Does what `run` does, as a time in which a program of a step runs.
    pub fn while_running<T>(&self, run: impl FnOnce() -> T) -> T {
        self.tick(|clock| clock.programs += 1);
        let result = run();
        self.tick(|clock| clock.programs -= 1);
        result
    }

    /// The environments that were needed, and the seconds in which nothing was done but making them.
    pub fn finish(self) -> (BTreeMap<String, Environment>, f64) {
        let record = |(name, slot): (&str, Slot<'_>)| {
            let inner = |of: Mutex<Option<Arc<Prepared>>>| of.into_inner().unwrap_or_else(PoisonError::into_inner);
            let prepared = inner(slot.prepared).or_else(|| inner(slot.described))?;
            Some((name.to_owned(), prepared.record.clone()))
        };
        let records = self.environments.into_iter().filter_map(record).collect();
        let clock = self.clock.into_inner().unwrap_or_else(PoisonError::into_inner);
        (records, clock.total.as_secs_f64())
    }

    fn tick(&self, change: impl FnOnce(&mut Clock)) {
        self.clock.lock().expect("no thread panics while it looks at the clock").tick(Instant::now(), change);
    }
}

/// Counts the time in which environments are made and no program runs.
#[derive(Debug, Default)]
struct Clock {
    makers: u64,
    programs: u64,
    since: Option<Instant>,
    total: Duration,
}

impl Clock {
    fn tick(&mut self, now: Instant, change: impl FnOnce(&mut Self)) {
        if let Some(since) = self.since.take() {
            self.total += now - since;
        }
        change(self);
        self.since = (self.makers > 0 && self.programs == 0).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_counts_while_nothing_else_is_done() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);

        clock.tick(at(0), |clock| clock.makers += 1);
        clock.tick(at(5), |clock| clock.makers += 1);
        clock.tick(at(7), |clock| clock.makers -= 1);
        clock.tick(at(8), |clock| clock.programs += 1);
        clock.tick(at(10), |clock| clock.makers -= 1);
        clock.tick(at(20), |clock| clock.programs -= 1);
        clock.tick(at(30), |clock| clock.makers += 1);

        assert_eq!(clock.total, Duration::from_secs(8));
    }
}
