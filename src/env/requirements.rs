//! Requirements: what the user wants installed, read as pip reads it, and brought into one form for the digest.
//!
//! Comments, blank lines, spacing and the order of requirements do not count; options keep their order, because pip asks
//! indexes in turn. Files named by `-r` and `-c` are followed. What is installed from a path of this machine counts with
//! its content, and an editable install with the files that say what it needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Hasher;
use crate::fs::{self, escape, quote};
use crate::project::document::parse_file;
use crate::project::{MANIFEST, Project, ProjectPath, manifest};
use crate::{Digest, Error, Result};

/// A local package larger than this is not hashed each time, but refused.
const LOCAL_LIMIT: u64 = 64 << 20;
const PYPROJECT: &str = "pyproject.toml";
/// The files of a package that say what it needs.
const PACKAGING: [&str; 3] = [PYPROJECT, "setup.cfg", "setup.py"];

/// Requirements with everything they include.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    /// How messages call them, such as `requirements.txt`.
    name: String,
    /// The file, or the lines for one, that the installer is given.
    source: Source,
    options: Vec<String>,
    /// Requirements and constraints in their canonical form.
    wanted: BTreeSet<String>,
    /// Of these, in the order of the file, what comes from a path or a URL: a lock file can't pin it by an index's hash.
    direct: Vec<Direct>,
    /// Local directories whose code is used where it lies.
    editable: Vec<String>,
    followed: BTreeSet<PathBuf>,
}

/// A requirement that names where its package comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direct {
    /// As pip takes it.
    pub line: String,
    /// With the digest of the content, where that lies here.
    pub canonical: String,
}

#[derive(Debug, Clone)]
enum Source {
    File(PathBuf),
    Lines(Vec<String>),
}

