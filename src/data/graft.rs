//! A part of a tracked directory: the version of the whole with another content in one place.

use super::Workspace;
use crate::digest::Object;
use crate::error::ErrorContext;
use crate::project::ProjectPath;
use crate::store::Batch;
use crate::store::tree::{Entry, Tree};
use crate::{Error, Result};

/// The directory `whole`, tracked as `entry`, with `part` in the place of what it holds at `path`; `None` takes that away.
/// Only the listings on the way there are read, and new ones written.
pub fn graft(
    workspace: &Workspace,
    batch: &Batch,
    entry: &ProjectPath,
    whole: &Object,
    path: &ProjectPath,
    part: Option<Object>,
) -> Result<Object> {
    let names: Vec<&[u8]> = path.parts().skip(entry.parts().count()).collect();
    let grafted = replace(workspace, batch, Some(whole), &names, part)
        .with_context(|| format!("cannot make a version of `{entry}` from its part `{path}`"))?;
    grafted.ok_or_else(|| Error::usage(format!("`{path}` is all of `{entry}`")))
}

fn replace(
    workspace: &Workspace,
    batch: &Batch,
    object: Option<&Object>,
    names: &[&[u8]],
    part: Option<Object>,
) -> Result<Option<Object>> {
    let Some((first, rest)) = names.split_first() else { return Ok(part) };
    let tree = match object {
        Some(object) if object.is_directory() => workspace.store.tree(&object.digest)?,
        // What takes nothing away need not be made for it.
        _ if part.is_none() => return Ok(object.cloned()),
        _ => Tree::default(),
    };
    let new = replace(workspace, batch, tree.get(first), rest, part)?;
    let others = tree.entries().iter().filter(|entry| entry.name != *first).cloned();
    let new = new.map(|object| Entry { name: first.to_vec(), object });
    batch.put_tree(&Tree::new(others.chain(new).collect())).map(Some)
}
