//! Import: what is at a source becomes a tracked path, and the manifest and the lock say where it came from.

use std::path::Path;

use serde::Serialize;

use super::{Reach, Source, place};
use crate::data::{Workspace, add, placed};
use crate::digest::Object;
use crate::fs::{FileLock, Holder};
use crate::project::edit::{DataEntry, set_data};
use crate::project::lock::Origin;
use crate::project::{Lock, Project, ProjectPath, gitignore};
use crate::{Digest, Error, Result};

/// What is to be imported, as it was asked for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    pub source: &'a str,
    pub rev: Option<&'a str>,
    /// Where it goes, from where the user is; by its own name where nothing is said. Inside a directory that is there.
    pub output: Option<&'a Path>,
    /// Overwrite what is in no store.
    pub force: bool,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imported {
    pub path: ProjectPath,
    #[serde(flatten)]
    pub object: Object,
    pub origin: Origin,
    /// What the lock named before; `None` where the path was not tracked.
    pub previous: Option<Digest>,
    pub manifest_changed: bool,
}

/// Brings what is at the source into the store and the working tree, and writes down where it came from: the wish into the
/// manifest, what it was into the lock.
///
/// # Errors
/// A `Usage` error, before anything is brought, for a source that is none and for a path that can't be tracked or has
/// something else on it; failures of network and repositories; nothing has changed then but the store.
pub fn import(project: &Project, workspace: &Workspace, wanted: &Wanted<'_>, reach: &Reach<'_>) -> Result<Imported> {
    let source = Source::parse(wanted.source, reach.base, reach.access.home.as_deref())?;
    if wanted.rev.is_some() && !matches!(source, Source::Repository { .. }) {
        return Err(Error::usage("a file at a URL has no revisions").with_hint("`--rev` goes with `REPOSITORY#PATH`"));
    }
    if let Source::Place(place) = &source
        && place.may_hold_secret()
    {
        let shown = crate::remote::location::without_secrets(wanted.source);
        return Err(Error::usage(format!("the query of `{shown}` may hold a secret, and mlx.toml is read by many"))
            .with_hint("copy the file with `mlx get`, then track it with `mlx add`"));
    }
    let lock = project.read_lock()?;
    let path = target(project, &lock, wanted, &source, reach.base)?;
    add::check_place(project, &lock, &path)?;
    if !wanted.force && !lock.paths.contains_key(&path) && path.below(project.root()).symlink_metadata().is_ok() {
        return Err(Error::usage(format!("there is something at `{path}` already, and mlx does not track it"))
            .with_hint("name another place with `-o`, or give it up with `--force`"));
    }
    let _alone = alone(project, "mlx import")?;
    let sight = source.look(wanted.rev, workspace.store(), reach)?;
    let object = sight.bring(workspace.store(), reach)?;
    let is_directory = lock.paths.get(&path).is_some_and(Object::is_directory);
    if is_directory && !object.is_directory() && !wanted.force {
        return Err(Error::usage(format!("`{path}` is a tracked directory, and what is at the source is a file"))
            .with_hint(format!(
                "name another place with `-o`; to put it in there, track what the directory holds by parts: \
                 `mlx untrack {}`",
                path.argument()
            )));
    }
    let origin = Origin {
        url: recorded(wanted.source, &source, reach.base, project.root())?,
        rev: wanted.rev.map(str::to_owned),
        commit: sight.commit,
        version: sight.version,
        digest: object.digest,
    };
    workspace.check_restore(&path, &object, wanted.force, reach.watch)?;
    // It is written down first: who is killed then finds a part of what the lock names, and no stranger's files.
    gitignore::ignore(project, [&path])?;
    let entry = DataEntry { path: path.clone(), url: origin.url.clone(), rev: origin.rev.clone() };
    let manifest_changed = set_data(project, &entry)?;
    let previous = project.change_lock(|lock| {
        lock.origins.insert(path.clone(), origin.clone());
        Ok(lock.paths.insert(path.clone(), object.clone()))
    })?;
    workspace.restore(&path, &object, wanted.force, reach.watch)?;
    placed::remember_whole(project, [(&path, &object)]);
    workspace.save();
    Ok(Imported { path, object, origin, previous: previous.map(|object| object.digest), manifest_changed })
}

/// A step that runs would take what is put into the working tree for its own output.
pub fn alone(project: &Project, owner: &str) -> Result<FileLock> {
    FileLock::try_exclusive(&project.outputs_lock(), owner)?.map_err(|Holder(holder)| {
        Error::failed(format!("{holder} is at work in this project")).with_hint("run this again when that is done")
    })
}

fn target(
    project: &Project,
    lock: &Lock,
    wanted: &Wanted<'_>,
    source: &Source,
    directory: &Path,
) -> Result<ProjectPath> {
    use std::os::unix::ffi::OsStrExt;
    let name = source.name()?;
    let inside = |directory: &Path| directory.join(std::ffi::OsStr::from_bytes(&name));
    let Some(output) = wanted.output else { return project.relative(directory, &inside(Path::new(""))) };
    let full = directory.join(output);
    let is_inside = output.as_os_str().as_bytes().ends_with(b"/");
    let is_open = is_inside || full.is_dir();
    match project.relative(directory, output) {
        // A directory that is tracked is replaced as a whole.
        Ok(path) if !is_open || (!is_inside && lock.paths.contains_key(&path)) => Ok(path),
        Err(error) if !is_open => Err(error),
        _ => project.relative(directory, &inside(output)),
    }
}

/// The source as the manifest names it: a relative directory starts at the project.
fn recorded(text: &str, source: &Source, base: &Path, root: &Path) -> Result<String> {
    let (place, path) = text.split_once('#').map_or((text, None), |(place, path)| (place, Some(path)));
    let Some(local) = source.local().filter(|_| place::is_relative(place) && base != root) else {
        return Ok(text.to_owned());
    };
    let place = place::as_text(&place::relative_to(root, &local))?;
    Ok(path.map_or(place.clone(), |path| format!("{place}#{path}")))
}
