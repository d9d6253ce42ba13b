//! The snapshot of a sweep: the files that its trials work with, as they were when it began, as one tree of the store.
//!
//! Trials that run for days see the same program from the first to the last, whatever is edited meanwhile, and one that
//! starts again after a kill sees what it saw before. What is in it: what the steps depend on, what Git keeps, and what Git
//! does not ignore; outputs of steps are made by the trials.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt;

use ignore::WalkBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::Plan;
use crate::data::Workspace;
use crate::digest::{Object, ObjectKind};
use crate::error::ErrorContext;
use crate::event::{Event, Watch};
use crate::pipeline::{Code, Materials};
use crate::project::git::Git;
use crate::project::manifest::{EnvironmentSource, Manifest, OutputPattern, Step, Sweep};
use crate::project::{LOCK, MANIFEST, Params, Project, ProjectPath};
use crate::store::tree::{Entry, Tree};
use crate::store::{Batch, Store};
use crate::{Error, Result};

/// A larger file that neither Git nor a step names is data that belongs to something else.
const LARGE_UNNAMED: u64 = 64 << 20;

/// Files, code and parameters as a sweep begins with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// A tree of the store; the sweep's record keeps `mlx gc` away from it.
    pub files: Object,
    #[serde(flatten)]
    pub code: Code,
    /// The parameters that the steps use.
    pub params: BTreeMap<String, Value>,
}

/// A directory that is put together.
#[derive(Default)]
struct Directory(BTreeMap<Vec<u8>, Node>);

enum Node {
    Object(Object),
    Directory(Directory),
}