impl Default for Source {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

/// One line as pip sees it: continued lines joined, comments gone.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    text: String,
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish<'t> {
    Include { path: &'t str, is_constraint: bool },
    Editable(&'t str),
    Local(&'t str),
    Option,
    Requirement,
}

/// The place of the lines that are being read.
struct Reader<'p> {
    project: &'p Project,
    /// For messages.
    file: String,
    /// Where included files are looked for.
    directory: PathBuf,
    is_constraint: bool,
}

impl Requirements {
    /// Reads the declared requirements of a project.
    pub fn read(declared: &manifest::Requirements, project: &Project) -> Result<Self> {
        match declared {
            manifest::Requirements::File(path) => {
                let hint = format!("write the file, or change `requirements` in [env] of {MANIFEST}");
                Self::of_file(path, project).map_err(|error| error.with_hint(hint))
            }
            manifest::Requirements::Lines(lines) => {
                Self::of_lines(lines, format!("the requirements in {MANIFEST}"), project.root(), project)
            }
        }
    }

    /// Reads a requirements file, or what `pyproject.toml` says in its place.
    pub fn of_file(path: &ProjectPath, project: &Project) -> Result<Self> {
        if path.as_path().file_name().is_some_and(|name| name == PYPROJECT) {
            let lines = dependencies(path, project)?;
            return Self::of_lines(&lines, path.to_string(), project.root(), project);
        }
        let file = project.resolve(path)?;
        let mut requirements = Self { name: path.to_string(), ..Self::default() };
        requirements.follow(project, &file, false)?;
        requirements.source = Source::File(file);
        Ok(requirements)
    }

    /// Reads lines that stand in another file; the files they include are looked for in `directory`.
    pub fn of_lines(lines: &[String], name: String, directory: &Path, project: &Project) -> Result<Self> {
        let mut requirements = Self { name, ..Self::default() };
        let (file, directory) = (requirements.name.clone(), directory.to_path_buf());
        let reader = Reader { project, file, directory, is_constraint: false };
        let lines = logical_lines(&lines.join("\n"));
        let absolute = |line: &Line| match wish(&line.text, project.root()) {
            Wish::Include { path, is_constraint } if !path.contains("://") => {
                let flag = if is_constraint { "-c" } else { "-r" };
                format!("{flag} {}", shell_quoted(&reader.directory.join(path).to_string_lossy()))
            }
            _ => line.text.clone(),
        };
        requirements.source = Source::Lines(lines.iter().map(absolute).collect());
        lines.iter().try_for_each(|line| requirements.take(&reader, line))?;
        Ok(requirements)
    }

    /// Those that somebody else has read, as far as a lock file does not say it all.
    pub fn given(name: String, options: Vec<String>, direct: Vec<Direct>) -> Self {
        Self { name, options, direct, ..Self::default() }
    }

    /// A line without whose file or directory on this machine nothing can be installed.
    pub fn of_this_machine(&self, root: &Path) -> Option<&str> {
        let is_local = |line: &str| matches!(wish(line, root), Wish::Editable(_) | Wish::Local(_));
        let finds = |line: &str| flag(line, "-f", "--find-links").is_some_and(|path| !path.contains("://"));
        let direct = self.direct.iter().map(|direct| direct.line.as_str()).find(|line| is_local(line));
        direct.or_else(|| self.options.iter().map(String::as_str).find(|line| finds(line)))
    }

    /// How messages call them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file for the installer; lines of the manifest are written to `path` first.
    pub fn file(&self, path: &Path) -> Result<PathBuf> {
        match &self.source {
            Source::File(file) => Ok(file.clone()),
            Source::Lines(lines) => {
                let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
                std::fs::write(path, text).with_context(|| format!("cannot write `{}`", quote(path)))?;
                Ok(path.to_path_buf())
            }
        }
    }

    /// Options such as `--index-url`, in their order. Paths of `--find-links` are absolute.
    pub fn options(&self, root: &Path) -> Vec<String> {
        let absolute = |option: &String| match flag(option, "-f", "--find-links") {
            Some(path) if !path.contains("://") => {
                format!("--find-links {}", shell_quoted(&root.join(path).to_string_lossy()))
            }
            _ => option.clone(),
        };
        self.options.iter().map(absolute).collect()
    }

    /// What comes from a path or a URL.
    pub fn direct(&self) -> &[Direct] {
        &self.direct
    }

    /// Local directories whose code is used where it lies, so that the digest does not stand for it.
    pub fn editable(&self) -> &[String] {
        &self.editable
    }

    /// Whether the environment points to directories of this very project.
    pub fn is_tied_to_place(&self) -> bool {
        !self.editable.is_empty()
    }

    /// The same text for all requirements that mean the same.
    pub fn canonical(&self) -> String {
        self.options.iter().chain(&self.wanted).flat_map(|line| [line, "\n"]).collect()
    }

    /// Reads a file, once however often it is included.
    fn follow(&mut self, project: &Project, file: &Path, is_constraint: bool) -> Result<()> {
        let bytes = fs::read(file)?;
        let real = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
        if !self.followed.insert(real) {
            return Ok(());
        }
        let shown = file.strip_prefix(project.root()).unwrap_or(file);
        let directory = file.parent().unwrap_or(project.root()).to_path_buf();
        let reader = Reader { project, file: quote(shown), directory, is_constraint };
        let text = String::from_utf8_lossy(&bytes);
        logical_lines(&text).iter().try_for_each(|line| self.take(&reader, line))
    }

    fn take(&mut self, reader: &Reader<'_>, line: &Line) -> Result<()> {
        let Line { number, text } = line;
        let place = |error: Error| error.context(format!("{}, line {number}", reader.file));
        let root = reader.project.root();
        match wish(text, root) {
            Wish::Include { path, is_constraint } if !path.contains("://") => {
                let file = reader.directory.join(path);
                return self.follow(reader.project, &file, is_constraint || reader.is_constraint).map_err(place);
            }
            Wish::Include { .. } | Wish::Option => self.options.push(text.clone()),
            Wish::Editable(path) => {
                let digest = packaging_digest(&root.join(path)).map_err(place)?;
                self.want(text, format!("{text} {digest}"), true);
                self.editable.push(escape(path.as_bytes()));
            }
            Wish::Local(path) => {
                let digest = content_digest(&root.join(path)).map_err(place)?;
                self.want(text, format!("{text} {digest}"), true);
            }
            Wish::Requirement if reader.is_constraint => drop(self.wanted.insert(format!("-c {text}"))),
            Wish::Requirement => self.want(text, text.clone(), text.contains("://")),
        }
        Ok(())
    }

    fn want(&mut self, line: &str, canonical: String, is_direct: bool) {
        if is_direct {
            self.direct.push(Direct { line: line.to_owned(), canonical: canonical.clone() });
        }
        self.wanted.insert(canonical);
    }
}

/// `dependencies` of `[project]`, as <https://packaging.python.org/en/latest/specifications/pyproject-toml/> has them.
fn dependencies(path: &ProjectPath, project: &Project) -> Result<Vec<String>> {
    let what = format!("`{path}`");
    let document = parse_file(path, &fs::read(&project.resolve(path)?)?, &what)?;
    if let Some(dependencies) = document.pointer("/project/dependencies").and_then(Value::as_array) {
        return Ok(dependencies.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let hint = match document.pointer("/tool/poetry/dependencies").is_some() {
        true => "`poetry export -o requirements.txt` writes what Poetry knows to a file that can be named here",
        false => "list them there; or `requirements = [\"-e .\"]` installs the project with what it needs",
    };
    Err(Error::usage(format!("{what} has no `dependencies` in [project]")).with_hint(hint))
}

/// The texts of the lines of a requirements file: comments gone, continued lines joined.
pub fn lines_of(text: &str) -> Vec<String> {
    logical_lines(text).into_iter().map(|line| line.text).collect()
}

/// The lines of a requirements file without comments, with single spaces, and with continued lines joined.
fn logical_lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let is_comment = raw.trim_start().starts_with('#');
        let continued = raw.strip_suffix('\\').filter(|_| !is_comment);
        let part = continued.unwrap_or(raw);
        let line = open.get_or_insert_with(|| Line { number: index + 1, text: String::new() });
        line.text.push_str(if is_comment { "" } else { part });
        if continued.is_none() {
            lines.extend(open.take());
        }
    }
    lines.extend(open);
    for line in &mut lines {
        let comment = line.text.match_indices('#').map(|(at, _)| at);
        let is_start = |at: &usize| line.text[..*at].is_empty() || line.text[..*at].ends_with(char::is_whitespace);
        let end = comment.into_iter().find(is_start).unwrap_or(line.text.len());
        line.text = line.text[..end].split_whitespace().collect::<Vec<_>>().join(" ");
    }
    lines.retain(|line| !line.text.is_empty());
    lines
}

fn wish<'t>(text: &'t str, root: &Path) -> Wish<'t> {
    if let Some(path) = flag(text, "-r", "--requirement") {
        return Wish::Include { path, is_constraint: false };
    }
    if let Some(path) = flag(text, "-c", "--constraint") {
        return Wish::Include { path, is_constraint: true };
    }
    if let Some(target) = flag(text, "-e", "--editable") {
        // `git+https://…` is fetched; a plain path is used where it lies.
        return if target.contains("://") && !target.starts_with("file:") {
            Wish::Requirement
        } else {
            Wish::Editable(local_path(target))
        };
    }
    if text.starts_with('-') {
        return Wish::Option;
    }
    let target = text.split_once(" @ ").map_or(text, |(_, url)| url);
    let path = local_path(target);
    let is_path = target.starts_with("file:") || !path.contains("://") && (path.contains('/') || path.starts_with('.'));
    let is_archive = [".whl", ".zip", ".tar.gz", ".tar.bz2"].iter().any(|ending| path.ends_with(ending));
    if is_path || (is_archive && !path.contains("://") && root.join(path).is_file()) {
        Wish::Local(path)
    } else {
        Wish::Requirement
    }
}

