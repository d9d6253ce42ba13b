//! What every command needs: where it works, where its result goes, and who hears what happens on the way.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::Global;
use super::console::Console;
use super::output::Output;
use crate::env::Interpreters;
use crate::event::{Event, EventSink, Interrupt, Watch};
use crate::executor::{Machine, VISIBLE_GPUS};
use crate::fs::quote;
use crate::pipeline::{Outside, RUN_VARIABLE};
use crate::project::{Project, ProjectPath, Variables};
use crate::registry::{Author, Registry};
use crate::remote::Access;
use crate::run::{RunId, Runs};
use crate::store::Store;
use crate::{Error, Result};

/// The command context, `cx`.
pub struct Context {
    /// Where the user is: the working directory, or the one named by `-C`.
    pub directory: PathBuf,
    pub out: Output,
    /// Takes what happens on the way; shared with threads.
    pub events: Arc<dyn EventSink>,
    pub interrupt: Interrupt,
    console: Arc<Console>,
}

impl Context {
    /// Sets up output, progress and signals as the global options say.
    pub(super) fn new(global: Global) -> Result<Self> {
        let directory = match &global.work_directory {
            Some(directory) => directory
                .canonicalize()
                .with_context(|| format!("cannot enter `{}`", quote(directory)))
                .map_err(|error| Error::new(crate::Kind::Usage, error))?,
            None => std::env::current_dir().context("cannot tell the working directory")?,
        };
        let log = global.events.as_deref().map(|file| Console::open_log(&directory.join(file))).transpose()?;
        let console = Arc::new(Console::new(global.quiet, global.verbose, log));
        Ok(Self {
            directory,
            out: Output::new(global.json, global.quiet),
            events: console.clone(),
            interrupt: Interrupt::default(),
            console,
        })
    }

    /// The project that the user is in.
    pub fn project(&self) -> Result<Project> {
        Project::discover(&self.directory, &variable)
    }

    /// The runs of the project that the user is in, and the store that holds what they made. What was recorded can be seen
    /// whatever the manifest says now.
    pub fn runs(&self) -> Result<(Store, Runs)> {
        self.past().map(|(_, store, runs)| (store, runs))
    }

    /// As [`Context::runs`], with the project of [`Context::past_project`].
    pub fn past(&self) -> Result<(Project, Store, Runs)> {
        let project = self.past_project()?;
        let store = Store::of(&project)?;
        let runs = Runs::open(&project, &store, &*self.events)?;
        Ok((project, store, runs))
    }

    /// The project for who only asks what was: its manifest is empty where it can't be read, which is told.
    pub fn past_project(&self) -> Result<Project> {
        let (project, trouble) = Project::discover_past(&self.directory, &variable)?;
        if let Some(error) = trouble {
            let message = format!("{error}; the past is told all the same");
            self.events.emit(Event::Warning { message, hint: error.hint().map(str::to_owned) });
        }
        Ok(project)
    }

    /// The registry of models that the project uses: its own, or one that it shares.
    pub fn registry(&self, project: &Project, store: &Store) -> Result<Registry> {
        Registry::of(project, store, &self.access())
    }

    /// The user, who does something now, for the records of the registry.
    pub fn author(&self, why: Option<String>) -> Author {
        Author { who: self.user(), when: jiff::Timestamp::now(), why }
    }

    /// The project paths of arguments that are relative to where the user is.
    pub fn paths(&self, project: &Project, arguments: &[PathBuf]) -> Result<Vec<ProjectPath>> {
        arguments.iter().map(|path| project.relative(&self.directory, path)).collect()
    }

    /// A file named on the command line, relative to where the user is.
    pub fn file(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// What long work is given: who hears of it, and whether it should stop.
    pub fn watch(&self) -> Watch<'_> {
        Watch { events: &*self.events, interrupt: &self.interrupt }
    }

    /// From now on Ctrl-C, SIGTERM and the end of the terminal ask to stop instead of ending the process; for commands that
    /// ask [`Interrupt::check`] while they work.
    pub fn catch_signals(&self) -> Result<()> {
        for signal in [SIGINT, SIGTERM] {
            let interrupt = self.interrupt.clone();
            // SAFETY: the handler changes one atomic and nothing else.
            unsafe { signal_hook::low_level::register(signal, move || interrupt.request()) }
                .context("cannot listen for signals")?;
        }
        // Who was started by `nohup` outlives its terminal.
        if !is_ignored(SIGHUP) {
            let interrupt = self.interrupt.clone();
            // The shell passes it on, and the kernel sends another one; both together are not the wish to stop at once.
            let hang_up = move || {
                if !interrupt.is_requested() {
                    interrupt.request()
                }
            };
            // SAFETY: the handler reads and changes one atomic and nothing else.
            unsafe { signal_hook::low_level::register(SIGHUP, hang_up) }.context("cannot listen for signals")?;
        }
        Ok(())
    }

