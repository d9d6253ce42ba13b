//! What the parts are that steps depend on: looked up once in a run, and remembered for files that did not change.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::outside::{Outside, of_command, of_variable};
use super::params;
use crate::data::tabular::column_digests;
use crate::data::{Workspace, key_digest, lines_digest, origin};
use crate::digest::ObjectKind;
use crate::event::Watch;
use crate::fs::{read_optional, replace};
use crate::project::Project;
use crate::project::lock::{LockedPart, LockedPath};
use crate::project::manifest::{Part, Step};
use crate::{Digest, Error, Result};

/// So many parts of files are remembered; more than a project has.
const MOST_REMEMBERED: usize = 100_000;

/// Who looks at parts. May be used from many threads.
pub struct Parts {
    root: PathBuf,
    scratch: PathBuf,
    /// Where what is remembered is kept. It can be learned again.
    file: PathBuf,
    cache: PathBuf,
    outside: Outside,
    /// What lies outside is asked once, so that all steps of a run see the same.
    asked: Mutex<HashMap<String, Arc<Mutex<Option<Digest>>>>>,
    /// The digest of a part, by that of its name and its file's content. Read when the first file is.
    remembered: Mutex<Option<Remembered>>,
}

#[derive(Default)]
struct Remembered {
    digests: BTreeMap<Digest, Digest>,
    has_new: bool,
}

impl Parts {
    pub fn new(project: &Project, outside: Outside, cache: &Path) -> Self {
        Self {
            root: project.root().to_path_buf(),
            scratch: project.scratch(),
            file: project.state("parts"),
            cache: cache.to_path_buf(),
            outside,
            asked: Mutex::default(),
            remembered: Mutex::default(),
        }
    }

    /// The parts of a step as they are now, in the order of the manifest. `files` are the files they are parts of.
    pub fn of(
        &self,
        step: &Step,
        values: &BTreeMap<String, Value>,
        files: &[LockedPath],
        workspace: &Workspace,
        watch: Watch<'_>,
    ) -> Result<Vec<LockedPart>> {
        let mut all: Vec<LockedPart> = Vec::new();
        for part in &step.parts {
            let names = part.names();
            let digests = match part {
                Part::Columns { .. } | Part::Lines { .. } | Part::Key { .. } => {
                    let file = files.iter().find(|file| Some(&file.path) == part.path());
                    let file = file.ok_or_else(|| Error::failed(format!("the file of {} is gone", names[0])))?;
                    self.of_file(part, &names, file, watch)
                }
                Part::Variable(name) => Ok(vec![of_variable(name, (self.outside.variable)(name))]),
                Part::Command(command) => self.of_command(step, command, values, watch),
                Part::Url(url) => self.of_url(url, workspace, watch),
            };
            let digests =
                digests.map_err(|error| error.context(format!("step `{}` needs {}", step.name, names.join(", "))))?;
            let parts = names.into_iter().zip(digests).map(|(what, digest)| LockedPart { what, digest });
            // What is named twice is one thing.
            parts.for_each(|part| {
                if !all.contains(&part) {
                    all.push(part)
                }
            });
        }
        Ok(all)
    }

    fn of_file(&self, part: &Part, names: &[String], file: &LockedPath, watch: Watch<'_>) -> Result<Vec<Digest>> {
        if matches!(file.object.kind, ObjectKind::Directory) {
            return Err(Error::usage(format!("`{}` is a directory", file.path)).with_hint("name a file in it"));
        }
        let of_content = |name: &String| Digest::of(format!("{name}\0{}", file.object.digest));
        let keys: Vec<Digest> = names.iter().map(of_content).collect();
        if let Some(known) = self.with_remembered(|remembered| {
            keys.iter().map(|key| remembered.digests.get(key).copied()).collect::<Option<Vec<_>>>()
        }) {
            return Ok(known);
        }
        let path = file.path.below(&self.root);
        let go_on = || watch.interrupt.check();
        let digests = match part {
            Part::Columns { columns, .. } => column_digests(&path, columns, &go_on)?,
            Part::Lines { lines, .. } => vec![lines_digest(&path, *lines, &go_on)?],
            Part::Key { key, .. } => vec![key_digest(&self.root, &file.path, key)?],
            Part::Variable(_) | Part::Command(_) | Part::Url(_) => Vec::new(),
        };
        self.with_remembered(|remembered| {
            remembered.digests.extend(keys.into_iter().zip(digests.iter().copied()));
            remembered.has_new = true;
        });
        Ok(digests)
    }

    fn of_command(
        &self,
        step: &Step,
        command: &str,
        values: &BTreeMap<String, Value>,
        watch: Watch<'_>,
    ) -> Result<Vec<Digest>> {
        let used: BTreeMap<String, Value> = params::names_in(command)
            .filter_map(|name| values.get_key_value(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut variables: Vec<(String, OsString)> =
            step.variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        variables.extend(used.iter().map(|(name, value)| (params::variable(name), params::text_of(value).into())));
        let filled = params::fill(command, &used);
        let directory = step.dir.as_ref().map_or_else(|| self.root.clone(), |dir| dir.below(&self.root));
        let question = format!("command {filled}\0{}\0{variables:?}", directory.display());
        self.once(question, || of_command(&filled, &directory, &variables, watch.interrupt))
    }

    fn of_url(&self, url: &str, workspace: &Workspace, watch: Watch<'_>) -> Result<Vec<Digest>> {
        let reach =
            origin::Reach { base: &self.root, cache: &self.cache, access: &self.outside.access, jobs: 1, watch };
        self.once(format!("url {url}"), || origin::version(url, workspace.store(), &reach))
    }

    /// The answer to a question that may be asked from many threads at once.
    fn once(&self, question: String, ask: impl FnOnce() -> Result<Digest>) -> Result<Vec<Digest>> {
        let slot = self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(question).or_default().clone();
        let mut answer = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = match *answer {
            Some(digest) => digest,
            None => *answer.insert(ask()?),
        };
        Ok(vec![digest])
    }

    fn with_remembered<T>(&self, use_it: impl FnOnce(&mut Remembered) -> T) -> T {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(remembered.get_or_insert_with(|| Remembered::read(&self.file)))
    }

    /// Writes down what was learned. That it can't be written is no failure.
    pub fn save(&self) {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(remembered) = remembered.as_ref().filter(|remembered| remembered.has_new) else { return };
        let mut text = String::new();
        for (key, digest) in remembered.digests.iter().take(MOST_REMEMBERED) {
            let _ = writeln!(text, "{} {}", key.hex(), digest.hex());
        }
        let _ = replace(&self.file, &self.scratch, |out| out.write_all(text.as_bytes()));
    }
}

impl Remembered {
    /// Lines that are none are passed over: they are learned again.
    fn read(file: &Path) -> Self {
        let bytes = read_optional(file).ok().flatten().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let line = |line: &str| {
            let (key, digest) = line.split_once(' ')?;
            Some((Digest::from_hex(key).ok()?, Digest::from_hex(digest).ok()?))
        };
        let digests: BTreeMap<Digest, Digest> = text.lines().filter_map(line).collect();
        // One that grew beyond all use begins anew.
        let digests = if digests.len() >= MOST_REMEMBERED { BTreeMap::new() } else { digests };
        Self { digests, has_new: false }
    }
}
