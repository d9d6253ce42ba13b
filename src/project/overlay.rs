//! Files of parameters while a run has other values for some of them: programs that read `params.yaml` themselves find what
//! the run was asked for. Before and after it, the files say what the user wrote.
//!
//! What a file held is written down (`.mlx/overlay.json`) before the file is changed. So whoever reads parameters sees the
//! user's values all the time, and the next run puts back what a killed one left.

use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::assign::{Syntax, assign, rewrite};
use super::params::flatten;
use super::{Params, Project, ProjectPath};
use crate::event::EventSink;
use crate::fs::{self, read_optional};
use crate::{Digest, Error, Result};

/// The files as a run changed them; they are put back when this is dropped.
#[derive(Debug)]
pub struct Overlay<'a> {
    project: &'a Project,
    stays: bool,
}

/// A file with the values of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlaid {
    pub path: ProjectPath,
    pub text: String,
    /// What it held.
    before: String,
}

/// What is written down about the files that are changed now.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    files: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    path: ProjectPath,
    before: String,
    /// Of what was written in its place.
    after: Digest,
}

impl<'a> Overlay<'a> {
    /// Gives the files the values that the `KEY=VALUE` texts say; `None` where none of them changes. No other run may be at
    /// work in the project.
    pub fn lay(project: &'a Project, settings: &[String]) -> Result<Option<Self>> {
        let overlaid = overlaid(project, settings)?;
        if overlaid.is_empty() {
            return Ok(None);
        }
        let entry = |Overlaid { path, text, before }: &Overlaid| Entry {
            path: path.clone(),
            before: before.clone(),
            after: Digest::of(text),
        };
        let record = Record { files: overlaid.iter().map(entry).collect() };
        let json = serde_json::to_vec(&record).context("cannot write parameters as JSON")?;
        fs::write_atomic(&file(project), &json, &project.scratch())?;
        let overlay = Self { project, stays: false };
        for Overlaid { path, text, .. } in &overlaid {
            fs::write_atomic(&project.resolve(path)?, text.as_bytes(), &project.scratch())?;
        }
        Ok(Some(overlay))
    }

    /// Leaves the files as they are, for programs that go on elsewhere. The next run puts them back.
    pub fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Overlay<'_> {
    fn drop(&mut self) {
        if !self.stays {
            // What can't be put back now is put back by the next run, and nobody reads it for what the user wrote until then.
            let _ = put_back(self.project, &crate::event::Silent);
        }
    }
}

/// The files that have to change so that the parameters are what the `KEY=VALUE` texts say. Changes nothing.
pub fn overlaid(project: &Project, settings: &[String]) -> Result<Vec<Overlaid>> {
    let files = &project.manifest.params.files;
    if settings.is_empty() || files.is_empty() {
        return Ok(Vec::new());
    }
    let (before, after) = (Params::read(project, &[])?.0, Params::read(project, settings)?.0);
    let changed: Vec<(&String, &Value)> =
        after.iter().filter(|(name, value)| before.get(*name) != Some(*value)).collect();
    let mut overlaid = Vec::new();
    for path in files {
        let ending = path.as_path().extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let text = read(project, path)?.and_then(|bytes| String::from_utf8(bytes).ok());
        let (Some(syntax), Some(before)) = (Syntax::of(ending), text) else { continue };
        let mut flat = Vec::new();
        flatten("", &syntax.parse(&before).unwrap_or_default(), &mut flat);
        let mut text = before.clone();
        for (name, value) in changed.iter().filter(|(name, _)| flat.iter().any(|(held, _)| held == *name)) {
            // It is for this run alone, so that its remarks may go where they are in the way.
            let changed = assign(&text, syntax, name, value).or_else(|| rewrite(&text, syntax, name, value));
            text = changed.ok_or_else(|| {
                Error::usage(format!("`{path}` can't hold {value} for `{}`", fs::escape(name.as_bytes())))
                    .with_hint("write the value there yourself, and run without `--set`")
            })?;
        }
        if text != before {
            overlaid.push(Overlaid { path: path.clone(), text, before });
        }
    }
    Ok(overlaid)
}

/// Puts back what a run changed that is over. A file that somebody else changed since stays as it is, which is told.
pub fn put_back(project: &Project, events: &dyn EventSink) -> Result<()> {
    let Some(record) = Record::of(project)? else { return Ok(()) };
    for Entry { path, before, after } in &record.files {
        let place = project.resolve(path)?;
        match read_optional(&place)? {
            Some(bytes) if Digest::of(&bytes) == *after => {
                fs::write_atomic(&place, before.as_bytes(), &project.scratch())?;
            }
            Some(bytes) if bytes != before.as_bytes() => events.warn(format!(
                "`{path}` was changed while a run had other values in it; look whether all of them are yours"
            )),
            _ => {}
        }
    }
    let place = file(project);
    std::fs::remove_file(&place).with_context(|| format!("cannot delete `{}`", fs::quote(&place)))?;
    Ok(())
}

/// What the user wrote into a file of parameters, whatever a run has put there; `None` where there is none.
pub fn read(project: &Project, path: &ProjectPath) -> Result<Option<Vec<u8>>> {
    // A run that begins or ends at this moment is seen either before or after.
    let earlier = Record::of(project)?;
    let Some(bytes) = read_optional(&project.resolve(path)?)? else { return Ok(None) };
    let records = [earlier, Record::of(project)?];
    let mut entries = records.into_iter().flatten().flat_map(|record| record.files);
    let entry = entries.find(|entry| entry.path == *path && Digest::of(&bytes) == entry.after);
    Ok(Some(entry.map_or(bytes, |entry| entry.before.into_bytes())))
}

impl Record {
    fn of(project: &Project) -> Result<Option<Self>> {
        let place = file(project);
        let Some(bytes) = read_optional(&place)? else { return Ok(None) };
        let record = serde_json::from_slice(&bytes);
        Ok(Some(record.with_context(|| format!("cannot understand `{}`", fs::quote(&place)))?))
    }
}

fn file(project: &Project) -> PathBuf {
    project.state("overlay.json")
}
