//! Containers: an image that steps run in, through podman or docker.
//!
//! What counts is the digest of the image, not its tag: a tag is looked up each time, and the program is started in the
//! very image that the step key stands for.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{child, find_program};
use crate::digest::Hasher;
use crate::event::Watch;
use crate::fs::escape;
use crate::project::manifest;
use crate::{Digest, Error, Result};

/// A declared container whose image is known.
#[derive(Debug, Clone)]
pub struct Container {
    /// The digest of the environment.
    pub digest: Digest,
    /// As the manifest names it.
    pub image: String,
    image_digest: Digest,
    /// What the engine is told to run: never a mere tag.
    reference: String,
    options: Vec<String>,
    engine: Option<Engine>,
}

/// A program that runs containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    pub program: PathBuf,
    pub kind: EngineKind,
    /// Whether it can put a first process into the container that passes signals on.
    has_init: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    Podman,
    Docker,
}

/// An image and how it is run, as another machine can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What an engine is told to run: never a mere tag.
    pub reference: String,
    /// Further options of the engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// How programs are started in a container.
#[derive(Debug, Clone)]
pub struct Launcher {
    engine: Engine,
    image: Image,
}

/// The command line that starts a program in a container, and the one that ends it whatever it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Program and arguments, to which the shell's own (`-c`, the command) are added.
    pub start: Vec<OsString>,
    pub end: Vec<OsString>,
}

/// What a program in a container shares with this machine.
#[derive(Debug)]
pub struct Shared<'a> {
    /// The name of the container: letters, digits, `_`, `.` and `-`.
    pub name: &'a str,
    /// The project's directory, which is there under the same path.
    pub root: &'a Path,
    /// Where the program works.
    pub directory: &'a Path,
    /// The names of the variables that are passed on.
    pub variables: &'a [String],
    /// How many of the machine's accelerators it asks for.
    pub gpus: u64,
    /// Whether a terminal is passed on.
    pub is_interactive: bool,
}

impl Container {
    /// The declared container. An image that is named by its digest needs no engine here; the digest of a tag is asked for,
    /// and an image that is not here yet is fetched where `watch` is given.
    pub fn of(
        declared: &manifest::ContainerEnvironment,
        place: &str,
        path: &OsStr,
        watch: Option<Watch<'_>>,
    ) -> Result<Self> {
        let engine = Engine::find(path);
        let image = declared.image.clone();
        let (image_digest, reference) = match image.split_once('@') {
            Some((_, digest)) => {
                let wrong = |error| Error::usage(format!("the image `{image}`: {error} ({place})"));
                (digest.parse().map_err(wrong)?, image.clone())
            }
            None => {
                let engine = engine.as_ref().ok_or_else(|| no_engine(&image))?;
                engine.look_up(&image, place, watch)?
            }
        };
        let mut hasher = Hasher::new();
        hasher.update(format!("mlx environment 1\ncontainer {} {image_digest}\n", std::env::consts::ARCH).as_bytes());
        declared.options.iter().for_each(|option| hasher.update(format!("{option}\0").as_bytes()));
        Ok(Self {
            digest: hasher.finish().0,
            image,
            image_digest,
            reference,
            options: declared.options.clone(),
            engine,
        })
    }

    /// The image with its digest, as the record of a run has it.
    pub fn resolved_image(&self) -> String {
        match self.image.contains('@') {
            true => self.image.clone(),
            false => format!("{}@{}", self.image, self.image_digest),
        }
    }

    /// Whether the image is here.
    pub fn is_here(&self) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.inspect(&self.reference).is_ok_and(|found| found.is_some()))
    }

    /// The program that runs it, where there is one.
    pub fn engine(&self) -> Option<&Path> {
        self.engine.as_ref().map(|engine| engine.program.as_path())
    }

    /// Fetches the image where it is not here, and tells how programs are started in it.
    pub fn prepare(&self, watch: Watch<'_>) -> Result<Launcher> {
        let engine = self.engine.clone().ok_or_else(|| no_engine(&self.image))?;
        if engine.inspect(&self.reference)?.is_none() {
            engine.pull(&self.reference, watch)?;
        }
        Ok(Launcher { engine, image: self.as_image() })
    }

    /// The image, for a machine that fetches it itself.
    pub fn as_image(&self) -> Image {
        Image { reference: self.reference.clone(), options: self.options.clone() }
    }
}

