//! What mlx reads of Git: the commit, uncommitted changes, and the lock as other commits have it.

use std::path::Path;

use anyhow::Context;
use git2::{Delta, DiffOptions, ObjectType, Patch, ReferenceType, Repository, StatusOptions};

use super::{LOCK, Lock, Project, ProjectPath};
use crate::fs::quote;
use crate::{Error, Result};

/// A larger file that Git does not know is data rather than code; a patch does not carry it.
const LARGE_UNTRACKED: u64 = 1 << 20;

/// The Git repository around a project.
pub struct Git {
    pub(super) repository: Repository,
    /// The project's place in the repository's tree; empty at its root.
    pub(super) prefix: std::path::PathBuf,
}

/// The lock of one commit.
pub struct LockAt {
    /// The commit's full id.
    pub commit: String,
    pub lock: Lock,
}

impl Git {
    /// The repository that the project lies in; `None` where there is none.
    pub fn of(project: &Project) -> Result<Option<Self>> {
        let repository = match Repository::discover(project.root()) {
            Ok(repository) => repository,
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(unopened(error, project.root())),
        };
        let Some(workdir) = repository.workdir() else { return Ok(None) };
        let workdir = workdir.canonicalize().with_context(|| format!("cannot enter `{}`", quote(workdir)))?;
        let Ok(prefix) = project.root().strip_prefix(workdir) else { return Ok(None) };
        let prefix = prefix.to_path_buf();
        Ok(Some(Self { repository, prefix }))
    }

    /// The `.git` around a project in which Git finds no repository: damaged, or a link to one that is not here.
    pub fn unreadable(project: &Project) -> Result<Option<std::path::PathBuf>> {
        if Self::of(project)?.is_some() || Repository::discover(project.root()).is_ok() {
            return Ok(None);
        }
        let mut places = project.root().ancestors().map(|directory| directory.join(".git"));
        Ok(places.find(|place| place.symlink_metadata().is_ok()))
    }

    /// The full id of the commit that is checked out; `None` before the first one.
    pub fn head(&self) -> Option<String> {
        self.repository.head().ok()?.peel_to_commit().ok().map(|commit| commit.id().to_string())
    }

    /// Whether tracked files of the project differ from the commit.
    pub fn is_dirty(&self) -> Result<bool> {
        let mut options = StatusOptions::new();
        options.include_untracked(false).include_ignored(false).exclude_submodules(true);
        if !self.prefix.as_os_str().is_empty() {
            options.pathspec(&self.prefix);
        }
        let statuses = self.repository.statuses(Some(&mut options)).context("cannot ask Git for its status")?;
        Ok(!statuses.is_empty())
    }

    /// The uncommitted changes of the project as a patch that `git apply` takes; empty where there are none. Untracked
    /// files that Git does not ignore are part of it, unless they are large: those are named in a line before the patch,
    /// and so is what can't be read because it changes meanwhile.
    pub fn patch(&self) -> Result<Vec<u8>> {
        let head = self.repository.head().ok().and_then(|head| head.peel_to_tree().ok());
        let mut options = DiffOptions::new();
        options.show_binary(true).include_untracked(true).recurse_untracked_dirs(true).show_untracked_content(true);
        if !self.prefix.as_os_str().is_empty() {
            options.pathspec(&self.prefix);
        }
        let diff = self
            .repository
            .diff_tree_to_workdir_with_index(head.as_ref(), Some(&mut options))
            .context("cannot ask Git for the uncommitted changes")?;
        let mut patch = Vec::new();
        let mut left_out = Vec::new();
        for (index, delta) in diff.deltas().enumerate() {
            // Asked of the file itself, because Git's own number has 32 bits.
            let file = delta.new_file().path().zip(self.repository.workdir()).map(|(path, root)| root.join(path));
            let size = file.as_ref().and_then(|file| file.symlink_metadata().ok()).map_or(0, |metadata| metadata.len());
            if delta.status() == Delta::Untracked && size > LARGE_UNTRACKED {
                let name = crate::fs::escape(delta.new_file().path_bytes().unwrap_or_default());
                left_out.push(format!("mlx: left out {name} ({size} bytes)\n"));
                continue;
            }
            let new = match (delta.status(), &file) {
                (Delta::Untracked, Some(file)) if size > 0 && file.is_file() && !file.is_symlink() => {
                    addition(&delta.new_file(), file)
                }
                _ => Patch::from_diff(&diff, index)
                    .and_then(|change| change.map(|mut c| c.to_buf()).transpose())
                    .map(|change| change.map_or(Vec::new(), |change| change.to_vec()))
                    .map_err(Into::into),
            };
            match new {
                Ok(new) => patch.extend_from_slice(&new),
                Err(error) => {
                    let name = crate::fs::escape(delta.new_file().path_bytes().unwrap_or_default());
                    left_out.push(format!("mlx: left out {name} ({})\n", error.to_string().replace('\n', " ")));
                }
            }
        }
        // `git apply` passes over text before the first header.
        if !left_out.is_empty() {
            patch.splice(0..0, left_out.concat().into_bytes());
        }
        Ok(patch)
    }

