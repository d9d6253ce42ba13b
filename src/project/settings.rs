//! Settings: what a machine and its user say beside the manifest.
//!
//! They come from `.mlx/config.toml` (this machine), from the user's `config.toml`, and from variables `MLX_*`. Flags come
//! before variables, those before this machine's file, that before the manifest, and the manifest before the user's file.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::reader::{Item, Source, parse_size};
use super::{STATE, manifest};
use crate::fs::{self, quote};
use crate::{Error, Result};

/// Looks up a variable of the environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The name of a file of settings, in `.mlx` and in the user's directory of configuration.
const FILE: &str = "config.toml";
/// Variables that come before the files.
const STORE_PATH: &str = "MLX_STORE_PATH";
const STORE_LINK: &str = "MLX_STORE_LINK";
const REGISTRY: &str = "MLX_REGISTRY";
const MACHINE_CPUS: &str = "MLX_MACHINE_CPUS";
const MACHINE_MEMORY: &str = "MLX_MACHINE_MEMORY";
const MACHINE_GPUS: &str = "MLX_MACHINE_GPUS";

/// What is set, by where it was said: a value of `here` comes before the manifest, one of `user` after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Variables, and below them `.mlx/config.toml`.
    pub here: Layer,
    /// The user's own file.
    pub user: Layer,
}

/// What one place says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layer {
    /// The directory of the store; absolute.
    pub store_path: Option<PathBuf>,
    pub store_link: Option<Link>,
    /// Where the registry of models is: a remote or the URL of one.
    pub registry: Option<String>,
    pub machine: MachineSettings,
    /// `[remote.NAME]`: key to value, for whoever opens the remote.
    pub remotes: BTreeMap<String, BTreeMap<String, String>>,
}

/// What of this machine steps may take; what is not said is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineSettings {
    pub cpus: Option<u64>,
    pub memory_bytes: Option<u64>,
    /// GPUs by the names that CUDA knows them by, as a file says it.
    pub gpus: Option<Vec<String>>,
    /// The same, as the variable `MLX_MACHINE_GPUS` says it; it comes before what CUDA's own variable says.
    pub gpus_of_variable: Option<Vec<String>>,
}

impl MachineSettings {
    /// What this says, and else what the other does.
    fn or(self, other: Self) -> Self {
        Self {
            cpus: self.cpus.or(other.cpus),
            memory_bytes: self.memory_bytes.or(other.memory_bytes),
            gpus: self.gpus.or(other.gpus),
            gpus_of_variable: self.gpus_of_variable.or(other.gpus_of_variable),
        }
    }

    /// What variables say.
    fn of_variables(set: &dyn Fn(&str) -> Option<OsString>) -> Result<Self> {
        let text = |name| set(name).map(|value| value.to_string_lossy().trim().to_owned());
        let refused = |name: &str, value: &str, what: &str| {
            Error::usage(format!("{name} is `{}`; it is {what}", fs::escape(value.as_bytes())))
        };
        let cpus = text(MACHINE_CPUS).map(|value| {
            let number = value.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| refused(MACHINE_CPUS, &value, "a whole number from 1 up"))
        });
        let memory_bytes = text(MACHINE_MEMORY).map(|value| {
            let size = parse_size(&value).filter(|size| *size > 0);
            size.ok_or_else(|| refused(MACHINE_MEMORY, &value, "a size such as \"8GB\" or \"8GiB\""))
        });
        let gpus = text(MACHINE_GPUS).map(|value| match value.parse::<u64>() {
            Ok(number) => numbered(number),
            Err(_) => value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        });
        Ok(Self {
            cpus: cpus.transpose()?,
            memory_bytes: memory_bytes.transpose()?,
            gpus: None,
            gpus_of_variable: gpus,
        })
    }

    /// Reads `[machine]`.
    fn of(item: Item<'_>) -> Result<Self> {
        let mut table = item.table("[machine]".into())?;
        let settings = Self {
            cpus: table.take("cpus").map(|item| item.integer(1)).transpose()?,
            memory_bytes: table.take("memory").map(Item::size).transpose()?,
            gpus: table.take("gpus").map(gpus).transpose()?,
            gpus_of_variable: None,
        };
        table.finish()?;
        Ok(settings)
    }
}