impl Snapshot {
    /// Stores the files as they are now.
    pub fn take(project: &Project, materials: &Materials, watch: Watch<'_>) -> Result<Self> {
        let workspace = Workspace::open(project)?;
        let batch = workspace.store().batch()?;
        let mut root = Directory::default();
        for path in &materials.sources {
            if let Some(object) = workspace.add(path, &batch, watch)? {
                root.insert(path, object);
            }
        }
        workspace.save();
        // What is learned about these files is not kept: most of them are read by nobody else.
        let unsaved = Workspace::open(project)?;
        for path in others(project, materials, watch)? {
            watch.interrupt.check()?;
            if let Some(object) = stored(&unsaved, &path, &batch, watch)? {
                root.insert(&path, object);
            }
        }
        let files = root.put(&batch)?;
        batch.commit()?;
        let used = materials.params.iter().filter(|(name, _)| materials.used.contains(*name));
        let params = used.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { files, code: Code::of(project, workspace.store())?, params })
    }

    /// The listing of the files at the root.
    pub fn tree(&self, store: &Store) -> Result<Tree> {
        store.tree(&self.files.digest).context("cannot read the files that the sweep began with")
    }

    /// The manifest as the sweep began with it.
    pub fn manifest(&self, store: &Store) -> Result<Manifest> {
        let tree = self.tree(store)?;
        let object = tree.get(MANIFEST.as_bytes());
        let object = object.ok_or_else(|| Error::failed(format!("the sweep began without {MANIFEST}")))?;
        let mut manifest = Manifest::parse(&store.read(&object.digest)?)?;
        if manifest.needs_params() && !manifest.params.files.is_empty() {
            let file = |path: &ProjectPath| {
                let object = self.object(store, path)?;
                object.map(|object| store.read(&object.digest)).transpose()
            };
            let params = Params::gather(&manifest.params, &file)?;
            manifest.expand(&params)?;
        }
        Ok(manifest)
    }

    /// What differs now of all that the trials of this sweep go by, in words.
    pub fn differences(
        &self,
        project: &Project,
        name: &str,
        plan: &Plan,
        materials: &Materials,
        watch: Watch<'_>,
    ) -> Result<Vec<String>> {
        let workspace = Workspace::open(project)?;
        let store = workspace.store();
        let before = self.manifest(store)?;
        let now = &project.manifest;
        let mut differences = Vec::new();
        let names: BTreeSet<&String> = materials.steps.iter().collect();
        for name in &names {
            let find = |manifest: &Manifest| manifest.steps.iter().find(|step| step.name == **name).map(unplaced);
            match (find(&before), find(now)) {
                (Some(before), Some(now)) if before != now => differences.push(format!("step `{name}` was changed")),
                (None, Some(_)) => differences.push(format!("step `{name}` is new")),
                _ => {}
            }
        }
        let swept: BTreeSet<&String> = plan.params.iter().map(|(name, _)| name).collect();
        let used = materials.params.iter().filter(|(name, _)| materials.used.contains(*name) && !swept.contains(name));
        for (name, value) in used {
            match self.params.get(name) {
                Some(before) if before == value => {}
                Some(before) => differences.push(format!("the parameter `{name}` went from {before} to {value}")),
                None => differences.push(format!("the parameter `{name}` is new")),
            }
        }
        let sources = |manifest: &Manifest| -> Vec<(String, EnvironmentSource)> {
            manifest.environments.iter().map(|(name, declared)| (name.clone(), declared.source.clone())).collect()
        };
        if sources(&before) != sources(now) {
            differences.push("[env] was changed".into());
        }
        if before.sweeps.get(name).map(searched) != now.sweeps.get(name).map(searched) {
            differences.push(format!("[sweep.{name}] tries other values"));
        }
        for path in materials.sources.iter().filter(|path| !now.params.files.contains(path)) {
            let (before, now) = (self.object(store, path)?, workspace.object(path, watch)?);
            match (before, now) {
                (None, Some(_)) => differences.push(format!("`{path}` is new")),
                (Some(_), None) => differences.push(format!("`{path}` is gone")),
                (before, now) if before != now => differences.push(format!("`{path}` was changed")),
                _ => {}
            }
        }
        workspace.save();
        Ok(differences)
    }

    /// A path of the snapshot.
    fn object(&self, store: &Store, path: &ProjectPath) -> Result<Option<Object>> {
        let mut object = self.files.clone();
        for part in path.parts() {
            if !object.is_directory() {
                return Ok(None);
            }
            match store.tree(&object.digest)?.get(part) {
                Some(below) => object = below.clone(),
                None => return Ok(None),
            }
        }
        Ok(Some(object))
    }
}

/// Where a step stands in the file says nothing about it.
fn unplaced(step: &Step) -> Step {
    Step { place: String::new(), ..step.clone() }
}

/// What of a sweep's declaration decides its values; how many trials there are, and how they are compared, may change.
fn searched(sweep: &Sweep) -> Sweep {
    Sweep {
        place: String::new(),
        description: None,
        trials: None,
        parallel: None,
        metric: None,
        goal: None,
        ..sweep.clone()
    }
}

