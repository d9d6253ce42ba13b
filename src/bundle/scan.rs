//! The scan of pickles at packaging, and of what others packed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::content::{Content, PlannedLayer, Source};
use super::description::{DESCRIPTION_FILE, Description};
use super::package::Inputs;
use super::pickle::{self, Bytes, Findings, InFile, Known, Named};
use super::{Bundle, Files, archive, verify};
use crate::error::ErrorContext;
use crate::event::{Event, Watch};
use crate::fs::{escape, quote};
use crate::project::manifest::{Model, Pickles};
use crate::store::Store;
use crate::{Digest, Error, Result};

/// What a scan found.
#[derive(Debug, Serialize)]
pub struct Scan {
    pub path: PathBuf,
    /// Files that were looked at.
    pub files: u64,
    /// Those that hold pickles.
    pub pickles: u64,
    /// Those among them that name what is not known to do no harm.
    pub suspects: Vec<Suspect>,
}

/// A pickle that should not be loaded unseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suspect {
    pub path: String,
    /// Globals that run programs, or reach what does.
    pub dangerous: Vec<String>,
    /// Globals of which nothing is known.
    pub unknown: Vec<String>,
    /// Why it can't be told what it does.
    pub problems: Vec<String>,
}

impl Suspect {
    fn of(path: &str, findings: Findings, allowed: &Pickles) -> Option<Self> {
        let known = |wanted: Known| {
            let globals = findings.globals.iter().filter(|global| Known::of(global, allowed) == wanted);
            globals.cloned().collect::<Vec<_>>()
        };
        let (dangerous, unknown) = (known(Known::Dangerous), known(Known::Unknown));
        let problems: Vec<String> = findings.problems.into_iter().collect();
        let is_clean = dangerous.is_empty() && unknown.is_empty() && problems.is_empty();
        (!is_clean).then(|| Self { path: path.to_owned(), dangerous, unknown, problems })
    }

    /// What is wrong, in one sentence.
    pub fn in_words(&self) -> String {
        const SHOWN: usize = 5;
        let names = |globals: &[String]| {
            let shown: Vec<String> = globals.iter().take(SHOWN).map(|global| format!("`{global}`")).collect();
            let rest = globals.len().saturating_sub(SHOWN);
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            format!("{}{rest}", shown.join(", "))
        };
        let mut parts = Vec::new();
        if !self.dangerous.is_empty() {
            parts.push(format!("it would call {}, which can run programs", names(&self.dangerous)));
        }
        if !self.unknown.is_empty() {
            parts.push(format!("it names {}, of which nothing is known", names(&self.unknown)));
        }
        parts.extend(self.problems.iter().cloned());
        format!("the pickle `{}` is not safe to load: {}", quote(&self.path), parts.join("; "))
    }
}

/// Looks into a bundle, a directory or any other file for pickles that should not be loaded unseen.
pub fn scan(path: &Path, allowed: &Pickles, watch: Watch<'_>) -> Result<Scan> {
    let mut scan = Scan { path: path.to_path_buf(), files: 0, pickles: 0, suspects: Vec::new() };
    let metadata = path.metadata().with_context(|| format!("cannot read `{}`", quote(path)))?;
    if metadata.is_dir() {
        // One that a bundle was unpacked into.
        if let Some(bytes) = crate::fs::read_optional(&path.join(DESCRIPTION_FILE))? {
            let checked = Description::parse(&bytes).and_then(|description| Files::new(path, &description).check());
            ErrorContext::with_context(checked, || format!("cannot use `{}` as an unpacked bundle", quote(path)))?;
        }
        let walk = walkdir::WalkDir::new(path).sort_by_file_name();
        for entry in walk {
            watch.interrupt.check()?;
            let entry = entry.with_context(|| format!("cannot look into `{}`", quote(path)))?;
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(path).unwrap_or(entry.path());
                scan.file(entry.path(), &name.to_string_lossy(), allowed)?;
            }
        }
        return Ok(scan);
    }
    match Bundle::open(path) {
        Ok(bundle) => {
            // Of what is damaged nobody knows what it holds.
            let checked = verify::check_contents(&bundle, watch);
            ErrorContext::with_context(checked, || format!("cannot use `{}` as a bundle", quote(path)))?;
            // A content that stands there again and again is looked at once.
            let mut known: HashMap<(Digest, Named), Option<Findings>> = HashMap::new();
            for (index, file) in bundle.description().files.iter().enumerate() {
                watch.interrupt.check()?;
                let found = match known.entry((file.digest, Named::of(&file.path))) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let found = pickle::scan(&bundle.file_content(index), &file.path);
                        new.insert(found.with_context(|| format!("cannot read `{}`", quote(path)))?)
                    }
                };
                scan.note(&file.path, found.clone(), allowed);
            }
            Ok(scan)
        }
        // A file that calls itself a bundle is one, and not sound.
        Err(error) if archive::is_archive(path) => Err(error),
        Err(_) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            scan.file(path, &name, allowed)?;
            Ok(scan)
        }
    }
}

