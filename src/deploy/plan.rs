//! What a deploy would change, as plain data.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{Target, is_unreadable};
use crate::bundle::{Assembly, Bundle, Description, File, Layer, Lineage, PlannedLayer};
use crate::project::lock::LockedPath;
use crate::run::RunId;
use crate::{Digest, Result};

/// What differs between the release that is live and the one that would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Where the target is.
    pub place: String,
    /// The digest of the bundle; another one once it is signed, where `must_be_signed_by` is given.
    pub release: Digest,
    /// The key that has to sign the bundle before the target takes it, where it did not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_be_signed_by: Option<Digest>,
    pub model: String,
    pub version: u64,
    pub run: Option<RunId>,
    /// What is live now; `None` where nothing is.
    pub live: Option<LiveRelease>,
    /// Whether the release is live already and files of it are missing or damaged.
    pub repair: bool,
    /// Contents that the target does not have yet, each once: files, or layers where the target keeps those.
    pub upload: Vec<File>,
    pub upload_bytes: u64,
    /// Files of the release and their bytes, whether there or not.
    pub total_files: u64,
    pub total_bytes: u64,
    /// Files that the live release has with another content, or not at all.
    pub files: Vec<FileChange>,
    pub params: Vec<Change<Value>>,
    pub metrics: Vec<Change<f64>>,
    /// Data and code that the model was made from.
    pub data: Vec<Change<Digest>>,
}

/// The release that is live.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveRelease {
    pub release: Digest,
    pub model: String,
    pub version: u64,
    pub run: Option<RunId>,
}

/// A value that differs; `None` where one side does not have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change<T> {
    pub name: String,
    pub live: Option<T>,
    pub new: Option<T>,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    pub path: String,
    pub live: Option<Digest>,
    pub new: Option<Digest>,
    /// Bytes of the new file; 0 for one that goes.
    pub size: u64,
}

impl Plan {
    /// Whether there is nothing to do: the release is live already, and whole.
    pub fn is_live(&self) -> bool {
        !self.repair && self.live.as_ref().is_some_and(|live| live.release == self.release)
    }
}

/// A bundle that may become a release: one that was written, or one that is only thought through.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    pub release: Digest,
    pub description: &'a Description,
    pub layers: Vec<Layer>,
    /// What the bundle says about itself besides, by name: it is to lie there as well.
    pub own: Vec<(&'static str, Digest)>,
    /// The key that has to sign it first, where somebody without the key wants to know what would change.
    pub must_be_signed_by: Option<Digest>,
}

impl<'a> From<&'a Bundle> for Candidate<'a> {
    fn from(bundle: &'a Bundle) -> Self {
        let (release, description, layers) = (bundle.digest(), bundle.description(), bundle.layers().to_vec());
        Self { release, description, layers, own: bundle.own_files(), must_be_signed_by: None }
    }
}

impl<'a> From<&'a Assembly> for Candidate<'a> {
    fn from(assembly: &'a Assembly) -> Self {
        let layers = assembly.layers().iter().map(PlannedLayer::layer).collect();
        let (release, description) = (assembly.digest(), assembly.description());
        Self { release, description, layers, own: assembly.own_files(), must_be_signed_by: None }
    }
}

/// Computes what deploying a bundle would change.
pub fn plan(target: &dyn Target, candidate: &Candidate<'_>) -> Result<Plan> {
    let Candidate { description: new, must_be_signed_by, .. } = candidate;
    let live = match target.live()? {
        Some(live) => match target.description(&live) {
            // Somebody else put it there, or it is damaged: it is replaced as if nothing were live.
            Err(error) if is_unreadable(&error) => None,
            description => description?.map(|description| (live, description)),
        },
        None => None,
    };
    // The digest comes with the signature, and what the bundle says of its files does not.
    let same = live.as_ref().filter(|(live, description)| match must_be_signed_by {
        Some(_) => description == *new,
        None => *live == candidate.release,
    });
    let release = same.map_or(candidate.release, |(live, _)| *live);
    let is_same = same.is_some();
    let nothing = Lineage::default();
    let (lineage, files) = live.as_ref().map_or((&nothing, &[][..]), |(_, live)| (&live.lineage, &live.files));
    let upload = target.missing(candidate)?;
    Ok(Plan {
        place: target.place(),
        release,
        must_be_signed_by: *must_be_signed_by,
        model: new.model.name.clone(),
        version: new.model.version,
        run: new.lineage.run.clone(),
        upload_bytes: upload.iter().map(|file| file.size).sum(),
        upload,
        total_files: new.files.len() as u64,
        total_bytes: new.files.iter().map(|file| file.size).sum(),
        repair: is_same && !target.is_whole(&Candidate { release, ..candidate.clone() })?,
        files: file_changes(files, &new.files),
        params: changes(&lineage.params, &new.lineage.params),
        metrics: changes(&lineage.metrics, &new.lineage.metrics),
        data: changes(&digests(&lineage.data), &digests(&new.lineage.data)),
        live: live.map(|(release, live)| LiveRelease {
            release,
            model: live.model.name,
            version: live.model.version,
            run: live.lineage.run,
        }),
    })
}

fn digests(data: &[LockedPath]) -> BTreeMap<String, Digest> {
    data.iter().map(|locked| (locked.path.to_string(), locked.object.digest)).collect()
}

/// The names whose values differ, sorted.
fn changes<T: Clone + PartialEq>(live: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<Change<T>> {
    let mut names: Vec<&String> = live.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let change =
        |name: &String| Change { name: name.clone(), live: live.get(name).cloned(), new: new.get(name).cloned() };
    names.into_iter().filter(|name| live.get(*name) != new.get(*name)).map(change).collect()
}

fn file_changes(live: &[File], new: &[File]) -> Vec<FileChange> {
    let digests = |files: &[File]| files.iter().map(|file| (file.path.clone(), file.digest)).collect();
    let size = |path: &str| new.iter().find(|file| file.path == path).map_or(0, |file| file.size);
    let change = |Change { name, live, new }| FileChange { size: size(&name), path: name, live, new };
    changes(&digests(live), &digests(new)).into_iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_a_change() {
        let map = |pairs: &[(&str, u32)]| pairs.iter().map(|(name, value)| (name.to_string(), *value)).collect();

        let found = changes(&map(&[("a", 1), ("b", 2), ("c", 3)]), &map(&[("b", 2), ("c", 4), ("d", 5)]));

        let found: Vec<_> = found.iter().map(|change| (change.name.as_str(), change.live, change.new)).collect();
        assert_eq!(found, [("a", Some(1), None), ("c", Some(3), Some(4)), ("d", None, Some(5))]);
    }
}
