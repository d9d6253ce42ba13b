//! New projects: a manifest to fill in, or a whole example.

use std::path::{Path, PathBuf};

use super::adopt::{Adopted, adopt};
use super::manifest::check_name;
use super::{MANIFEST, STATE, gitignore};
use crate::fs::{self, quote};
use crate::{Error, Result};

const TEMPLATE: &str = include_str!("template.toml");

/// A file of an example, by its path below the project's root.
#[derive(Debug, Clone)]
pub struct ExampleFile {
    pub path: PathBuf,
    pub content: Vec<u8>,
}

/// What [`init`] and [`lay_out`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The absolute path of the project.
    pub root: PathBuf,
    /// Files that are new or changed, relative to it; empty where the project was there already.
    pub files: Vec<PathBuf>,
    /// What the manifest was made of, where the directory had a project of another tool.
    pub adopted: Option<Adopted>,
}

/// Writes a commented manifest into `directory`, which is created where it is missing, and keeps mlx's own files out of
/// Git. What the directory has of other tools is taken over. A project that is there already stays as it is.
pub fn init(directory: &Path) -> Result<Created> {
    let root = make_directory(directory)?;
    if root.join(MANIFEST).symlink_metadata().is_ok() {
        return Ok(Created { root, files: Vec::new(), adopted: None });
    }
    let name = project_name(&root);
    let adopted = adopt(&root, &name).map_err(|error| {
        error.with_hint(format!("correct it, or move it away until `mlx init` has written {MANIFEST}"))
    })?;
    let text = adopted.as_ref().map_or_else(|| TEMPLATE.replace("{name}", &name), |adopted| adopted.text.clone());
    let mut files = Vec::new();
    // The manifest comes last: a directory with one is a whole project.
    files.extend(ignore_state(&root)?);
    if fs::create_only(&root.join(MANIFEST), text.as_bytes(), &root)? {
        files.push(MANIFEST.into());
    }
    Ok(Created { root, files, adopted })
}

/// Writes the files of an example into `directory`, which is created where it is missing. Where one of them exists
/// already, nothing is written.
pub fn lay_out(directory: &Path, example: &[ExampleFile]) -> Result<Created> {
    let root = make_directory(directory)?;
    if let Some(file) = example.iter().find(|file| root.join(&file.path).symlink_metadata().is_ok()) {
        return Err(Error::usage(format!("`{}` exists already in `{}`", quote(&file.path), quote(&root)))
            .with_hint("name another directory: `mlx init --example NAME DIR`"));
    }
    let mut files = Vec::new();
    let (manifest, others): (Vec<_>, Vec<_>) = example.iter().partition(|file| file.path == Path::new(MANIFEST));
    for file in others.into_iter().chain(manifest) {
        let path = root.join(&file.path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::create_only(&path, &file.content, &root)?;
        if file.content.starts_with(b"#!") {
            make_executable(&path)?;
        }
        files.push(file.path.clone());
    }
    files.extend(ignore_state(&root)?);
    files.sort();
    files.dedup();
    Ok(Created { root, files, adopted: None })
}

fn make_directory(directory: &Path) -> Result<PathBuf> {
    use anyhow::Context;
    fs::create_dir_all(directory)?;
    Ok(directory.canonicalize().with_context(|| format!("cannot enter `{}`", quote(directory)))?)
}

/// The name of `.gitignore` where it had to change.
fn ignore_state(root: &Path) -> Result<Option<PathBuf>> {
    let changed = gitignore::add_lines(root, root, [format!("/{STATE}/").into_bytes()])?;
    Ok(changed.then(|| ".gitignore".into()))
}

pub(super) fn make_executable(path: &Path) -> Result<()> {
    use anyhow::Context;
    use std::os::unix::fs::PermissionsExt;
    let permissions = PermissionsExt::from_mode(0o777 & !fs::umask());
    std::fs::set_permissions(path, permissions).with_context(|| format!("cannot make `{}` executable", quote(path)))?;
    Ok(())
}

/// The directory's name as far as it can name a project.
fn project_name(root: &Path) -> String {
    let name = root.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let fine =
        |character: char| if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '-' };
    let name: String = name.chars().map(fine).take(100).collect();
    let name = name.trim_start_matches(['-', '_', '.']).to_owned();
    if check_name(&name).is_ok() { name } else { "project".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    #[test]
    fn the_template_is_a_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let created = init(&dir.path().join("my churn!")).unwrap();

        let project = Project::open(&created.root).unwrap();

        assert_eq!(project.name(), "my-churn-");
        assert_eq!(created.files, [PathBuf::from(".gitignore"), PathBuf::from(MANIFEST)]);
        assert!(init(&created.root).unwrap().files.is_empty());
    }

    #[test]
    fn what_the_template_shows_in_comments_is_a_manifest_too() {
        let shown: String = TEMPLATE
            .replace("{name}", "x")
            .lines()
            .map(|line| {
                line.strip_prefix("# ").filter(|line| !line.starts_with("- ")).unwrap_or(line).to_owned() + "\n"
            })
            .collect();
        let start = shown.find("[data]").unwrap();

        crate::project::Manifest::parse(&shown.as_bytes()[start..]).unwrap();
    }

    #[test]
    fn an_example_never_overwrites() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("train.py"), "mine").unwrap();
        let file = |path: &str| ExampleFile { path: path.into(), content: b"theirs".to_vec() };

        lay_out(dir.path(), &[file("prepare.py"), file("train.py")]).unwrap_err();

        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
