//! A Git repository, here or elsewhere, seen through the system's `git`.
//!
//! Of a repository elsewhere a bare clone is kept in the cache, without the content of files where the server can leave
//! it out; it comes when it is read.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context;

use super::Reach;
use super::address::{Address, shown};
use super::command::{git, run, spawn, words};
use crate::digest::ObjectKind;
use crate::fs::{FileLock, Holder, escape};
use crate::{Digest, Error, Result};

/// Where a clone keeps what HEAD of its origin points at.
const CLONED_HEAD: &str = "refs/mlx/HEAD";
/// What is fetched: branches and tags under their own names.
const REFERENCES: [&str; 3] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+HEAD:refs/mlx/HEAD"];

/// A repository that can be read.
#[derive(Debug)]
pub struct Repository {
    directory: PathBuf,
    /// For messages.
    pub shown: String,
    /// Where in the repository the address points: empty, or a path that ends with a slash.
    pub prefix: Vec<u8>,
    /// The root of the working tree, where there is one on this machine.
    pub worktree: Option<PathBuf>,
    is_clone: bool,
}

/// A name in a directory that Git keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryKind,
    /// The id of its content in Git.
    pub id: String,
    /// Its path from where the listing began.
    pub path: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    Content(ObjectKind),
    Submodule,
}

impl Repository {
    /// Opens a repository and brings a clone up to date; `None` for a directory that Git does not keep.
    pub fn open(address: &Address, reach: &Reach<'_>) -> Result<Option<Self>> {
        match address {
            Address::Local(path) => Self::local(path, reach),
            Address::Elsewhere(url) => Self::clone(url, reach).map(Some),
        }
    }