    /// The path of this program, for child processes that run it again.
    pub fn program(&self) -> Result<PathBuf> {
        Ok(std::env::current_exe().context("cannot tell where this program lies")?)
    }

    /// How a shell starts this program, for what other programs keep: by its name where the user's `PATH` leads to it, so
    /// that it may be replaced, else by its path.
    pub fn program_for_shell(&self) -> Result<String> {
        let program = self.program()?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = std::env::split_paths(&path).map(|directory| directory.join("mlx")).find(|file| file.is_file());
        let is_same = first.and_then(|file| file.canonicalize().ok()) == program.canonicalize().ok();
        match program.to_str() {
            _ if is_same => Ok("mlx".into()),
            Some(program) => Ok(format!("'{}'", program.replace('\'', "'\\''"))),
            None => Err(Error::failed(format!("the path of this program is no text: `{}`", quote(&program)))
                .with_hint("put it on the `PATH` under the name `mlx`")),
        }
    }

    /// A directory for what can be made again and is shared by the user's projects: `MLX_CACHE_DIR`, else `mlx` below
    /// `XDG_CACHE_HOME`, else `~/.cache/mlx`.
    pub fn cache_directory(&self) -> Result<PathBuf> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("MLX_CACHE_DIR")
            .or_else(|| absolute("XDG_CACHE_HOME").map(|cache| cache.join("mlx")))
            .or_else(|| absolute("HOME").map(|home| home.join(".cache/mlx")))
            .ok_or_else(|| {
                Error::failed("no place for caches: neither HOME nor XDG_CACHE_HOME nor MLX_CACHE_DIR is set")
                    .with_hint("set MLX_CACHE_DIR to a directory of your own")
            })
    }

    /// As [`Context::cache_directory`]; for who has no home, as in a container or a scheduled job, one in the project.
    pub fn cache_directory_for(&self, project: &Project) -> PathBuf {
        self.cache_directory().unwrap_or_else(|_| project.state("cache"))
    }

    /// Where interpreters and other programs are looked for.
    pub fn interpreters(&self) -> Interpreters {
        Interpreters {
            path: std::env::var_os("PATH").unwrap_or_default(),
            pyenv_version: std::env::var_os("PYENV_VERSION").filter(|version| !version.is_empty()),
            conda: ["MAMBA_EXE", "CONDA_EXE"].iter().find_map(|name| {
                std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute() && path.is_file())
            }),
        }
    }

    /// What of this machine steps may take.
    pub fn machine(&self, project: &Project) -> Machine {
        let visible = std::env::var_os(VISIBLE_GPUS);
        Machine::new(&project.settings.machine(), visible.as_deref(), &std::env::var_os("PATH").unwrap_or_default())
    }

    /// The user's shell.
    pub fn shell(&self) -> OsString {
        std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())
    }

    /// How remotes are reached from here.
    pub fn access(&self) -> Access {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let variables = std::env::vars_os().filter_map(text).filter(|(name, _)| Access::reads(name)).collect();
        Access {
            variables: Arc::new(variables),
            home: std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute()),
            path: std::env::var_os("PATH").unwrap_or_default(),
            events: self.events.clone(),
            interrupt: self.interrupt.clone(),
            ..Access::default()
        }
    }

    /// What steps may depend on outside of the project.
    pub fn outside(&self) -> Outside {
        Outside { variable, access: self.access() }
    }

    /// The command line from the word after the program's name on, for records.
    pub fn arguments(&self) -> Vec<String> {
        use std::os::unix::ffi::OsStrExt;
        std::env::args_os().skip(1).map(|argument| crate::fs::escape(argument.as_bytes())).collect()
    }

    /// The run one of whose steps started this program.
    pub fn run_around(&self) -> Option<RunId> {
        std::env::var(RUN_VARIABLE).ok()?.parse().ok()
    }

    /// Who uses the program, for records: the login name, or the number of the user.
    pub fn user(&self) -> String {
        let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        named("USER")
            .or_else(|| named("LOGNAME"))
            .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// The variables of the environment, for settings.
    pub fn variables(&self) -> Variables<'static> {
        &variable
    }

    /// Takes the bars away and writes what is buffered.
    pub(super) fn close(&mut self) {
        self.console.close();
    }
}

/// Whether who started this process wants it to take no notice of the signal.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: all fields are numbers or hold them, for which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is changed, and the pointer is to a live local of the right type.
    let known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    known == 0 && action.sa_sigaction == libc::SIG_IGN
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
