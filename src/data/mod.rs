//! Versions of files: the working tree of a project against its lock and its store.

mod add;
mod arguments;
mod cache;
mod cat;
mod checkout;
mod diff;
mod freed;
mod garbage;
mod graft;
mod index;
mod list;
mod listings;
mod naming;
pub mod origin;
mod part;
mod pipe;
mod placed;
mod pushed;
mod read;
mod refused;
mod remedy;
mod restore;
mod roots;
mod rules;
mod scan;
mod stage;
mod status;
pub mod tabular;
mod transfer;
mod twins;
mod untrack;
mod verify;

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use add::{Added, add};
pub use arguments::revisions_and_paths;
pub use cache::{Amount, Cache, Purpose, cache, files_below};
pub use cat::{Found, find_file, write_file};
pub use checkout::{CheckedOut, Lacking, checkout};
pub use diff::{Change, ChangeKind, Count, Diff, diff};
pub use freed::freed_by;
pub use garbage::{Collected, Collection, collect_garbage};
pub use list::{Listed, Listing, Presence, is_whole, list};
pub use listings::bring_listings;
pub use part::{key_digest, lines_digest};
pub use placed::{LeftOver, remember_whole};
pub use pushed::{Absent, Checked, Unasked, check_pushed};
pub use remedy::{how_to_bring, some as some_names};
pub use restore::Restored;
pub use roots::{History, IMPORTED};
pub use status::{PathState, PathStatus, Status, status};
pub use transfer::{Pulled, Selection, Versions, fetch, pull, push, verify_remote};
pub use untrack::{Untracked, untrack};
pub use verify::{Problem, Verified, verify};

use anyhow::Context;

use self::index::Index;
use crate::digest::{Object, ObjectKind};
use crate::event::Watch;
use crate::fs::{Directory, quote};
use crate::project::{Project, ProjectPath};
use crate::store::{Batch, Store};
use crate::{Digest, Result};

/// The files of a project together with its store and what is remembered of them. May be used from many threads.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    /// The root, open.
    directory: Directory,
    scratch: PathBuf,
    store: Store,
    index: Index,
    /// What is taken to lie at a path, whatever does.
    supposed: HashMap<ProjectPath, Object>,
}