/// A number of GPUs, or their names or numbers.
fn gpus(item: Item<'_>) -> Result<Vec<String>> {
    if !item.is_array() {
        return item.integer(0).map(numbered);
    }
    let name = |item: Item<'_>| if item.is_string() { item.string() } else { Ok(item.integer(0)?.to_string()) };
    item.items()?.into_iter().map(name).collect()
}

fn numbered(count: u64) -> Vec<String> {
    // No machine has more.
    (0..count.min(4096)).map(|number| number.to_string()).collect()
}

/// How files come out of the store, where the file system has no reflinks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Link {
    #[default]
    Copy,
    /// Large files share their blocks with the store and are read-only.
    Hard,
}

/// Keys of `[remote.NAME]` in a file of settings.
const REMOTE_KEYS: [&str; 9] =
    ["url", "profile", "region", "endpoint", "account", "user", "password", "token", "key_file"];

impl Settings {
    /// Reads what is set for the project with this root.
    pub fn read(root: &Path, variables: Variables<'_>) -> Result<Self> {
        let set = |name: &str| variables(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let place = Place { root: Some(root), home: home.as_deref() };
        let mut here = Layer::read(&root.join(STATE).join(FILE), &format!("{STATE}/{FILE}"), &place)?;
        if let Some(path) = set(STORE_PATH) {
            let named = |error: Error| error.context(format!("the variable {STORE_PATH} is no place for a store"));
            here.store_path = Some(place.resolve(&path).map_err(named)?);
        }
        if let Some(link) = set(STORE_LINK) {
            let link = link.to_string_lossy();
            let unknown = || {
                Error::usage(format!("{STORE_LINK} is `{}`; it can be `copy` or `hard`", fs::escape(link.as_bytes())))
            };
            here.store_link = Some(Link::parse(&link).ok_or_else(unknown)?);
        }
        if let Some(registry) = set(REGISTRY) {
            here.registry = Some(registry.to_string_lossy().into_owned());
        }
        here.machine = MachineSettings::of_variables(&set)?.or(here.machine);
        let configuration = set("XDG_CONFIG_HOME").map(PathBuf::from).filter(|directory| directory.is_absolute());
        let file =
            configuration.or_else(|| Some(home.as_ref()?.join(".config"))).map(|path| path.join("mlx").join(FILE));
        // One file for all projects: a place relative to each of them would be another store in each.
        let place = Place { root: None, ..place };
        let user = file.map_or(Ok(Layer::default()), |file| Layer::read(&file, &quote(&file), &place))?;
        let settings = Self { here, user };
        settings.check_store(root)?;
        Ok(settings)
    }

    /// Refuses a store among the files of the project, where Git would take it for some of them.
    fn check_store(&self, root: &Path) -> Result<()> {
        let Some(path) = self.store_path() else { return Ok(()) };
        let real = real(path);
        if !real.starts_with(root) || real.starts_with(root.join(STATE)) {
            return Ok(());
        }
        let said = match (&self.here.store_path, &self.user.store_path) {
            (Some(_), _) => format!("{STORE_PATH} or `path` in [store] of {STATE}/{FILE}"),
            _ => "`path` in [store] of the user's settings".into(),
        };
        Err(Error::usage(format!("the store `{}` would lie among the files of the project ({said})", quote(path)))
            .with_hint(format!(
                "name a place outside of the project, such as `../store`, or leave it out: then it is `{STATE}/store`; a \
                 store that is there already can be moved"
            )))
    }

    /// The directory of the store, where it is not the project's own.
    pub fn store_path(&self) -> Option<&Path> {
        self.here.store_path.as_deref().or(self.user.store_path.as_deref())
    }

    /// What of this machine steps may take.
    pub fn machine(&self) -> MachineSettings {
        self.here.machine.clone().or(self.user.machine.clone())
    }

    /// How files come out of the store.
    pub fn store_link(&self) -> Link {
        self.here.store_link.or(self.user.store_link).unwrap_or_default()
    }
}

impl Link {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "copy" => Some(Self::Copy),
            "hard" => Some(Self::Hard),
            _ => None,
        }
    }
}

