//! Where things lie on a remote, and which version of that layout this program knows.
//!
//! ```text
//! mlx-remote             {"mlx_remote": 1}: the version of this layout
//! packs/<digest>.pack    packs as in the local store, named by the digest of their index; never changed
//! records/<digest>.jsonl.zst   records, many in a file, named by the digest of its bytes; never changed
//! registry/…             records of a registry of models, each a file of its own; created once and never changed
//! catalog                {"mlx_catalog": 1, "packs": […], "records": […]}: what lies in packs/ and in records/, for readers
//!                        of servers that can't list
//! ```

use serde::{Deserialize, Serialize};

use super::memory::Seen;
use super::{Body, Content, Entry, Remote, RemoteError};
use crate::store::pack::ENDING;
use crate::{Digest, Error, Result};

/// The version of the layout that this program reads and writes.
pub const VERSION: u64 = 1;
/// The file that names the version.
pub const MARK: &str = "mlx-remote";
/// The directory of packs.
pub const PACKS: &str = "packs";
/// The directory of records.
pub const RECORDS: &str = "records";
/// How the names of files of records end.
const RECORD_ENDING: &str = ".jsonl.zst";
/// The list of packs for who can't list.
pub const CATALOG: &str = "catalog";
/// So often the list of files is written anew when others write it at the same time.
const ATTEMPTS: usize = 5;
/// No document of the layout is longer than this.
const LARGEST_DOCUMENT: usize = 64 << 20;
/// The file that names the version holds one number.
const LARGEST_MARK: usize = 64 << 10;

/// What to do about a damaged document `catalog`.
const LIST_HINT: &str = "any `mlx push` to it writes that file anew";

/// What to do about a damaged mark.
fn mark_hint() -> String {
    format!("if there is no other program behind it, write `{{\"mlx_remote\": {VERSION}}}` to it")
}

#[derive(Serialize, Deserialize)]
struct Mark {
    mlx_remote: u64,
}

/// The document `catalog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackList {
    pub mlx_catalog: u64,
    pub packs: Vec<ListedPack>,
    /// Files of records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<ListedPack>,
}

/// What is on a remote, for the document `catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    packs: Vec<ListedPack>,
    records: Vec<ListedPack>,
}

impl Listing {
    /// Of what several sources say, each file once.
    pub fn new(
        packs: impl IntoIterator<Item = (Digest, Seen)>,
        records: impl IntoIterator<Item = (Digest, Seen)>,
    ) -> Self {
        let sorted = |files: &mut dyn Iterator<Item = (Digest, Seen)>| {
            let mut files: Vec<_> = files.map(|(digest, seen)| ListedPack { digest, size: seen.size }).collect();
            files.sort();
            files.dedup();
            files
        };
        Self { packs: sorted(&mut packs.into_iter()), records: sorted(&mut records.into_iter()) }
    }
}

/// A file in the document `catalog`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListedPack {
    /// The digest of its index.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// The name of the pack with this index.
pub fn pack_name(digest: &Digest) -> String {
    format!("{PACKS}/{}.{ENDING}", digest.hex())
}

/// The digest of the index that a file's name says; `None` for what is no pack.
pub fn pack_digest(name: &str) -> Option<Digest> {
    let name = name.strip_prefix(PACKS)?.strip_prefix('/')?.strip_suffix(ENDING)?.strip_suffix('.')?;
    Digest::from_hex(name).ok()
}

/// Whether the remote has been written to.
///
/// # Errors
/// Refuses a layout of another version.
pub fn is_begun(remote: &dyn Remote) -> Result<bool> {
    let Some(bytes) = document(remote, MARK)? else { return Ok(false) };
    match serde_json::from_slice::<Mark>(&bytes) {
        Ok(Mark { mlx_remote: VERSION }) => Ok(true),
        Ok(Mark { mlx_remote }) => Err(Error::failed(format!(
            "the remote `{}` has version {mlx_remote} of the layout; this mlx knows version {VERSION}",
            remote.url()
        ))
        .with_hint("install the mlx that wrote it")),
        Err(_) => {
            Err(Error::failed(format!("`{MARK}` on the remote `{}` is damaged", remote.url())).with_hint(mark_hint()))
        }
    }
}

/// What the file that names the version holds.
pub fn mark() -> Vec<u8> {
    serde_json::to_vec(&Mark { mlx_remote: VERSION }).expect("it is one number")
}

