//! What a program left when it ended: its log, its outputs and what it measured, checked and taken.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::failure;
use super::metrics::Measured;
use super::performed::Performed;
use super::products;
use super::work::Work;
use crate::error::ErrorContext;
use crate::executor::{End, Report};
use crate::project::ProjectPath;
use crate::project::lock::LockedPath;
use crate::project::manifest::Step;
use crate::store::Batch;
use crate::{Error, Kind, Result};

impl Work<'_> {
    /// Checks how the program ended, and takes what it left: log, outputs, metrics.
    pub(super) fn take_results(
        &self,
        index: usize,
        performed: &mut Performed,
        report: &Report,
        metrics: &Path,
        log: &Path,
    ) -> Result<Batch> {
        let step = &self.graph.steps[index];
        performed.step.seconds = report.seconds;
        performed.step.cpu_seconds = report.cpu_seconds;
        performed.step.peak_memory_bytes = report.peak_memory_bytes;
        performed.step.io = report.io;
        performed.step.gpu = report.gpu;
        performed.step.attempts = report.attempts;
        performed.step.failure = report.class();
        if let End::Exited(code) = report.end {
            performed.step.exit_code = Some(code);
        }
        let needs_others = !self.graph.needs[index].is_empty();
        let checked = failure::check(step, report, self.run, needs_others)
            .and_then(|()| self.check_outputs(step, report))
            .and_then(|()| self.check_inputs(step, &performed.step.deps))
            .and_then(|()| self.collect(step, &performed.step.deps, metrics));
        match checked {
            Ok((batch, outs, unstored, measured)) => {
                performed.step.log = match report.log.as_deref() {
                    Some((digest, size)) => Some(batch.put_known_file(log, *digest, *size)?),
                    None if report.has_log => Some(batch.put_file(log)?.0),
                    None => None,
                };
                performed.step.outs = outs;
                performed.unstored = unstored;
                performed.step.metrics = measured.last;
                performed.step.logged = measured.params;
                performed.history = measured.history;
                Ok(batch)
            }
            Err(error) => {
                // Where the store does not take it, the log stays as the file it is.
                if report.has_log
                    && let Ok((digest, _)) = self.workspace.store().put_file(log)
                {
                    performed.step.log = Some(digest);
                }
                Err(error)
            }
        }
    }

    /// Reads what the step made: outputs into a batch, which is not durable yet, and metrics.
    fn collect(
        &self,
        step: &Step,
        deps: &[LockedPath],
        metrics: &Path,
    ) -> Result<(Batch, Vec<LockedPath>, Vec<LockedPath>, Measured)> {
        let mut measured = Measured::of_files(self.project, step, self.watch.events)?;
        measured.add_lines(metrics, &step.name, self.watch.events)?;
        let batch = self.workspace.store().batch()?;
        let (outs, unstored) = self.add_outputs(step, &batch)?;
        self.keep_sources(deps, &batch)?;
        Ok((batch, outs, unstored, measured))
    }

    /// Stores the outputs of a frozen step as they are, not durably yet.
    pub(super) fn take_over(&self, step: &Step) -> Result<(Batch, Vec<LockedPath>, Vec<LockedPath>)> {
        let batch = self.workspace.store().batch()?;
        let (outs, unstored) = self.add_outputs(step, &batch)?;
        Ok((batch, outs, unstored))
    }

    /// What lies where the outputs belong: what the store keeps, which enters the batch, and the rest.
    fn add_outputs(&self, step: &Step, batch: &Batch) -> Result<(Vec<LockedPath>, Vec<LockedPath>)> {
        let (mut outs, mut unstored) = (Vec::new(), Vec::new());
        for (path, stored) in products::lying(step, self.project.root())? {
            let cannot = || format!("cannot store the output `{path}` of step `{}`", step.name);
            let object = match stored {
                true => self.workspace.add(&path, batch, self.watch),
                false => self.workspace.object(&path, self.watch),
            };
            // Whatever can't have a version was made by the program.
            let object = object.map_err(|error| match error.kind() {
                Kind::Usage => Error::step(error),
                _ => error,
            });
            let object = object.with_context(cannot)?;
            let object = object.ok_or_else(|| Error::step("it went away while it was read").context(cannot()))?;
            let list = if stored { &mut outs } else { &mut unstored };
            list.push(LockedPath { path, object });
        }
        Ok((outs, unstored))
    }

    /// Every declared output is there, and a file or a directory.
    fn check_outputs(&self, step: &Step, report: &Report) -> Result<()> {
        let lying = products::lying(step, self.project.root())?;
        for (path, _) in &lying {
            let target = self.project.resolve(path)?;
            let Ok(metadata) = target.symlink_metadata() else { continue };
            if let Some(what) = other_kind(metadata.file_type()) {
                return Err(Error::step(format!(
                    "the output `{path}` of step `{}` is {what}; an output is a regular file or a directory",
                    step.name
                ))
                .with_hint("let the program write the content itself there"));
            }
        }
        let mut missing = products::missing(step, &lying);
        let readings = step.readings.iter().filter(|path| !step.optional.contains(*path));
        let is_there = |path: &ProjectPath| path.below(self.project.root()).symlink_metadata().is_ok();
        missing.extend(readings.filter(|path| !is_there(path)).map(|path| format!("`{path}`")));
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("step `{}` ended well and did not make {}", step.name, missing.join(", "));
        Err(Error::step(failure::with_last_lines(message, &step.name, report, self.run))
            .with_hint(format!("let it write there, or correct its `outs` ({})", step.place)))
    }

    /// Stores the programs and other small files that no step made, as they are now: whoever packages the model wants
    /// them, and the working tree goes on. Large ones are data, which the user tracks or does not.
    fn keep_sources(&self, deps: &[LockedPath], batch: &Batch) -> Result<()> {
        const LARGEST_SOURCE: u64 = 1 << 20;
        for LockedPath { path, object } in deps {
            let is_source = object.size <= LARGEST_SOURCE && self.graph.maker(path).is_none();
            if is_source && !self.workspace.store().contains(&object.digest) {
                self.workspace.add(path, batch, self.watch).with_context(|| format!("cannot store `{path}`"))?;
            }
        }
        Ok(())
    }

    /// No dependency is another one than before the step.
    fn check_inputs(&self, step: &Step, deps: &[LockedPath]) -> Result<()> {
        for LockedPath { path, object } in deps {
            if self.workspace.object(path, self.watch)?.as_ref() != Some(object) {
                return Err(Error::step(format!("step `{}` changed `{path}`, which is its input", step.name))
                    .with_hint("let it write to another path and name that in `outs`"));
            }
        }
        for pattern in &step.patterns {
            let found = pattern.expand(self.project.root())?;
            if let Some(new) = found.iter().find(|path| !deps.iter().any(|dep| dep.path == **path)) {
                return Err(Error::step(format!(
                    "step `{}` made `{new}`, which matches `{pattern}`, its input",
                    step.name
                ))
                .with_hint("let it write to another path and name that in `outs`"));
            }
        }
        Ok(())
    }
}

/// What an output can't be.
pub fn other_kind(kind: fs::FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_file() || kind.is_dir() => None,
        kind if kind.is_symlink() => Some("a symbolic link"),
        kind if kind.is_fifo() => Some("a pipe"),
        kind if kind.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}