impl Workspace {
    /// Opens the store, which is created where it is missing, and keeps it out of Git whatever `.gitignore` says.
    pub fn open(project: &Project) -> Result<Self> {
        let ignore = project.state(".gitignore");
        if !ignore.exists() {
            // Where that can't be, nothing comes there that would have to be hidden, and who only reads goes on.
            let _ = crate::fs::create_dir_all(&project.state(""))
                .and_then(|()| crate::fs::replace(&ignore, &project.scratch(), |out| out.write_all(b"*\n")));
        }
        let root = project.root().to_path_buf();
        let directory = Directory::open(&root).with_context(|| format!("cannot enter `{}`", quote(&root)))?;
        Ok(Self {
            root,
            directory,
            scratch: project.scratch(),
            store: Store::of(project)?,
            index: Index::open(&project.state("index")),
            supposed: HashMap::new(),
        })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The root of the project.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The content of a path as it is now; `None` where nothing lies there. Files that did not change since they were last
    /// read are not read again.
    ///
    /// A path that is itself a symbolic link is followed; links inside a directory are kept as links.
    pub fn object(&self, path: &ProjectPath, watch: Watch<'_>) -> Result<Option<Object>> {
        match self.supposed.get(path) {
            Some(object) => Ok(Some(object.clone())),
            None => scan::Scan::new(self, None, watch).object(path),
        }
    }

    /// Takes the content of a file to be these bytes, for who asks what would be.
    pub fn suppose(&mut self, path: ProjectPath, bytes: &[u8]) {
        let (kind, digest, size) = (ObjectKind::File, Digest::of(bytes), bytes.len() as u64);
        self.supposed.insert(path, Object { kind, digest, size, files: 1 });
    }

    /// Adds the content of a path to the batch, reading what changed once; `None` where nothing lies there.
    pub fn add(&self, path: &ProjectPath, batch: &Batch, watch: Watch<'_>) -> Result<Option<Object>> {
        scan::Scan::new(self, Some(batch), watch).object(path)
    }

    /// Where a path of the project, by its bytes, lies.
    fn full(&self, path: &[u8]) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(path))
    }

    /// Removes what killed commands left of files they were writing, once that is older than a day. Returns how many.
    pub fn sweep_temporaries(&self) -> Result<u64> {
        crate::fs::sweep(&self.scratch, std::time::Duration::from_secs(24 * 3600))
    }

    /// Writes down what was learned about files. It can be learned again, so that a full disk or a directory that is not
    /// ours to write is no failure.
    pub fn save(&self) {
        let _ = self.index.save(&self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Kind;
    use crate::event::{Interrupt, Silent};

    struct Fixture {
        dir: tempfile::TempDir,
        workspace: Workspace,
        path: ProjectPath,
        interrupt: Interrupt,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("mlx.toml"), "").unwrap();
            let workspace = Workspace::open(&Project::open(dir.path()).unwrap()).unwrap();
            let path = ProjectPath::new("data").unwrap();
            fs::create_dir_all(dir.path().join("data/empty")).unwrap();
            fs::write(dir.path().join("data/a"), "alpha").unwrap();
            fs::write(dir.path().join("data/run.sh"), "#!/bin/sh").unwrap();
            fs::set_permissions(dir.path().join("data/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
            std::os::unix::fs::symlink("a", dir.path().join("data/link")).unwrap();
            Self { dir, workspace, path, interrupt: Interrupt::default() }
        }

        fn watch(&self) -> Watch<'_> {
            Watch { events: &Silent, interrupt: &self.interrupt }
        }

        fn add(&self) -> Object {
            let batch = self.workspace.store().batch().unwrap();
            let object = self.workspace.add(&self.path, &batch, self.watch()).unwrap().unwrap();
            batch.commit().unwrap();
            object
        }

        fn file(&self, name: &str) -> PathBuf {
            self.dir.path().join("data").join(name)
        }
    }

    #[test]
    fn what_was_added_comes_back_whole() {
        let fixture = Fixture::new();
        let object = fixture.add();
        assert_eq!((object.files, object.size), (3, 15));

        fs::remove_dir_all(fixture.dir.path().join("data")).unwrap();
        assert_eq!(fixture.workspace.object(&fixture.path, fixture.watch()).unwrap(), None);
        let restored = fixture.workspace.restore(&fixture.path, &object, false, fixture.watch()).unwrap();

        assert_eq!(restored.files_written, 3);
        assert_eq!(fixture.workspace.object(&fixture.path, fixture.watch()).unwrap(), Some(object));
        assert_eq!(fs::read_link(fixture.file("link")).unwrap(), Path::new("a"));
        assert!(fixture.file("empty").is_dir());
    }

    #[test]
    fn changes_in_no_store_are_kept_unless_forced() {
        let fixture = Fixture::new();
        let object = fixture.add();
        fs::write(fixture.file("a"), "changed").unwrap();
        fs::write(fixture.file("new"), "new").unwrap();

        let error = fixture.workspace.restore(&fixture.path, &object, false, fixture.watch()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(fs::read(fixture.file("a")).unwrap(), b"changed");

        fixture.workspace.restore(&fixture.path, &object, true, fixture.watch()).unwrap();
        assert_eq!(fs::read(fixture.file("a")).unwrap(), b"alpha");
        assert!(!fixture.file("new").exists());
    }

    #[test]
    fn saved_changes_give_way() {
        let fixture = Fixture::new();
        let before = fixture.add();
        fs::remove_file(fixture.file("a")).unwrap();
        fs::create_dir(fixture.file("a")).unwrap();
        fs::write(fixture.file("a/b"), "beta").unwrap();
        let after = fixture.add();

        for object in [&before, &after, &before] {
            fixture.workspace.restore(&fixture.path, object, false, fixture.watch()).unwrap();
            assert_eq!(fixture.workspace.object(&fixture.path, fixture.watch()).unwrap().as_ref(), Some(object));
        }
        let removed = fixture.workspace.remove(&fixture.path, false, fixture.watch()).unwrap();
        assert_eq!(removed.files_removed, 3);
        assert!(!fixture.dir.path().join("data").exists());
    }

    #[test]
    fn what_goes_while_a_directory_is_read_was_never_there() {
        let fixture = Fixture::new();
        let (come, is_over) = (fixture.file("come and go"), std::sync::atomic::AtomicBool::new(false));

        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    std::os::unix::fs::symlink("a", &come).unwrap();
                    fs::remove_file(&come).unwrap();
                }
            });
            let read = || fixture.workspace.object(&fixture.path, fixture.watch());
            let results: Vec<_> = (0..2000).map(|_| read()).collect();
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            for object in results {
                assert!(object.unwrap().is_some());
            }
        });
    }

    #[test]
    fn damaged_objects_are_never_put_back() {
        let fixture = Fixture::new();
        let object = fixture.add();
        fs::remove_file(fixture.file("a")).unwrap();
        let hex = crate::Digest::of("alpha").hex();
        let stored = fixture.dir.path().join(".mlx/store/objects").join(&hex[..2]).join(&hex[2..]);
        fs::set_permissions(&stored, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(&stored, "alphA").unwrap();

        let error = fixture.workspace.restore(&fixture.path, &object, false, fixture.watch()).unwrap_err();

        assert!(format!("{error}").contains("is damaged"), "{error}");
        assert!(!fixture.file("a").exists());
    }

    #[test]
    fn a_version_with_a_repository_in_it_is_refused() {
        use crate::store::tree::{Entry, Tree};
        let fixture = Fixture::new();
        let batch = fixture.workspace.store().batch().unwrap();
        let digest = batch.put_bytes(b"evil").unwrap();
        let object = Object { kind: crate::digest::ObjectKind::File, digest, size: 4, files: 1 };
        let tree = Tree::new(vec![Entry { name: b".Git".to_vec(), object }]);
        let object = batch.put_tree(&tree).unwrap();
        batch.commit().unwrap();

        let error = fixture.workspace.restore(&fixture.path, &object, true, fixture.watch()).unwrap_err();

        assert!(error.to_string().contains("can't hold `data/.Git`"), "{error}");
        assert!(fixture.file("a").exists());
    }
}