impl Layer {
    fn read(file: &Path, name: &str, place: &Place<'_>) -> Result<Self> {
        let Some(bytes) = fs::read_optional(file)? else { return Ok(Self::default()) };
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::usage(format!("{name}: the text is not UTF-8")))?;
        Self::parse(text, name, place)
    }

    fn parse(text: &str, name: &str, place: &Place<'_>) -> Result<Self> {
        let source = Source::new(name, text);
        let mut root = source.root()?;
        let mut layer =
            Self { registry: root.take("registry").map(manifest::registry).transpose()?, ..Self::default() };
        if let Some(item) = root.take("store") {
            let mut table = item.table("[store]".into())?;
            layer.store_path = table.take("path").map(|item| store_path(item, place)).transpose()?;
            layer.store_link = table.take("link").map(link).transpose()?;
            table.finish()?;
        }
        if let Some(item) = root.take("machine") {
            layer.machine = MachineSettings::of(item)?;
        }
        if let Some(item) = root.take("remote") {
            for (key, item) in item.table("[remote]".into())?.into_entries() {
                manifest::check_name(&key).map_err(|message| item.error(message))?;
                let mut table = item.table(format!("remote `{key}`"))?;
                let mut values = BTreeMap::new();
                for name in REMOTE_KEYS {
                    values
                        .extend(table.take(name).map(Item::string).transpose()?.map(|value| (name.to_owned(), value)));
                }
                table.finish()?;
                layer.remotes.insert(key, values);
            }
        }
        root.finish()?;
        Ok(layer)
    }
}

/// What relative places are relative to.
#[derive(Clone, Copy)]
struct Place<'a> {
    root: Option<&'a Path>,
    home: Option<&'a Path>,
}

impl Place<'_> {
    fn resolve(&self, path: &OsStr) -> Result<PathBuf> {
        let path = Path::new(path);
        let shown = || quote(path);
        let path = match path.strip_prefix("~") {
            Ok(below) => {
                let home = self.home.ok_or_else(|| Error::usage(format!("`{}`: HOME is not set", shown())))?;
                home.join(below)
            }
            Err(_) => path.to_path_buf(),
        };
        let absolute = match self.root {
            Some(root) => root.join(path),
            None if path.is_absolute() => path,
            None => {
                return Err(Error::usage(format!("`{}` is relative", shown()))
                    .with_hint("this file is for all projects: write the place from `/` or `~/` on"));
            }
        };
        // Without `..` and links where it exists, so that all who use it know it by one name.
        Ok(absolute.canonicalize().unwrap_or(absolute))
    }
}

/// The path without links and `..`, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    found.map_or_else(
        || path.to_path_buf(),
        |(above, real)| path.strip_prefix(above).map_or_else(|_| path.to_path_buf(), |rest| real.join(rest)),
    )
}

fn store_path(item: Item<'_>, place: &Place<'_>) -> Result<PathBuf> {
    let stands_at = item.place();
    let text = item.string()?;
    if text.is_empty() {
        return Err(Error::usage(format!("`path` in [store] is empty ({stands_at})")));
    }
    place.resolve(text.as_ref()).map_err(|error| error.context(format!("`path` in [store] ({stands_at})")))
}