    fn local(path: &Path, reach: &Reach<'_>) -> Result<Option<Self>> {
        let shown = crate::fs::quote(path);
        let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let mut call = git(reach);
        call.arg("-C").arg(directory);
        let asked = run(call, ["rev-parse", "--is-inside-work-tree", "--show-prefix"], reach)?;
        if !asked.success && asked.stderr.contains("not a git repository") {
            return Ok(None);
        }
        let said = asked.output(|| format!("cannot read the repository `{shown}`"))?;
        let (is_inside, prefix) = said.split_at(said.iter().position(|byte| *byte == b'\n').unwrap_or(said.len()));
        let prefix = prefix.strip_prefix(b"\n").unwrap_or(prefix);
        let prefix = prefix.strip_suffix(b"\n").unwrap_or(prefix).to_vec();
        let depth = prefix.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).count();
        let root = directory.ancestors().nth(depth).map(Path::to_path_buf);
        let worktree = root.filter(|_| is_inside == b"true");
        Ok(Some(Self { directory: directory.to_path_buf(), shown, prefix, worktree, is_clone: false }))
    }

    fn clone(url: &str, reach: &Reach<'_>) -> Result<Self> {
        let shown = shown(url);
        let name = &Digest::of(url).hex()[..32];
        let clones = reach.cache.join("git");
        let directory = clones.join(format!("{name}.git"));
        let waiting = |Holder(holder): &Holder| reach.watch.events.note(format!("Waiting for {holder}"));
        let lock = clones.join(format!("{name}.lock"));
        let _alone = FileLock::exclusive_while(&lock, "mlx", waiting, || reach.watch.interrupt.check())?;
        let repository = Self { directory, shown, prefix: Vec::new(), worktree: None, is_clone: true };
        if !repository.directory.join("HEAD").exists() {
            let mut call = git(reach);
            call.args(["init", "--quiet", "--bare", "--"]).arg(&repository.directory);
            run(call, [""; 0], reach)?.output(|| "cannot make room for a clone".into())?;
        }
        for (key, value) in [("url", url), ("promisor", "true"), ("partialclonefilter", "blob:none")] {
            let key = format!("remote.origin.{key}");
            repository.ask(["config", &key, value], reach)?.output(|| "cannot set up a clone".into())?;
        }
        reach.watch.events.note(format!("Fetching from the repository {}", repository.shown));
        let fetch =
            ["fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", "origin"];
        let fetched = repository.ask(fetch.into_iter().chain(REFERENCES), reach)?;
        fetched
            .output(|| format!("cannot fetch from the repository {}", repository.shown))
            .map_err(|error| error.with_hint(format!("`git ls-remote {}` asks for the same", repository.shown)))?;
        Ok(repository)
    }

    /// A call in this repository.
    fn call(&self, reach: &Reach<'_>) -> Command {
        let mut call = git(reach);
        call.arg("-C").arg(&self.directory);
        if !self.is_clone {
            // A repository of this machine may be anybody's: what it says of servers is not followed.
            call.env("GIT_NO_LAZY_FETCH", "1");
        }
        call
    }

    fn ask<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        reach: &Reach<'_>,
    ) -> Result<super::command::Ended> {
        run(self.call(reach), arguments, reach)
    }

    /// The full id of the commit that a revision names; of HEAD where none is given.
    pub fn commit(&self, rev: Option<&str>, reach: &Reach<'_>) -> Result<String> {
        let rev = rev.unwrap_or(if self.is_clone { CLONED_HEAD } else { "HEAD" });
        let find = || -> Result<Option<String>> {
            let name = format!("{rev}^{{commit}}");
            let asked = self.ask(["rev-parse", "--verify", "--quiet", "--end-of-options", &name], reach)?;
            Ok(asked.success.then(|| String::from_utf8_lossy(&asked.stdout).trim().to_owned()))
        };
        if let Some(commit) = find()? {
            return Ok(commit);
        }
        // No branch and no tag need lead to a commit that is named in full.
        let is_id = rev.len() >= 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.is_clone && is_id {
            let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", "origin", rev];
            if self.ask(fetch, reach)?.success
                && let Some(commit) = find()?
            {
                return Ok(commit);
            }
        }
        let shown = escape(rev.as_bytes());
        Err(match rev {
            "HEAD" | CLONED_HEAD => Error::usage(format!("the repository {} has no commit yet", self.shown)),
            _ => Error::usage(format!("the repository {} has no revision `{shown}`", self.shown))
                .with_hint(format!("`git ls-remote {}` lists its branches and tags", self.shown)),
        })
    }

    /// What a commit has at a path, given from the root of the repository.
    pub fn entry(&self, commit: &str, path: &[u8], reach: &Reach<'_>) -> Result<Option<Entry>> {
        let arguments = ["ls-tree", "-z", "--full-tree", commit, "--"].map(OsString::from);
        let path_argument = [OsString::from_vec(path.to_vec())];
        let listed = self.ask(arguments.into_iter().chain(path_argument), reach)?;
        let listed = listed.output(|| format!("cannot read commit {commit} of {}", self.shown))?;
        Ok(entries(&listed)?.into_iter().find(|entry| entry.path == path))
    }

    /// All files below a directory, given by its id.
    pub fn files(&self, tree: &str, reach: &Reach<'_>) -> Result<Vec<Entry>> {
        let listed = self.ask(["ls-tree", "-r", "-z", tree], reach)?;
        entries(&listed.output(|| format!("cannot list a directory of {}", self.shown))?)
    }

    /// The content of a small file of a commit; `None` where it has none.
    pub fn read(&self, commit: &str, path: &[u8], reach: &Reach<'_>) -> Result<Option<Vec<u8>>> {
        let Some(entry) = self.entry(commit, path, reach)? else { return Ok(None) };
        if !matches!(entry.kind, EntryKind::Content(ObjectKind::File | ObjectKind::Executable)) {
            return Ok(None);
        }
        let content = self.ask(["cat-file", "blob", &entry.id], reach)?;
        content.output(|| format!("cannot read `{}` of {}", escape(path), self.shown)).map(Some)
    }

    /// Reads contents one after the other. All of `ids` are asked for at once, where a clone does not have them yet.
    pub fn contents(&self, ids: &[&str], reach: &Reach<'_>) -> Result<Contents> {
        if self.is_clone {
            self.fetch_contents(ids, reach)?;
        }
        let mut call = self.call(reach);
        call.args(["cat-file", "--batch"]).stdin(Stdio::piped());
        let mut child = spawn(&mut call)?;
        let ends = child.stdin.take().zip(child.stdout.take());
        let (asks, answers) = ends.context("git has no pipes")?;
        Ok(Contents { child, asks: Some(asks), answers: BufReader::with_capacity(1 << 16, answers) })
    }

    fn fetch_contents(&self, ids: &[&str], reach: &Reach<'_>) -> Result<()> {
        let mut list = tempfile::tempfile_in(&self.directory).context("cannot create a temporary file")?;
        let written = ids.iter().try_for_each(|id| writeln!(list, "{id}"));
        written.and_then(|()| std::io::Seek::rewind(&mut list)).context("cannot write a temporary file")?;
        let mut call = self.call(reach);
        call.stdin(list);
        let fetch =
            ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", "--stdin", "origin"];
        // A server that sent everything before may refuse; then it is here.
        run(call, fetch, reach).map(drop)
    }
}