/// The value of an option in one of pip's spellings: `-r x`, `-rx`, `--requirement x`, `--requirement=x`.
fn flag<'t>(text: &'t str, short: &str, long: &str) -> Option<&'t str> {
    let value = match text.strip_prefix(long) {
        Some(rest) => rest.strip_prefix(['=', ' '])?,
        None if text.starts_with("--") => return None,
        None => text.strip_prefix(short)?,
    };
    Some(value.trim().trim_matches(['"', '\'']))
}

/// The path in `file:///some/where`, `./package[extra] ; marker` or `./package.whl --hash=…`.
fn local_path(target: &str) -> &str {
    let target = target.strip_prefix("file://").or_else(|| target.strip_prefix("file:")).unwrap_or(target);
    let end = [";", " --", " ;", "["].iter().filter_map(|end| target.find(end)).min().unwrap_or(target.len());
    target[..end].trim().trim_matches(['"', '\''])
}

/// What an editable package needs, as its own files say it.
fn packaging_digest(directory: &Path) -> Result<Digest> {
    if !directory.is_dir() {
        return Err(Error::failed(format!("there is no directory `{}`", quote(directory))));
    }
    let mut hasher = Hasher::new();
    for name in PACKAGING {
        if let Some(bytes) = fs::read_optional(&directory.join(name))? {
            hasher.update(format!("{name} {}\n", Digest::of(bytes)).as_bytes());
        }
    }
    Ok(hasher.finish().0)
}

