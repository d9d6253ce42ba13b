//! What the command line hands to a remote: credentials and settings from the environment, and who hears of trouble.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::retry::Patience;
use crate::event::{EventSink, Interrupt, Silent};
use crate::project::{Project, Settings};

/// How remotes are reached from here. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    /// The environment variables that matter: those of AWS, Google, Azure and the registries' tools, and `MLX_REMOTE_*`,
    /// `MLX_TARGET_*`.
    pub variables: Arc<BTreeMap<String, String>>,
    pub home: Option<PathBuf>,
    /// Where programs such as `ssh` are looked for.
    pub path: OsString,
    /// What the settings of this machine say of each remote: name, key, value.
    pub settings: Arc<BTreeMap<String, BTreeMap<String, String>>>,
    pub patience: Patience,
    pub events: Arc<dyn EventSink>,
    pub interrupt: Interrupt,
    /// The remote's name in the manifest, where it has one.
    pub name: Option<String>,
    /// The table of the manifest that the name stands in.
    pub table: Named,
}

/// What can have credentials of its own: the table of the manifest that names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Named {
    #[default]
    Remote,
    Target,
}

impl Named {
    fn word(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Target => "target",
        }
    }
}

impl Default for Access {
    /// Nothing from the environment, and nobody who listens.
    fn default() -> Self {
        Self {
            variables: Arc::default(),
            home: None,
            path: OsString::new(),
            settings: Arc::default(),
            patience: Patience::default(),
            events: Arc::new(Silent),
            interrupt: Interrupt::default(),
            name: None,
            table: Named::Remote,
        }
    }
}

impl Access {
    /// Whether an environment variable is one of those that remotes read.
    pub fn reads(variable: &str) -> bool {
        let prefixes = ["AWS_", "GOOGLE_", "AZURE_", "MLX_REMOTE_", "MLX_TARGET_"];
        let whole = ["NETRC", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"];
        prefixes.iter().any(|prefix| variable.starts_with(prefix)) || whole.contains(&variable)
    }

    /// As it is for the remote with this name: with its own settings and variables.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self.clone() }
    }

    /// As it is for a remote of the project: as [`Access::named`], with what the project's settings say of it.
    #[must_use]
    pub fn of(&self, project: &Project, name: &str) -> Self {
        let Settings { here, user } = &project.settings;
        let mut settings = (*self.settings).clone();
        let table = settings.entry(name.to_owned()).or_default();
        let of_user = user.remotes.get(name).into_iter().flatten();
        // The user's file comes after the manifest, which says where the remote is and nothing else.
        let is_written = project.manifest.remotes.contains_key(name);
        let of_user = of_user.filter(|(key, _)| !(is_written && *key == "url"));
        let of_here = here.remotes.get(name).into_iter().flatten();
        table.extend(of_user.chain(of_here).map(|(key, value)| (key.clone(), value.clone())));
        Self { settings: Arc::new(settings), ..self.named(name) }
    }

    /// As it is for the target with this name, of which the manifest says these settings.
    #[must_use]
    pub fn of_target(&self, name: &str, said: BTreeMap<String, String>) -> Self {
        let settings = Arc::new(BTreeMap::from([(name.to_owned(), said)]));
        Self { settings, table: Named::Target, ..self.named(name) }
    }

    /// An environment variable; one that is empty counts as not set.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What is set for this remote alone: `MLX_REMOTE_<NAME>_<KEY>`, else the key in this machine's settings; of a target
    /// `MLX_TARGET_<NAME>_<KEY>`, else what the manifest says.
    pub fn setting(&self, key: &str) -> Option<&str> {
        let name = self.name.as_ref()?;
        let value = || self.settings.get(name)?.get(key).map(String::as_str).filter(|value| !value.is_empty());
        self.variable(&self.variable_name(key)).or_else(value)
    }

    /// Where [`Access::setting`] has a value from, for people.
    pub fn source_of(&self, key: &str) -> Option<String> {
        let variable = self.variable_name(key);
        match (self.setting(key), self.variable(&variable), &self.name) {
            (Some(_), Some(_), _) => Some(variable),
            (Some(_), None, Some(name)) => Some(match self.table {
                Named::Remote => format!("`{key}` in [remote.{name}] of the settings"),
                Named::Target => format!("`{key}` of target `{name}` in the manifest"),
            }),
            _ => None,
        }
    }

    /// The variable that sets a key for this remote, for hints: `MLX_REMOTE_ORIGIN_PASSWORD`.
    pub fn variable_name(&self, key: &str) -> String {
        let shout = |text: &str| {
            let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
            text.chars().map(letter).collect::<String>()
        };
        let name = self.name.as_deref().map_or("<NAME>".into(), shout);
        format!("MLX_{}_{name}_{}", shout(self.table.word()), shout(key))
    }
}

/// Secrets stay out of it.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, patience, .. } = self;
        f.debug_struct("Access").field("name", name).field("patience", patience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(variables: &[(&str, &str)]) -> Access {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let table = BTreeMap::from([("profile".to_owned(), "file".to_owned()), ("region".to_owned(), "eu".to_owned())]);
        let settings = BTreeMap::from([("my-team".to_owned(), table)]);
        Access { variables: Arc::new(variables), settings: Arc::new(settings), ..Access::default() }
    }

    #[test]
    fn a_variable_of_the_remote_comes_before_the_settings() {
        let access = access(&[("MLX_REMOTE_MY_TEAM_PROFILE", "variable"), ("MLX_REMOTE_MY_TEAM_REGION", "")]);
        let team = access.named("my-team");

        assert_eq!((team.setting("profile"), team.setting("region")), (Some("variable"), Some("eu")));
        assert_eq!((access.setting("profile"), access.named("other").setting("profile")), (None, None));
        assert_eq!(access.variable_name("user"), "MLX_REMOTE_<NAME>_USER");
    }

    #[test]
    fn a_target_has_variables_of_its_own() {
        let said = BTreeMap::from([("user".to_owned(), "manifest".to_owned())]);
        let variables = [("MLX_TARGET_PRODUCTION_TOKEN", "variable"), ("MLX_REMOTE_PRODUCTION_USER", "another")];

        let target = access(&variables).of_target("production", said);

        assert_eq!((target.setting("user"), target.setting("token")), (Some("manifest"), Some("variable")));
        assert_eq!(target.source_of("user").unwrap(), "`user` of target `production` in the manifest");
    }

    #[test]
    fn secrets_are_not_debugged() {
        let access = access(&[("AWS_SECRET_ACCESS_KEY", "hunter2")]);

        assert!(!format!("{access:?}").contains("hunter2"));
    }
}