fn no_engine(image: &str) -> Error {
    Error::failed(format!("the image `{image}` needs podman or docker, and neither is on PATH"))
        .with_hint("install one: `apt install podman`")
}

impl Engine {
    /// Podman, else docker, whichever `PATH` has.
    pub fn find(path: &OsStr) -> Option<Self> {
        if let Some(program) = find_program("podman", path) {
            let helpers = ["/usr/libexec/podman/catatonit", "/usr/lib/podman/catatonit"].map(PathBuf::from);
            let has_init = find_program("catatonit", path).is_some() || helpers.iter().any(|helper| helper.is_file());
            return Some(Self { program, kind: EngineKind::Podman, has_init });
        }
        let program = find_program("docker", path)?;
        Some(Self { program, kind: EngineKind::Docker, has_init: true })
    }

    fn name(&self) -> &'static str {
        match self.kind {
            EngineKind::Podman => "podman",
            EngineKind::Docker => "docker",
        }
    }

    /// The digest of a tag, and the name by which exactly this image is run.
    fn look_up(&self, image: &str, place: &str, watch: Option<Watch<'_>>) -> Result<(Digest, String)> {
        let missing = || {
            let message = format!("the image `{image}` is not here, so that nobody knows yet what it holds ({place})");
            Error::failed(message).with_hint(format!("`{} pull {image}` fetches it", self.name()))
        };
        let found = match (self.inspect(image)?, watch) {
            (Some(found), _) => found,
            (None, None) => return Err(missing()),
            (None, Some(watch)) => {
                self.pull(image, watch)?;
                self.inspect(image)?.ok_or_else(missing)?
            }
        };
        let mut words = found.split_whitespace();
        let id = words.next().unwrap_or_default();
        let id = id.strip_prefix("sha256:").unwrap_or(id).to_owned();
        // The digest in a registry is the same for all engines; an image that was never in one has its id alone.
        let wanted = repository(image);
        let of_registry = words.filter_map(|word| {
            let (name, digest) = word.split_once('@')?;
            let is_same = name == wanted || name.ends_with(&format!("/{wanted}"));
            Some((digest.parse::<Digest>().ok().filter(|_| is_same)?, word.to_owned()))
        });
        if let Some(found) = of_registry.min() {
            return Ok(found);
        }
        let digest = Digest::from_hex(&id).map_err(|_| {
            Error::failed(format!(
                "{} says of the image `{image}` what is no digest: `{}`",
                self.name(),
                escape(id.as_bytes())
            ))
        })?;
        Ok((digest, id))
    }

    /// The id of an image and its names with digests; `None` where it is not here.
    fn inspect(&self, image: &str) -> Result<Option<String>> {
        let format = "{{.Id}} {{range .RepoDigests}}{{.}} {{end}}";
        let output = Command::new(&self.program)
            .args(["image", "inspect", "--format", format, image])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start `{}`", self.name()))?;
        if output.status.success() {
            return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let unknown = ["no such image", "no such object", "image not known", "unable to find", "failed to find"];
        match unknown.iter().any(|words| said.to_lowercase().contains(words)) {
            true => Ok(None),
            false => {
                let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
                let message = format!("{} can't look at images: {}", self.name(), escape(last.trim().as_bytes()));
                Err(Error::failed(message).with_hint(match self.kind {
                    EngineKind::Podman => "find out with `podman info` what it misses",
                    EngineKind::Docker => "start its engine, or install podman, which needs none",
                }))
            }
        }
    }

    fn pull(&self, image: &str, watch: Watch<'_>) -> Result<()> {
        watch.events.note(format!("image {image}: fetching it with {}", self.name()));
        let mut pull = Command::new(&self.program);
        pull.args(["pull", image]);
        let line = |text: &str| watch.events.emit(crate::event::Event::Detail { message: text.to_owned() });
        child::run(pull, &format!("fetch the image `{image}`"), watch.interrupt, line).map_err(|error| {
            error.with_hint(format!(
                "correct `image`, log in with `{0} login`, or look with `{0} search` whether there is one of this name",
                self.name()
            ))
        })
    }
}