    /// The files of the project that Git keeps; those of submodules are not among them.
    pub fn files(&self) -> Result<Vec<ProjectPath>> {
        use std::os::unix::ffi::OsStrExt;
        let index = self.repository.index().context("cannot read the index of the Git repository")?;
        let mut prefix = self.prefix.as_os_str().as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let of_project =
            index.iter().filter_map(|entry| entry.path.strip_prefix(prefix.as_slice()).map(<[u8]>::to_vec));
        Ok(of_project.filter_map(|path| ProjectPath::new(path).ok()).collect())
    }

    /// Whether Git itself keeps this path or something below it.
    pub fn is_tracked(&self, path: &ProjectPath) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let path = self.prefix.join(path.as_path());
        let Ok(index) = self.repository.index() else { return false };
        let mut directory = path.as_os_str().as_bytes().to_vec();
        directory.push(b'/');
        index.get_path(&path, 0).is_some() || index.iter().any(|entry| entry.path.starts_with(&directory))
    }

    /// Whether this names a commit.
    pub fn is_revision(&self, text: &str) -> bool {
        self.repository.revparse_single(text).is_ok_and(|object| object.peel_to_commit().is_ok())
    }

    /// The lock at a Git revision (`HEAD~1`, a branch, a tag, a commit); empty where that commit has none.
    pub fn lock_at(&self, revision: &str) -> Result<LockAt> {
        let commit =
            self.repository.revparse_single(revision).and_then(|object| object.peel_to_commit()).map_err(|error| {
                let shown = crate::fs::escape(revision.as_bytes());
                Error::usage(format!("`{shown}` is no revision of the Git repository: {}", error.message()))
                    .with_hint("`git log --oneline` lists commits")
            })?;
        self.lock_of(&commit)
    }

    /// The lock of every commit that a branch, a tag or HEAD points at, each once.
    pub fn locks_of_all_refs(&self) -> Result<Vec<LockAt>> {
        self.refuse_broken_references()?;
        let references = self.repository.references().context("cannot list the Git references")?;
        let mut commits = std::collections::BTreeMap::new();
        for reference in references {
            let reference = reference.context("cannot read a Git reference")?;
            match reference.peel_to_commit() {
                Ok(commit) => drop(commits.insert(commit.id(), commit)),
                Err(error) if is_lost(&error) && reference.kind() == Some(ReferenceType::Direct) => {
                    return Err(lost(error, "cannot read the commit of a Git reference"));
                }
                // It names another thing than a commit, or a branch that is not there any more.
                Err(_) => {}
            }
        }
        commits.extend(self.head_commit()?.map(|commit| (commit.id(), commit)));
        commits.values().map(|commit| self.lock_of(commit)).collect()
    }

    /// Every different lock in the history of all references, each once with one of its commits.
    pub fn locks_of_history(&self) -> Result<Vec<LockAt>> {
        self.refuse_broken_references()?;
        let cannot = |error| lost(error, "cannot walk the Git history");
        let mut walk = self.repository.revwalk().map_err(cannot)?;
        walk.push_glob("*").map_err(cannot)?;
        if let Some(head) = self.head_commit()? {
            walk.push(head.id()).map_err(cannot)?;
        }
        let path = self.prefix.join(LOCK);
        let mut seen = std::collections::HashSet::new();
        let mut locks = Vec::new();
        for id in walk {
            let commit = id.and_then(|id| self.repository.find_commit(id));
            let commit = commit.map_err(|error| lost(error, "cannot read a Git commit"))?;
            if let Some(entry) = entry(&commit, &path)?
                && seen.insert(entry.id())
            {
                locks.push(self.lock_of(&commit)?);
            }
        }
        Ok(locks)
    }

    /// A file of the project as a commit has it, given by its id; `None` where it has none or is not here.
    pub fn file_at(&self, commit: &str, path: &ProjectPath) -> Option<Vec<u8>> {
        let commit = self.repository.find_commit(git2::Oid::from_str(commit).ok()?).ok()?;
        self.file(&commit, &self.prefix.join(path.as_path())).ok().flatten()
    }

    pub(super) fn lock_of(&self, commit: &git2::Commit<'_>) -> Result<LockAt> {
        let id = commit.id().to_string();
        let name = format!("{LOCK} of commit {}", &id[..12]);
        let bytes = self.file(commit, &self.prefix.join(LOCK))?;
        let lock = bytes.map_or_else(|| Ok(Lock::default()), |bytes| Lock::parse(&bytes, &name))?;
        Ok(LockAt { commit: id, lock })
    }

    fn file(&self, commit: &git2::Commit<'_>, path: &Path) -> Result<Option<Vec<u8>>> {
        let Some(entry) = entry(commit, path)?.filter(|entry| entry.kind() == Some(ObjectType::Blob)) else {
            return Ok(None);
        };
        let blob = self.repository.find_blob(entry.id());
        Ok(Some(blob.map_err(|error| lost(error, "cannot read a file of a commit"))?.content().to_vec()))
    }

    /// What HEAD points at; `None` before the first commit.
    fn head_commit(&self) -> Result<Option<git2::Commit<'_>>> {
        let commit = self.repository.head().and_then(|head| head.peel_to_commit());
        match commit {
            Err(error) if error.code() == git2::ErrorCode::UnbornBranch => Ok(None),
            commit => commit.map(Some).map_err(|error| lost(error, "cannot read the commit of HEAD")),
        }
    }

    /// An error where a reference is none, as a power cut may leave it: libgit2 passes over such, and nobody would know what
    /// its commits name.
    fn refuse_broken_references(&self) -> Result<()> {
        let mut waiting = vec![self.repository.commondir().join("refs")];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().filter_map(std::io::Result::ok) {
                let (path, kind) = (entry.path(), entry.file_type());
                if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                    waiting.push(path);
                } else if kind.is_ok_and(|kind| kind.is_file())
                    && path.extension().is_none_or(|ending| ending != "lock")
                {
                    // It may have gone meanwhile.
                    let Some(content) = crate::fs::read_optional(&path)? else { continue };
                    let id = content.trim_ascii_end();
                    if !content.starts_with(b"ref:") && (id.len() < 40 || !id.iter().all(u8::is_ascii_hexdigit)) {
                        return Err(Error::failed(format!("`{}` names no commit", quote(&path))).with_hint(
                            "mend this reference, or take it away; `git fsck` and `git reflog` tell of what is lost",
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What a commit has at a path of the repository.
fn entry(commit: &git2::Commit<'_>, path: &Path) -> Result<Option<git2::TreeEntry<'static>>> {
    let entry = commit.tree().and_then(|tree| tree.get_path(path));
    match entry {
        // Both say "not found": that the tree has no such name, and that a tree is not here.
        Err(error) if !is_lost(&error) => Ok(None),
        entry => entry.map(Some).map_err(|error| lost(error, "cannot read the tree of a commit")),
    }
}

/// Whether an object is missing from the repository, or damaged there.
fn is_lost(error: &git2::Error) -> bool {
    error.class() == git2::ErrorClass::Odb
}

fn lost(error: git2::Error, what: &'static str) -> Error {
    let is_lost = is_lost(&error);
    let error = Error::from(anyhow::Error::new(error).context(what));
    match is_lost {
        true => error.with_hint(format!(
            "`git fsck` says what is lost; in a partial clone, `git log --all -p -- {LOCK}` brings what is not here yet"
        )),
        false => error,
    }
}

fn unopened(error: git2::Error, root: &Path) -> Error {
    let hint = match error.code() {
        git2::ErrorCode::Owner => {
            let place = root.ancestors().find(|directory| directory.join(".git").symlink_metadata().is_ok());
            let place = quote(place.unwrap_or(root));
            Some(format!("another user owns it; trust it with `git config --global --add safe.directory {place}`"))
        }
        _ if error.class() == git2::ErrorClass::Repository => {
            Some("mlx reads repositories with SHA-1 objects and references in files".to_owned())
        }
        _ => None,
    };
    let error = Error::from(anyhow::Error::new(error).context("cannot open the Git repository"));
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The patch that makes a new file. libgit2 would map it into memory, and a program that cuts it then, such as one that
/// begins a new log, would end this one with a bus error.
fn addition(delta: &git2::DiffFile<'_>, file: &Path) -> anyhow::Result<Vec<u8>> {
    use std::os::unix::fs::PermissionsExt;
    let content = std::fs::read(file)?;
    let mode = if file.metadata()?.permissions().mode() & 0o100 == 0 { "100644" } else { "100755" };
    let name = delta.path().context("it has no name")?;
    let mut options = DiffOptions::new();
    options.show_binary(true);
    let change = Patch::from_buffers(&[], Some(name), &content, Some(name), Some(&mut options))?.to_buf()?.to_vec();
    // What is made of nothing and what is new differ in the lines before the content.
    let mut patch = Vec::with_capacity(change.len() + 32);
    let mut rest = change.as_slice();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        if let Some(ids) = line.strip_prefix(b"index ") {
            let ids = String::from_utf8_lossy(ids);
            let new = ids.split([' ', '\n']).next().and_then(|ids| ids.split_once("..")).context("it has no id")?.1;
            patch.extend_from_slice(format!("new file mode {mode}\nindex {:0>1$}..{new}\n", "", new.len()).as_bytes());
        } else if line.starts_with(b"--- ") {
            patch.extend_from_slice(b"--- /dev/null\n");
        } else if line.starts_with(b"@@ ") || line.starts_with(b"GIT binary patch") {
            break;
        } else {
            patch.extend_from_slice(line);
        }
        rest = after;
    }
    patch.extend_from_slice(rest);
    Ok(patch)
}
