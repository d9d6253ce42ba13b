//! Where things lie on a remote, and which version of that layout this program knows.
//!
//! ```text
//! mlx-remote             {"mlx_remote": 1}: the version of this layout
//! packs/<digest>.pack    packs as in the local store, named by the digest of their index; never changed
//! catalog                {"mlx_catalog": 1, "packs": […]}: what lies in packs/, for readers of servers that can't list
//! ```

use serde::{Deserialize, Serialize};

use super::{Body, Content, Remote, RemoteError};
use crate::store::pack::ENDING;
use crate::{Digest, Error, Result};

/// The version of the layout that this program reads and writes.
pub const VERSION: u64 = 1;
/// The file that names the version.
pub const MARK: &str = "mlx-remote";
/// The directory of packs.
pub const PACKS: &str = "packs";
/// The list of packs for who can't list.
pub const CATALOG: &str = "catalog";
/// No document of the layout is longer than this.
const LARGEST_DOCUMENT: usize = 64 << 20;

#[derive(Serialize, Deserialize)]
struct Mark {
    mlx_remote: u64,
}

/// The document `catalog`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackList {
    pub mlx_catalog: u64,
    pub packs: Vec<ListedPack>,
}

/// A pack in the document `catalog`.
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
        Err(_) => Err(Error::failed(format!("`{MARK}` on the remote `{}` is damaged", remote.url()))
            .with_hint(format!("if there is no other program behind it, write `{{\"mlx_remote\": {VERSION}}}` to it"))),
    }
}

/// Says on the remote which version its layout has.
pub fn begin(remote: &dyn Remote) -> Result<()> {
    let bytes = serde_json::to_vec(&Mark { mlx_remote: VERSION }).map_err(anyhow::Error::new)?;
    // Another may have been quicker; then what it wrote is looked at.
    if remote.create(MARK, &bytes)? || is_begun(remote)? {
        return Ok(());
    }
    Err(Error::failed(format!("cannot write `{MARK}` to the remote `{}`", remote.url())))
}

/// The document `catalog`; `None` where there is none.
pub fn pack_list(remote: &dyn Remote) -> Result<Option<PackList>> {
    let Some(bytes) = document(remote, CATALOG)? else { return Ok(None) };
    let list: PackList = serde_json::from_slice(&bytes).map_err(|error| {
        Error::failed(format!("`{CATALOG}` on the remote `{}` is damaged: {error}", remote.url()))
            .with_hint("any `mlx push` to it writes that file anew")
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

/// Writes the document `catalog`.
pub fn write_pack_list(remote: &dyn Remote, packs: Vec<ListedPack>) -> Result<()> {
    let bytes = serde_json::to_vec(&PackList { mlx_catalog: VERSION, packs }).map_err(anyhow::Error::new)?;
    remote.write(CATALOG, &Body { content: Content::Bytes(&bytes), sent: &|_| Ok(()) })
}

/// The whole of a small file; `None` where there is none.
fn document(remote: &dyn Remote, name: &str) -> Result<Option<Vec<u8>>> {
    let mut bytes = Bounded(Vec::new());
    match remote.read(name, None, &mut bytes) {
        Ok(_) => Ok(Some(bytes.0)),
        Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes no more than a document may have.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LARGEST_DOCUMENT {
            return Err(std::io::Error::other("the file is too long to be what its name says"));
        }
        self.0.extend_from_slice(bytes);
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