/// The name of an image without its tag: `registry:5000/a/b:1` is `registry:5000/a/b`.
fn repository(image: &str) -> &str {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

impl Launcher {
    /// For this image, through the engine that `path` has; it fetches the image where that is not here.
    pub fn of(image: Image, path: &OsStr) -> Result<Self> {
        let engine = Engine::find(path).ok_or_else(|| no_engine(&image.reference))?;
        Ok(Self { engine, image })
    }

    /// The command lines for one program.
    pub fn launch(&self, shared: &Shared<'_>) -> Launch {
        let Engine { program, kind, has_init } = &self.engine;
        let user = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let mut start: Vec<OsString> = vec![program.into(), "run".into(), "--rm".into()];
        let mut add = |name: &str, value: &OsStr| {
            let mut argument = OsString::from(format!("--{name}="));
            argument.push(value);
            start.push(argument);
        };
        add("name", shared.name.as_ref());
        // The project under its own path, so that every path means the same inside and outside.
        let mut volume = shared.root.as_os_str().to_owned();
        volume.push(":");
        volume.push(shared.root);
        add("volume", &volume);
        add("workdir", shared.directory.as_ref());
        add("user", format!("{}:{}", user.0, user.1).as_ref());
        if *kind == EngineKind::Podman && user.0 != 0 {
            // Without privileges, podman would make the user of the container another one outside.
            add("userns", "keep-id".as_ref());
        }
        // A label would be written to every file of the project.
        add("security-opt", "label=disable".as_ref());
        // The value is taken from the environment of the engine's program, where no list of processes shows it.
        shared.variables.iter().for_each(|name| add("env", name.as_ref()));
        if user.0 != 0 {
            // An image knows no home of this user.
            add("env", "HOME=/tmp".as_ref());
        }
        if shared.gpus > 0 {
            match kind {
                EngineKind::Podman => add("device", "nvidia.com/gpu=all".as_ref()),
                EngineKind::Docker => add("gpus", "all".as_ref()),
            }
        }
        if *has_init {
            start.push("--init".into());
        }
        if shared.is_interactive {
            start.extend(["--interactive".into(), "--tty".into()]);
        }
        start.extend(self.image.options.iter().map(OsString::from));
        start.extend(["--entrypoint=/bin/sh".into(), (&self.image.reference).into()]);
        let end = match kind {
            EngineKind::Podman => {
                vec![program.into(), "rm".into(), "--force".into(), "--ignore".into(), "--time=0".into()]
            }
            EngineKind::Docker => vec![program.into(), "rm".into(), "--force".into()],
        };
        let end = end.into_iter().chain([shared.name.into()]).collect();
        Launch { start, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_told_from_the_port_of_a_registry() {
        assert_eq!(repository("registry:5000/a/b"), "registry:5000/a/b");
        assert_eq!(repository("registry:5000/a/b:1"), "registry:5000/a/b");
        assert_eq!(repository("python"), "python");
    }

    #[test]
    fn values_of_variables_are_in_no_argument() {
        let engine = Engine { program: "/usr/bin/docker".into(), kind: EngineKind::Docker, has_init: true };
        let image = Image { reference: "x@sha256:00".into(), options: vec!["--network=none".into()] };
        let launcher = Launcher { engine, image };
        let variables = ["MLX_STEP".to_owned()];
        let root = Path::new("/data/my project");
        let shared = Shared { name: "n", root, directory: root, variables: &variables, gpus: 1, is_interactive: false };

        let launch = launcher.launch(&shared);

        let start: Vec<&str> = launch.start.iter().map(|argument| argument.to_str().unwrap()).collect();
        for expected in ["--env=MLX_STEP", "--volume=/data/my project:/data/my project", "--gpus=all", "--network=none"]
        {
            assert!(start.contains(&expected), "{start:?}");
        }
        assert_eq!(start.last(), Some(&"x@sha256:00"));
        assert_eq!(launch.end.last().unwrap(), "n");
    }
}
