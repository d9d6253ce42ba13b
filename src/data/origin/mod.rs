//! Where data comes from: other projects of mlx, Git repositories and URLs, and what they have now.

mod address;
mod command;
mod directory;
mod get;
mod git;
mod import;
mod kept;
mod place;
mod project;
mod repository;
mod update;
mod version;

use std::path::{Path, PathBuf};

pub use get::{Got, get};
pub use import::{Imported, Wanted, import};
pub use update::{Update, UpdateState, Updated, update};
pub use version::version;

use self::address::Address;
use self::directory::LocalDirectory;
use self::place::Place;
use self::repository::Found;
use crate::digest::Object;
use crate::event::Watch;
use crate::project::ProjectPath;
use crate::project::lock::Origin;
use crate::remote::Access;
use crate::store::Store;
use crate::{Digest, Error, Result};

/// How sources are reached from here.
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    /// Relative directories start here.
    pub base: &'a Path,
    /// Where clones of repositories and what is known of remotes are kept.
    pub cache: &'a Path,
    pub access: &'a Access,
    /// How many files are received at once.
    pub jobs: usize,
    pub watch: Watch<'a>,
}

/// Where something is, as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `REPOSITORY#PATH`: of another project of mlx, or kept by Git itself.
    Repository { address: Address, path: ProjectPath },
    /// A file at a URL.
    Place(Place),
    /// A directory of this machine.
    Directory(PathBuf),
}

impl Source {
    /// Reads a source. Relative directories start at `base`.
    pub fn parse(text: &str, base: &Path, home: Option<&Path>) -> Result<Self> {
        if text.starts_with('-') || text.trim().is_empty() || text.chars().any(char::is_control) {
            let shown = crate::fs::escape(text.as_bytes());
            return Err(Error::usage(format!("`{shown}` names no source"))
                .with_hint("write a URL, or a repository and a path in it: `git@host:team/project.git#data/raw.csv`"));
        }
        if let Some((repository, path)) = text.split_once('#') {
            let path = ProjectPath::from_text(path).map_err(|error| {
                Error::new(crate::Kind::Usage, error)
                    .context(format!("what stands behind `#` in `{}`", address::shown(text)))
            })?;
            return Ok(Self::Repository { address: Address::parse(repository, base, home)?, path });
        }
        match Place::parse(text, base, home)? {
            Some(place) => Ok(Self::Place(place)),
            None => Ok(Self::Directory(place::local(text, base, home)?)),
        }
    }

    /// Where it is, if it is on this machine.
    fn local(&self) -> Option<PathBuf> {
        match self {
            Self::Repository { address: Address::Local(path), .. } | Self::Directory(path) => Some(path.clone()),
            Self::Place(place) => place.local(),
            Self::Repository { .. } => None,
        }
    }

    /// The name that a copy gets where nothing else is said.
    fn name(&self) -> Result<Vec<u8>> {
        use std::os::unix::ffi::OsStrExt;
        let name = match self {
            Self::Repository { path, .. } => path.parts().last().map(<[u8]>::to_vec),
            Self::Place(place) => Some(place.file_name().as_bytes().to_vec()),
            Self::Directory(path) => path.file_name().map(|name| name.as_bytes().to_vec()),
        };
        name.ok_or_else(|| Error::usage("the source has no name of its own").with_hint("name the copy with `-o PATH`"))
    }

    /// Looks at what is there at a revision (or now), without bringing it. What is learned on the way may enter `store`.
    fn look(&self, rev: Option<&str>, store: &Store, reach: &Reach<'_>) -> Result<Sight> {
        match self {
            Self::Repository { address, path } => {
                let found = repository::look(address, path, rev, store, reach)?;
                let commit = found.commit().map(str::to_owned);
                Ok(Sight { commit, version: None, content: Content::Found(found) })
            }
            Self::Place(place) => {
                let file = place.look(reach)?;
                let version = file.version().map(str::to_owned);
                Ok(Sight { commit: None, version, content: Content::File(file) })
            }
            Self::Directory(path) => {
                let content = Content::Directory(LocalDirectory(path.clone()));
                Ok(Sight { commit: None, version: None, content })
            }
        }
    }
}

/// What is at a source now.
struct Sight {
    /// The commit, where it is in a repository.
    commit: Option<String>,
    /// What the server says of the version, such as an ETag; `None` where it says nothing.
    version: Option<String>,
    content: Content,
}

enum Content {
    Found(Found),
    File(place::RemoteFile),
    Directory(LocalDirectory),
}

/// How what is at a source compares to what came from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// The very version.
    Same,
    /// Another version of the source with the same content.
    SameContent,
    Other,
    /// That can't be told without reading it.
    Unknown,
}

impl Sight {
    /// Brings it into the store, checked and durable.
    fn bring(&self, store: &Store, reach: &Reach<'_>) -> Result<Object> {
        match &self.content {
            Content::Found(found) => found.bring(store, reach),
            Content::File(file) => file.bring(store, reach),
            Content::Directory(directory) => directory.bring(store, reach),
        }
    }

    /// The digest of what is there, where that is known without reading it.
    fn digest(&self) -> Option<Digest> {
        match &self.content {
            Content::Found(Found::Tracked(tracked)) => Some(tracked.object.digest),
            Content::Found(Found::Kept(_)) | Content::File(_) | Content::Directory(_) => None,
        }
    }

    fn compare(&self, origin: &Origin, reach: &Reach<'_>) -> Result<Compared> {
        let is_known = |known: &Option<String>, now: &Option<String>| known.is_some() && known == now;
        if is_known(&origin.commit, &self.commit) || is_known(&origin.version, &self.version) {
            return Ok(Compared::Same);
        }
        match &self.content {
            Content::Found(found) => found.compare(origin, reach),
            Content::File(_) if self.version.is_some() && origin.version.is_some() => Ok(Compared::Other),
            Content::File(_) | Content::Directory(_) => Ok(Compared::Unknown),
        }
    }
}