impl Scan {
    fn file(&mut self, path: &Path, name: &str, allowed: &Pickles) -> Result<()> {
        let cannot = || format!("cannot read `{}`", quote(path));
        let file = File::open(path).with_context(cannot)?;
        let size = file.metadata().with_context(cannot)?.len();
        let found = pickle::scan(&InFile { file: &file, offset: 0, size }, name).with_context(cannot)?;
        self.note(name, found, allowed);
        Ok(())
    }

    fn note(&mut self, path: &str, found: Option<Findings>, allowed: &Pickles) {
        self.files += 1;
        self.pickles += u64::from(found.is_some());
        self.suspects.extend(found.and_then(|findings| Suspect::of(path, findings, allowed)));
    }
}

/// Refuses weights that should not be loaded unseen, or warns of them, as the manifest says.
pub fn check(inputs: Inputs<'_>, weights: &[PlannedLayer], watch: Watch<'_>) -> Result<()> {
    let Inputs { store, model, version, .. } = inputs;
    let allowed = &model.pickles;
    for Content { file, source } in weights.iter().flat_map(|layer| &layer.contents) {
        watch.interrupt.check()?;
        debug_assert!(matches!(source, Source::Store), "weights are objects of the store");
        // Small objects lie in packs, many in a file.
        let found = if file.size < SMALL || store.read_at(&file.digest, 0, 1).is_none() {
            let cannot = || format!("cannot pack `{}`", escape(file.path.as_bytes()));
            let content = ErrorContext::with_context(store.read(&file.digest), cannot)?;
            pickle::scan(&content, &file.path)
        } else {
            pickle::scan(&Stored { store, digest: file.digest, size: file.size }, &file.path)
        };
        let found = found.with_context(|| format!("cannot read `{}`", escape(file.path.as_bytes())))?;
        let Some(suspect) = found.and_then(|findings| Suspect::of(&file.path, findings, allowed)) else { continue };
        if !model.pickles.only_warn || !suspect.dangerous.is_empty() {
            return Err(refused(&suspect, model, &version.model));
        }
        watch.events.emit(Event::Warning {
            message: suspect.in_words(),
            hint: Some("give the model as ONNX or safetensors, which can't call anything".into()),
        });
    }
    Ok(())
}

fn refused(suspect: &Suspect, model: &Model, name: &str) -> Error {
    let globals: Vec<String> =
        suspect.dangerous.iter().chain(&suspect.unknown).map(|global| format!("{global:?}")).collect();
    let hint = match globals.is_empty() {
        true => format!(
            "write the file anew; if you know what it holds, `pickles = {{ others = \"warn\" }}` in [model.{name}] packages it"
        ),
        false => format!(
            "if these are yours, allow them in [model.{name}]: `pickles = {{ allow = [{}] }}`; ONNX and safetensors can't call \
             anything",
            globals.join(", ")
        ),
    };
    Error::check(suspect.in_words()).context(format!("`{name}` is not packaged ({})", model.place)).with_hint(hint)
}

/// Smaller objects are read whole.
const SMALL: u64 = 4 << 20;

/// An object of the store that lies in a file of its own.
struct Stored<'a> {
    store: &'a Store,
    digest: Digest,
    size: u64,
}

impl Bytes for Stored<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self.store.read_at(&self.digest, offset, buffer.len()) {
            Some(bytes) => {
                buffer.copy_from_slice(&bytes);
                Ok(())
            }
            None => Err(io::Error::other("the object is missing, or does not lie in a file of its own")),
        }
    }
}