/// Takes apart what `ls-tree -z` prints: `MODE TYPE ID`, a tab and the path, then NUL.
fn entries(listed: &[u8]) -> Result<Vec<Entry>> {
    let entry = |line: &[u8]| -> Option<Entry> {
        let tab = line.iter().position(|byte| *byte == b'\t')?;
        let head = std::str::from_utf8(&line[..tab]).ok()?;
        let mut words = head.split(' ');
        let (mode, _, id) = (words.next()?, words.next()?, words.next()?);
        let kind = match mode {
            "100755" => EntryKind::Content(ObjectKind::Executable),
            "120000" => EntryKind::Content(ObjectKind::Link),
            "040000" => EntryKind::Content(ObjectKind::Directory),
            "160000" => EntryKind::Submodule,
            _ => EntryKind::Content(ObjectKind::File),
        };
        Some(Entry { kind, id: id.to_owned(), path: line[tab + 1..].to_vec() })
    };
    let lines = listed.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    let entries: Option<Vec<Entry>> = lines.map(entry).collect();
    entries.ok_or_else(|| Error::failed("git lists a directory in a way that mlx does not know"))
}

/// A call of Git that answers with contents.
pub struct Contents {
    child: Child,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Contents {
    /// Hands the content with this id and its size to `take`, which reads it to its end.
    pub fn read<T>(&mut self, id: &str, take: impl FnOnce(&mut dyn Read, u64) -> Result<T>) -> Result<T> {
        let asks = self.asks.as_mut().expect("it is taken when this is dropped");
        writeln!(asks, "{id}").and_then(|()| asks.flush()).context("cannot ask git for a file")?;
        let mut head = String::new();
        (&mut self.answers).take(200).read_line(&mut head).context("cannot read what git answers")?;
        let size = head.trim_end().rsplit_once(' ').filter(|(before, _)| before.ends_with(" blob"));
        let size = size.and_then(|(_, size)| size.parse::<u64>().ok()).ok_or_else(|| {
            let words = if head.is_empty() { self.last_words() } else { words(head.as_bytes()) };
            Error::failed(format!("git does not have the content {id}: {words}"))
        })?;
        let mut content = (&mut self.answers).take(size);
        let taken = take(&mut content, size)?;
        if content.limit() > 0 {
            return Err(Error::failed("git ends in the middle of a file"));
        }
        let mut end = [0];
        self.answers.read_exact(&mut end).context("git ends in the middle of a file")?;
        Ok(taken)
    }

    fn last_words(&mut self) -> String {
        let mut said = Vec::new();
        let _ = self.child.stderr.take().map(|stderr| stderr.take(4000).read_to_end(&mut said));
        words(&said)
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        // Without questions it ends by itself; in the middle of an answer it does not.
        drop(self.asks.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path below which a repository's address points, joined with a path in it.
pub fn below(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    [prefix, path].concat()
}

/// As a path of the operating system.
pub fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}