/// The files beside the dependencies: what Git keeps and what it does not ignore.
fn others(project: &Project, materials: &Materials, watch: Watch<'_>) -> Result<BTreeSet<ProjectPath>> {
    let root = project.root();
    let kept: BTreeSet<ProjectPath> = match Git::of(project)? {
        Some(git) => git.files()?.into_iter().collect(),
        None => BTreeSet::new(),
    };
    let lock = project.read_lock()?;
    let steps = &project.manifest.steps;
    let named = steps.iter().flat_map(Step::products).chain(lock.paths.keys()).chain(&materials.sources);
    let named: HashSet<&ProjectPath> = named.collect();
    let patterns: Vec<&OutputPattern> = steps.iter().flat_map(|step| &step.out_patterns).collect();
    let covered = |path: &ProjectPath| {
        let mut above = std::iter::successors(Some(path.clone()), ProjectPath::parent);
        above.any(|path| named.contains(&path)) || patterns.iter().any(|output| output.pattern.matches(path))
    };
    let mut found: BTreeSet<ProjectPath> =
        [MANIFEST, LOCK].iter().filter_map(|name| ProjectPath::new(name).ok()).collect();
    found.extend(kept.iter().filter(|path| !covered(path)).cloned());
    let is_own = |name: &std::ffi::OsStr| name == ".git" || name == crate::project::STATE;
    let mut walk = WalkBuilder::new(root);
    walk.standard_filters(false).parents(true).git_ignore(true).git_exclude(true).require_git(false);
    let mut left_out = Vec::new();
    for entry in walk.filter_entry(move |entry| !is_own(entry.file_name())).build() {
        watch.interrupt.check()?;
        let entry = entry.map_err(|error| Error::failed(format!("cannot list the files of the project: {error}")))?;
        if entry.file_type().is_none_or(|kind| !kind.is_file() && !kind.is_symlink()) {
            continue;
        }
        let below = entry.path().strip_prefix(root).map(|path| ProjectPath::new(path.as_os_str().as_bytes()));
        let Ok(Ok(path)) = below else { continue };
        if covered(&path) {
            continue;
        }
        let is_large = entry.metadata().is_ok_and(|metadata| metadata.len() > LARGE_UNNAMED);
        match is_large && !kept.contains(&path) {
            true => left_out.push(path),
            false => drop(found.insert(path)),
        }
    }
    if let Some(first) = left_out.first() {
        let more = if left_out.len() > 1 { format!(" and {} more", left_out.len() - 1) } else { String::new() };
        watch.events.emit(Event::Warning {
            message: format!("the trials do not see `{first}`{more}: it is large, and no step names it"),
            hint: Some("name what a step reads in its `deps`".into()),
        });
    }
    Ok(found)
}

/// Stores one file or link; `None` where nothing of the kind lies there.
fn stored(workspace: &Workspace, path: &ProjectPath, batch: &Batch, watch: Watch<'_>) -> Result<Option<Object>> {
    let full = path.below(workspace.root());
    let Ok(metadata) = full.symlink_metadata() else { return Ok(None) };
    if metadata.is_symlink() {
        let Ok(target) = std::fs::read_link(&full) else { return Ok(None) };
        let bytes = target.as_os_str().as_bytes();
        let digest = batch.put_bytes(bytes)?;
        return Ok(Some(Object { kind: ObjectKind::Link, digest, size: bytes.len() as u64, files: 1 }));
    }
    if !metadata.is_file() { Ok(None) } else { workspace.add(path, batch, watch) }
}

impl Directory {
    /// Puts an object at this path; what stands there already, or above it, stays.
    fn insert(&mut self, path: &ProjectPath, object: Object) {
        let parts: Vec<&[u8]> = path.parts().collect();
        let Some((name, above)) = parts.split_last() else { return };
        let mut directory = self;
        for part in above {
            let node = directory.0.entry(part.to_vec()).or_insert_with(|| Node::Directory(Self::default()));
            match node {
                Node::Directory(below) => directory = below,
                Node::Object(_) => return,
            }
        }
        // A directory of dependencies holds what was named by itself before.
        if let (Some(Node::Directory(_)), true) | (None, _) = (directory.0.get(*name), object.is_directory()) {
            directory.0.insert(name.to_vec(), Node::Object(object));
        }
    }

    fn put(self, batch: &Batch) -> Result<Object> {
        let mut entries = Vec::with_capacity(self.0.len());
        for (name, node) in self.0 {
            let object = match node {
                Node::Object(object) => object,
                Node::Directory(directory) => directory.put(batch)?,
            };
            entries.push(Entry { name, object });
        }
        batch.put_tree(&Tree::new(entries))
    }
}

/// Whether a path is an output of this step, or lies in one.
pub fn makes(step: &Step, path: &ProjectPath) -> bool {
    step.products().any(|product| path.is_within(product))
        || step.out_patterns.iter().any(|out| out.pattern.matches(path))
}
