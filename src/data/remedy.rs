//! What to do where content is not here: which command brings it, from where.

use crate::error::Error;
use crate::fs::escape;
use crate::project::{Project, ProjectPath};
use crate::store::StoreError;

/// So many names stand in a message.
const MOST_NAMES: usize = 5;

/// The first few of some names, and how many there are more.
pub fn some<T: std::fmt::Display>(names: impl ExactSizeIterator<Item = T>) -> String {
    let more = match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    let names: Vec<String> = names.take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    names.join(", ") + &more
}

/// Where a path was imported from, as the manifest says it.
pub fn source<'p>(project: &'p Project, path: &ProjectPath) -> Option<&'p str> {
    let mut imported = project.manifest.data.values().filter(|data| data.url.is_some());
    imported.find(|data| path.is_within(&data.path)).and_then(|data| data.url.as_deref())
}

/// How a path whose content is not here comes, with this command of mlx where a remote is named; `None` where nothing is
/// known that could have it.
pub fn how_to_bring(project: &Project, command: &str, path: &ProjectPath, revision: Option<&str>) -> Option<String> {
    let remotes: Vec<&str> = project.manifest.remotes.keys().map(String::as_str).collect();
    let revision = revision.map_or(String::new(), |revision| format!("--rev {} ", escape(revision.as_bytes())));
    let path_argument = path.argument();
    let line = format!("`mlx {command} {revision}{path_argument}`");
    match (remotes.as_slice(), source(project, path)) {
        ([], Some(_)) => Some(format!("bring it from where it was imported: `mlx update {path_argument}`")),
        ([], None) => None,
        ([remote], _) => Some(format!("bring it from remote `{remote}`: {line}")),
        (remotes, _) => Some(format!("bring it with {line}; there are the remotes {}", remotes.join(", "))),
    }
}

/// As [`how_to_bring`], for an error of the store.
pub fn of(project: &Project, error: &Error, command: &str, path: &ProjectPath, revision: Option<&str>) -> String {
    let is_damaged = matches!(error.downcast_ref(), Some(StoreError::Damaged { .. }));
    match how_to_bring(project, command, path, revision) {
        Some(_) if is_damaged && !project.manifest.remotes.is_empty() => {
            "put the damaged objects aside and fetch good copies: `mlx pull --repair`".into()
        }
        Some(line) => line,
        None => "no remote is named in mlx.toml that could have it; `mlx remote add` names one".into(),
    }
}

/// Where an object is missing, says which remote may have it.
pub fn name_remote(project: &Project, error: Error, path: &ProjectPath, revision: Option<&str>) -> Error {
    if !is_missing(&error) {
        return error;
    }
    let hint = of(project, &error, "fetch", path, revision);
    Error::new(error.kind(), anyhow::anyhow!("cannot read `{path}`: {error}")).with_hint(hint)
}

pub fn is_missing(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Missing { .. }))
}

/// Whether something is missing from the store, or damaged there.
pub fn is_absence(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Missing { .. } | StoreError::Damaged { .. }))
}
