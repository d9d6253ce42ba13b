//! Recipes: what another machine needs to make an environment without the project, from what its lock file says.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::conda::Conda;
use super::locked::LockFile;
use super::python::Python;
use super::requirements::{Direct, Requirements};
use super::{Declared, Interpreters, Source};
use crate::fs::{create_dir_all, escape};
use crate::project::ProjectPath;
use crate::{Digest, Error, Result};

/// An environment as its lock file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The digest of the environment, which is part of step keys.
    pub digest: Digest,
    /// The lock file, for messages.
    pub lock: ProjectPath,
    /// What it says, line by line, without comments.
    pub lines: Vec<String>,
    pub kind: RecipeKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipeKind {
    Python {
        /// Such as `3.11.7`; another one would make another environment.
        version: String,
        /// Such as `cpython-311-x86_64-linux-gnu`.
        platform: String,
        /// How messages call the requirements.
        requirements: String,
        /// Options such as `--index-url`, in their order.
        options: Vec<String>,
        /// What comes from URLs, which a lock file can't pin.
        direct: Vec<Direct>,
    },
    Conda {
        file: ProjectPath,
        /// What pip installs, line by line.
        pip: Vec<String>,
    },
}

/// Where an environment is made that somebody else declared.
#[derive(Debug, Clone, Copy)]
pub struct Workshop<'a> {
    /// The directory of environments is below this one; one of this machine's user, or of a job alone.
    pub cache: &'a Path,
    pub host: &'a Interpreters,
    /// A directory for installers to work in.
    pub place: &'a Path,
}

impl Recipe {
    /// The packages that it names, as `name==version` lines.
    pub fn packages(&self) -> String {
        match &self.kind {
            RecipeKind::Conda { pip, .. } => super::conda::packages_of(&super::conda::with_pip(&self.lines, pip)),
            RecipeKind::Python { .. } => {
                let pinned = self.lines.iter().filter_map(|line| super::locked::pinned(line));
                let mut lines: Vec<String> = pinned.map(|(name, version)| format!("{name}=={version}\n")).collect();
                lines.sort();
                lines.concat()
            }
        }
    }

    /// Such as `3.11.7`, where it has a Python.
    pub fn python_version(&self) -> Option<String> {
        match &self.kind {
            RecipeKind::Python { version, .. } => Some(version.clone()),
            RecipeKind::Conda { .. } => {
                self.packages().lines().find_map(|line| line.strip_prefix("python==").map(str::to_owned))
            }
        }
    }

    /// What it installs, in the form of a lock file.
    pub fn lock_text(&self) -> String {
        match &self.kind {
            RecipeKind::Conda { pip, .. } => super::conda::with_pip(&self.lines, pip),
            RecipeKind::Python { .. } => self.lines.iter().flat_map(|line| [line, "\n"]).collect(),
        }
    }
}

impl Declared {
    /// What another machine needs to make the same environment; `None` where nothing is to be made.
    ///
    /// # Errors
    /// Refuses what has no lock file, what needs files of this machine, and what would carry a secret away.
    pub fn recipe(&self) -> Result<Option<Recipe>> {
        let (lock, digest, kind) = match &self.source {
            Source::Own(_) | Source::Container(_) => return Ok(None),
            Source::Python(python) => {
                let requirements = &python.requirements;
                let options = requirements.options(&self.root);
                let direct = requirements.direct().to_vec();
                if let Some(line) = requirements.of_this_machine(&self.root) {
                    return Err(Error::usage(format!("`{}` lies on this machine", escape(line.as_bytes()))).with_hint(
                        "let it come from an index or a URL; or name its code in `deps` of the step, and set PYTHONPATH in \
                         its `variables`",
                    ));
                }
                let lines = options.iter().chain(direct.iter().map(|direct| &direct.line));
                refuse_secrets(requirements.name(), lines.chain(python.lock.lines.iter().flatten()))?;
                let kind = RecipeKind::Python {
                    version: python.interpreter.version.clone(),
                    platform: python.interpreter.platform.clone(),
                    requirements: requirements.name().to_owned(),
                    options,
                    direct,
                };
                (&python.lock, python.place.digest, kind)
            }
            Source::Conda(conda) => {
                refuse_secrets(&conda.lock.path.to_string(), conda.lock.lines.iter().flatten())?;
                let kind = RecipeKind::Conda { file: conda.file.clone(), pip: conda.locked_pip.clone() };
                (&conda.lock, conda.place.digest, kind)
            }
        };
        let Some(lines) = &lock.lines else {
            return Err(Error::usage("no lock file says which versions it holds")
                .with_hint(format!("write `{}` with `mlx env lock`", lock.path)));
        };
        Ok(Some(Recipe { digest, lock: lock.path.clone(), lines: lines.clone(), kind }))
    }

    /// The environment that a recipe from elsewhere is for. `user` names the project that it is used by.
    pub fn of_recipe(recipe: &Recipe, user: &Path, workshop: &Workshop<'_>) -> Result<Self> {
        let &Workshop { cache, host, place } = workshop;
        create_dir_all(place)?;
        let lock = LockFile::given(recipe.lock.clone(), recipe.lines.clone());
        let source = match &recipe.kind {
            RecipeKind::Python { version, platform, requirements, options, direct } => {
                let interpreter = host.find(Some(version), place, cache)?;
                let interpreter = interpreter.ok_or_else(|| Error::failed(format!("there is no Python {version}")))?;
                if interpreter.platform != *platform {
                    return Err(Error::failed(format!(
                        "Python {version} is `{}` here, and the environment is one for `{}`",
                        escape(interpreter.platform.as_bytes()),
                        escape(platform.as_bytes())
                    )));
                }
                let requirements = Requirements::given(requirements.clone(), options.clone(), direct.clone());
                Source::Python(Box::new(Python::with(interpreter, requirements, lock, cache, place)))
            }
            RecipeKind::Conda { file, pip } => {
                Source::Conda(Box::new(Conda::locked_to(file.clone(), lock, pip.clone(), cache, host, place)))
            }
        };
        let declared = Self { path: host.path.clone(), root: user.to_path_buf(), source };
        match declared.digest() == Some(recipe.digest) {
            true => Ok(declared),
            false => Err(Error::failed("it would be another one here than where it is declared")
                .with_hint("both sides need the same version of mlx, and the same kind of machine")),
        }
    }
}

/// What goes to a remote is read by all who read that: no password of an index goes there.
fn refuse_secrets<'t>(name: &str, mut lines: impl Iterator<Item = &'t String>) -> Result<()> {
    if !lines.any(|line| line.split_whitespace().any(holds_secret)) {
        return Ok(());
    }
    Err(Error::usage(format!("a URL in {name} holds a password, which would lie on the remote for others to read"))
        .with_hint(
            "write `${NAME}` in its place, and set that variable here and on the nodes; or set PIP_INDEX_URL and UV_INDEX_URL",
        ))
}

/// Whether a word is a URL with a password, or with a token in the place of a user, that is no variable.
fn holds_secret(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    let secret = user.split_once(':').map_or(user, |(_, password)| password);
    // `git@host` is who one is, and no secret.
    !secret.is_empty() && !secret.starts_with("${") && secret != "git"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_seen_and_variables_are_none() {
        for word in ["https://me:secret@host/simple", "--index-url=https://token@host/simple", "git+https://a:b@h/x"] {
            assert!(holds_secret(word), "{word}");
        }
        for word in ["https://host/simple", "https://me:${TOKEN}@host/", "git+ssh://git@host/a", "six==1.16.0", "a@b"] {
            assert!(!holds_secret(word), "{word}");
        }
    }
}