/// Says on the remote which version its layout has.
pub fn begin(remote: &dyn Remote) -> Result<()> {
    // Another may have been quicker; then what it wrote is looked at.
    if remote.create(MARK, &mark())? || is_begun(remote)? {
        return Ok(());
    }
    Err(Error::failed(format!("cannot write `{MARK}` to the remote `{}`", remote.url())))
}

/// The document `catalog`; `None` where there is none.
pub fn pack_list(remote: &dyn Remote) -> Result<Option<PackList>> {
    let Some(bytes) = document(remote, CATALOG)? else { return Ok(None) };
    let list: PackList = serde_json::from_slice(&bytes).map_err(|error| {
        Error::failed(format!("`{CATALOG}` on the remote `{}` is damaged: {error}", remote.url())).with_hint(LIST_HINT)
    })?;
    if list.mlx_catalog != VERSION {
        let version = list.mlx_catalog;
        return Err(Error::failed(format!(
            "`{CATALOG}` on the remote `{}` has version {version}; this mlx knows version {VERSION}",
            remote.url()
        ))
        .with_hint("install the mlx that wrote it"));
    }
    Ok(Some(list))
}

/// Writes the list of files for who can't list. Whoever writes last has seen all that was there before.
pub fn publish(remote: &dyn Remote, mut listing: Listing, list: impl Fn() -> Result<Listing>) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let Listing { packs, records } = listing.clone();
        let document = PackList { mlx_catalog: VERSION, packs, records };
        let bytes = serde_json::to_vec(&document).map_err(anyhow::Error::new)?;
        remote.write(CATALOG, &Body { content: Content::Bytes(&bytes), sent: &|_| Ok(()) })?;
        let now = list()?;
        if now == listing {
            break;
        }
        listing = now;
    }
    Ok(())
}

/// The name of the file of records with these bytes.
pub fn record_file(digest: &Digest) -> String {
    format!("{RECORDS}/{}{RECORD_ENDING}", digest.hex())
}

/// The digest that the name of a file of records says; `None` for any other file.
pub fn record_file_digest(name: &str) -> Option<Digest> {
    let name = name.strip_prefix(RECORDS)?.strip_prefix('/')?.strip_suffix(RECORD_ENDING)?;
    Digest::from_hex(name).ok()
}

/// The files of records that are there.
pub fn listed_records(remote: &dyn Remote) -> Result<Vec<(Digest, Seen)>> {
    match remote.list(RECORDS) {
        Ok(entries) => {
            let of = |entry: &Entry| Some((record_file_digest(&entry.name)?, Seen::of(entry)));
            Ok(entries.iter().filter_map(of).collect())
        }
        Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))) => {
            let list = pack_list(remote)?.map_or_else(Vec::new, |list| list.records);
            let seen = |size| Seen { size, version: String::new() };
            Ok(list.into_iter().map(|file| (file.digest, seen(file.size))).collect())
        }
        Err(error) => Err(error),
    }
}

/// The whole of a small file; `None` where there is none.
fn document(remote: &dyn Remote, name: &str) -> Result<Option<Vec<u8>>> {
    let most = if name == MARK { LARGEST_MARK } else { LARGEST_DOCUMENT };
    let mut bytes = Bounded { bytes: Vec::new(), most, is_over: false };
    match remote.read(name, None, &mut bytes) {
        Ok(_) => Ok(Some(bytes.bytes)),
        Err(_) if bytes.is_over => {
            let url = remote.url();
            let what =
                format!("`{name}` on the remote `{url}` is longer than {most} bytes: it is damaged, or no file of mlx");
            Err(Error::failed(what).with_hint(if name == MARK { mark_hint() } else { LIST_HINT.into() }))
        }
        Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes no more than a document may have.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
    /// Whether more came.
    is_over: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.most {
            self.is_over = true;
            return Err(std::io::Error::other("the file is too long to be what its name says"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packs_read_back_and_others_are_passed_over() {
        let digest = Digest::of("x");

        assert_eq!(pack_digest(&pack_name(&digest)), Some(digest));
        for other in ["packs/x.pack", "packs/.tmp", "other", &format!("packs/{}", digest.hex())] {
            assert_eq!(pack_digest(other), None, "{other}");
        }
    }
}