fn link(item: Item<'_>) -> Result<Link> {
    let stands_at = item.place();
    let text = item.string()?;
    Link::parse(&text).ok_or_else(|| {
        let shown = fs::escape(text.as_bytes());
        Error::usage(format!("`link` in [store] is `{shown}`; it can be \"copy\" or \"hard\" ({stands_at})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new(here: &str, user: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (path, text) in [("project/.mlx/config.toml", here), ("home/.config/mlx/config.toml", user)] {
                let path = dir.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Self(dir)
        }

        fn read(&self, variables: &[(&str, &str)]) -> Result<Settings> {
            let home = self.0.path().join("home").into_os_string();
            let variable = |name: &str| match variables.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => Some(OsString::from(value)),
                None => (name == "HOME").then(|| home.clone()),
            };
            Settings::read(&self.0.path().join("project"), &variable)
        }

        fn error(&self, variables: &[(&str, &str)]) -> String {
            let error = self.read(variables).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            let dir = self.0.path().to_string_lossy().into_owned();
            format!("{error} | {}", error.hint().unwrap_or_default()).replace(&dir, "")
        }
    }

    #[test]
    fn variables_come_first_then_this_machine_then_the_user() {
        let user = "[store]\npath = '~/user'\nlink = 'hard'";
        let both = Files::new("[store]\npath = '../here'", user);
        let user_only = Files::new("", user);
        let at = |files: &Files, path: &str| Some(files.0.path().join(path));

        let settings = both.read(&[]).unwrap();
        assert_eq!(settings.store_path().map(Path::to_path_buf), at(&both, "project/../here"));
        assert_eq!(settings.store_link(), Link::Hard);
        let variables = [("MLX_STORE_PATH", "/srv/none"), ("MLX_STORE_LINK", "copy")];
        let settings = both.read(&variables).unwrap();
        assert_eq!((settings.store_path(), settings.store_link()), (Some(Path::new("/srv/none")), Link::Copy));
        let settings = user_only.read(&[]).unwrap();
        assert_eq!(settings.store_path().map(Path::to_path_buf), at(&user_only, "home/user"));
        let nobody = Files::new("", "").read(&[("MLX_STORE_PATH", "")]).unwrap();
        assert_eq!((nobody.store_path(), nobody.store_link()), (None, Link::Copy));
    }

    #[test]
    fn a_machine_is_put_together_from_all_that_speak_of_it() {
        let files = Files::new("[machine]\nmemory = '4GB'\ngpus = [1, 'GPU-8932']", "[machine]\ncpus = 3\ngpus = 2");
        let gpus = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());

        let machine = files.read(&[("MLX_MACHINE_MEMORY", "2GiB"), ("MLX_MACHINE_GPUS", "0, 5")]).unwrap().machine();

        assert_eq!((machine.cpus, machine.memory_bytes), (Some(3), Some(2 << 30)));
        assert_eq!((machine.gpus, machine.gpus_of_variable), (gpus(&["1", "GPU-8932"]), gpus(&["0", "5"])));
        let machine = Files::new("", "[machine]\ngpus = 2").read(&[("MLX_MACHINE_GPUS", "1")]).unwrap().machine();
        assert_eq!((machine.gpus, machine.gpus_of_variable), (gpus(&["0", "1"]), gpus(&["0"])));
        let error = files.error(&[("MLX_MACHINE_CPUS", "0")]);
        assert_eq!(error, "MLX_MACHINE_CPUS is `0`; it is a whole number from 1 up | ");
    }

    #[test]
    fn remotes_are_tables_of_texts() {
        let settings = Files::new("[remote.team]\nprofile = 'work'", "").read(&[]).unwrap();

        assert_eq!(settings.here.remotes["team"]["profile"], "work");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            (
                "[store]\npaht = 'x'",
                "",
                "unknown key `paht` in [store] (.mlx/config.toml, line 2) | did you mean `path`?",
            ),
            (
                "[store]\nlink = 'soft'",
                "",
                "`link` in [store] is `soft`; it can be \"copy\" or \"hard\" (.mlx/config.toml, line 2) | ",
            ),
            (
                "[machine]\ngpus = -1",
                "",
                "`gpus` in [machine]: expected a whole number from 0 up (.mlx/config.toml, line 2) | ",
            ),
            (
                "[remote.a]\nprofil = 'x'",
                "",
                "unknown key `profil` in remote `a` (.mlx/config.toml, line 2) | did you mean `profile`?",
            ),
            (
                "",
                "[store]\npath = 'x'",
                "`path` in [store] (/home/.config/mlx/config.toml, line 2): `x` is relative | this file is for all projects: \
                 write the place from `/` or `~/` on",
            ),
        ];
        for (here, user, expected) in cases {
            assert_eq!(Files::new(here, user).error(&[]), expected);
        }
        let variables = [("MLX_STORE_LINK", "soft")];
        assert_eq!(Files::new("", "").error(&variables), "MLX_STORE_LINK is `soft`; it can be `copy` or `hard` | ");
    }
}