/// The content of a local package: one file, or all files that Git would not ignore.
fn content_digest(path: &Path) -> Result<Digest> {
    let mut hasher = Hasher::new();
    let mut size = 0;
    let walk = ignore::WalkBuilder::new(path)
        .require_git(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(|entry| entry.file_name() != "__pycache__")
        .build();
    for entry in walk {
        let entry = entry.with_context(|| format!("cannot read the package `{}`", quote(path)))?;
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        size += entry.metadata().map_or(0, |metadata| metadata.len());
        if size > LOCAL_LIMIT {
            return Err(Error::failed(format!("the package `{}` holds more than 64 MiB", quote(path)))
                .with_hint("keep its data elsewhere or in .gitignore, or build a wheel and name that"));
        }
        let name = entry.path().strip_prefix(path).unwrap_or(entry.path());
        hasher.update(format!("{} {}\n", quote(name), Digest::of(fs::read(entry.path())?)).as_bytes());
    }
    Ok(hasher.finish().0)
}

/// The text as one word for pip, which splits options as a shell would.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The canonical text of `requirements.txt` in a project with these files.
    fn canonical(files: &[(&str, &str)]) -> Result<String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), "").unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let project = Project::open(dir.path()).unwrap();
        let path = ProjectPath::new("requirements.txt").unwrap();
        Requirements::of_file(&path, &project).map(|requirements| requirements.canonical())
    }

    fn of(text: &str) -> String {
        canonical(&[("requirements.txt", text)]).unwrap()
    }

    #[test]
    fn comments_spacing_and_order_do_not_count() {
        let plain = of("numpy==1.26\npandas>=2 ; python_version > '3.8'\n");

        assert_eq!(of("# data\npandas>=2  ; \\\n  python_version > '3.8'\n\n\tnumpy==1.26 # pinned\n"), plain);
        assert_ne!(of("numpy==1.26\npandas>=2\n"), plain);
    }

    #[test]
    fn line_ends_of_windows_do_not_count() {
        assert_eq!(of("six \\\r\n  ==1.16.0\r\nnumpy\r\n"), of("six ==1.16.0\nnumpy\n"));
    }

    #[test]
    fn a_hash_sign_within_a_word_is_no_comment() {
        assert_eq!(of("pkg @ https://host/a.zip#sha256=00\n"), "pkg @ https://host/a.zip#sha256=00\n");
    }

    #[test]
    fn pyproject_says_it_too() {
        let of = |text: &str| {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(MANIFEST), "").unwrap();
            std::fs::write(dir.path().join(PYPROJECT), text).unwrap();
            let project = Project::open(dir.path()).unwrap();
            Requirements::of_file(&ProjectPath::new(PYPROJECT).unwrap(), &project).map(|found| found.canonical())
        };

        assert_eq!(of("[project]\nname = 'x'\ndependencies = ['six', 'numpy>=1.26']").unwrap(), "numpy>=1.26\nsix\n");
        let error = of("[tool.poetry.dependencies]\nsix = '*'").unwrap_err();
        assert_eq!(error.to_string(), "`pyproject.toml` has no `dependencies` in [project]");
        assert!(error.hint().unwrap().contains("poetry export"));
    }

    #[test]
    fn the_order_of_indexes_counts() {
        let (a, b) = ("--extra-index-url https://a\n", "--extra-index-url https://b\n");

        assert_ne!(of(&[a, b].concat()), of(&[b, a].concat()));
    }

    #[test]
    fn included_files_count_and_may_include_each_other() {
        let with = |base: &str| {
            let top = "-r more/base.txt\n--constraint=pins.txt\nsix\n";
            let base = format!("-r ../requirements.txt\n{base}\n");
            canonical(&[("requirements.txt", top), ("more/base.txt", &base), ("pins.txt", "six==1.16.0")]).unwrap()
        };

        assert_eq!(with("numpy"), "-c six==1.16.0\nnumpy\nsix\n");
        assert_ne!(with("numpy"), with("numpy==1.26"));
    }

    #[test]
    fn a_missing_include_is_named_with_its_place() {
        let error = canonical(&[("requirements.txt", "six\n-r nothing.txt\n")]).unwrap_err();

        assert!(error.to_string().starts_with("requirements.txt, line 2: cannot read `"), "{error}");
    }

    #[test]
    fn a_local_package_counts_with_its_content() {
        let with = |code: &str, line: &str| {
            canonical(&[("requirements.txt", line), ("lib/setup.py", "x"), ("lib/lib/code.py", code)]).unwrap()
        };

        assert_ne!(with("a = 1", "./lib"), with("a = 2", "./lib"));
        assert_eq!(with("a = 1", "-e ./lib"), with("a = 2", "-e ./lib"));
    }

    #[test]
    fn spellings_of_paths_are_understood() {
        let root = Path::new("/");
        for text in ["./lib[extra] ; python_version > '3'", "lib @ file:./lib", "./lib"] {
            assert_eq!(wish(text, root), Wish::Local("./lib"), "{text}");
        }
        for text in ["-e ./lib", "--editable=./lib[dev]", "-e file:./lib"] {
            assert_eq!(wish(text, root), Wish::Editable("./lib"), "{text}");
        }
        for text in ["numpy", "a @ git+https://host/a", "-e git+https://host/a#egg=a", "https://host/a.whl"] {
            assert_eq!(wish(text, root), Wish::Requirement, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_reading_again_changes_nothing(text: String) {
            let read = |text: &str| logical_lines(text).into_iter().map(|line| line.text).collect::<Vec<_>>();
            let once = read(&text);
            let wishes: Vec<Wish<'_>> = once.iter().map(|line| wish(line, Path::new("/"))).collect();
            prop_assert_eq!(wishes.len(), once.len());
            // A line that ends in a backslash would be continued by the next.
            prop_assume!(!once.iter().any(|line| line.ends_with('\\')));
            prop_assert_eq!(read(&once.join("\n")), once);
        }
    }
}
