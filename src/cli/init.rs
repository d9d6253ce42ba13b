//! `mlx init`: a new project, empty or from an example.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use include_dir::{Dir, include_dir};
use serde::Serialize;

use super::{Context, Render, Text};
use crate::fs::quote;
use crate::project::adopt::Adopted;
use crate::project::hooks::{self, Hook, Missing};
use crate::project::init::{self, Created, ExampleFile};
use crate::project::setup::{self, MergeDriver};
use crate::project::{MANIFEST, Manifest, Project};
use crate::{Error, Result};

/// The folders under `examples/`, carried in the program.
static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples");

/// Start a project
///
/// Writes a commented `mlx.toml` and a line in `.gitignore`, nothing else; or lays out a whole example. Where the directory
/// has a pipeline of DVC (`dvc.yaml`, `*.dvc`), an `MLproject`, requirements of pip or conda, a `params.yaml` or notebooks,
/// the manifest says what these say, and what of them it can't. A project that is
/// there already stays as it is, and `--git-merge-driver` and `--git-hooks` set up what they ask
/// for in either.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  mlx init\n  mlx init churn\n  mlx init --example breast-cancer demo\n  mlx init --git-merge-driver"
)]
pub struct Init {
    /// Directory of the project; created where it is missing
    #[arg(default_value = ".", hide_default_value = true)]
    directory: PathBuf,
    /// Lay out this example instead of an empty manifest
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
    /// Make Git merge `mlx.lock` block by block; once in each clone
    #[arg(long)]
    git_merge_driver: bool,
    /// Make `git push` warn, or stop, where data of its commits is on no remote; once in each clone
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "warn")]
    git_hooks: Option<Push>,
    /// List the examples
    #[arg(long, conflicts_with_all = ["example", "directory"])]
    list_examples: bool,
}

/// What becomes of a push whose data is on no remote.
#[derive(Clone, Copy, ValueEnum)]
enum Push {
    Warn,
    Block,
}

impl Init {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        if self.list_examples {
            return cx.out.show(&Examples { examples: examples()? });
        }
        let directory = cx.file(&self.directory);
        let parent = directory.parent().and_then(|parent| parent.canonicalize().ok());
        if let Some(around) = parent.and_then(|parent| Project::root_around(&parent))
            && self.directory != Path::new(".")
        {
            cx.events.warn(format!("`{}` lies inside the project `{}`", quote(&directory), quote(around)));
        }
        let created = match &self.example {
            Some(name) => init::lay_out(&directory, &example(name)?)?,
            None => init::init(&directory)?,
        };
        let existed = created.files.is_empty();
        let Created { root, files, adopted } = created;
        let files = files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
        let project = || Project::open(&root);
        let merge_driver = match self.git_merge_driver {
            true => Some(setup::merge_driver(&project()?, &cx.program_for_shell()?)?),
            false => None,
        };
        let missing = self.git_hooks.map(|push| match push {
            Push::Warn => Missing::Warn,
            Push::Block => Missing::Block,
        });
        let hook = missing.map(|missing| hooks::install(&project()?, &cx.program_for_shell()?, missing)).transpose()?;
        let is_shared = merge_driver.as_ref().is_some_and(|driver| driver.attributes_changed);
        let root = root.to_string_lossy().into_owned();
        let Adopted { sources: made_from, left: left_out, data, .. } = adopted.unwrap_or_default();
        for left in &left_out {
            cx.events.warn(format!("not taken over: {left}"));
        }
        let is_adopted = !made_from.is_empty();
        cx.out.show(&Initialized { existed, root, files, made_from, left_out, merge_driver, hook })?;
        if !data.is_empty() {
            let paths = data.iter().map(quote).collect::<Vec<_>>().join(" ");
            cx.out.hint(format!("`mlx add {paths}` versions the data, once it is here (`dvc pull`)"));
        }
        if is_shared {
            cx.out
                .hint("Keep it in Git: `git add .gitattributes`; other clones need `mlx init --git-merge-driver` too");
        }
        match &self.example {
            _ if existed => {}
            None if is_adopted => {
                cx.out.hint(format!("Look through {MANIFEST}, then run `mlx train --dry-run`"));
            }
            Some(_) => cx.out.hint(format!("`{}/README.md` says what to run", quote(&self.directory))),
            None => cx.out.hint(format!("Describe your steps in {MANIFEST}, then run `mlx train`")),
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Initialized {
    root: String,
    /// Whether the project was there already, so that nothing changed.
    existed: bool,
    /// Files that are new or changed.
    files: Vec<String>,
    /// The files of other tools that the manifest was made from.
    made_from: Vec<String>,
    /// What of them is not in it, in words.
    left_out: Vec<String>,
    /// What became of the merge driver, where it was asked for.
    merge_driver: Option<MergeDriver>,
    /// What became of the pre-push hook, where it was asked for.
    hook: Option<Hook>,
}

impl Render for Initialized {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let root = quote(&self.root);
        match (self.existed, self.merge_driver.is_some() || self.hook.is_some()) {
            (true, false) => writeln!(out, "`{root}` is a project already; nothing changed")?,
            (true, true) => {}
            (false, _) => {
                writeln!(out, "Created {} in `{root}`", self.files.iter().map(quote).collect::<Vec<_>>().join(", "))?;
            }
        }
        if !self.made_from.is_empty() {
            writeln!(
                out,
                "{MANIFEST} is made from {}",
                self.made_from.iter().map(quote).collect::<Vec<_>>().join(", ")
            )?;
        }
        let word = |changed| if changed { "from now on" } else { "already; nothing changed" };
        if let Some(driver) = &self.merge_driver {
            writeln!(out, "Git merges mlx.lock block by block {}", word(driver.changed()))?;
        }
        if let Some(hook) = &self.hook {
            writeln!(out, "Git asks mlx before it pushes {}", word(hook.changed))?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Examples {
    examples: Vec<Example>,
}

#[derive(Serialize)]
struct Example {
    name: String,
    description: Option<String>,
}

impl Render for Examples {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let width = self.examples.iter().map(|example| example.name.len()).max().unwrap_or(0);
        self.examples.iter().try_for_each(|Example { name, description }| {
            writeln!(out, "{}", format!("{name:<width$}  {}", description.as_deref().unwrap_or_default()).trim_end())
        })
    }
}

fn example_directories() -> impl Iterator<Item = (&'static str, &'static Dir<'static>)> {
    EXAMPLES.dirs().filter_map(|directory| Some((directory.path().to_str()?, directory)))
}

fn examples() -> Result<Vec<Example>> {
    let example = |(name, directory): (&str, &Dir<'_>)| {
        let manifest = directory.get_file(Path::new(name).join(MANIFEST));
        let manifest = Manifest::parse(manifest.map_or(&[][..], |file| file.contents()))?;
        Ok(Example { name: name.to_owned(), description: manifest.description })
    };
    example_directories().map(example).collect()
}

fn example(name: &str) -> Result<Vec<ExampleFile>> {
    let (_, directory) = example_directories().find(|(found, _)| *found == name).ok_or_else(|| {
        Error::usage(format!("there is no example `{}`", crate::fs::escape(name.as_bytes())))
            .with_hint(crate::error::did_you_mean(name, example_directories().map(|(name, _)| name)))
    })?;
    let mut files = Vec::new();
    collect(directory, directory.path(), &mut files);
    Ok(files)
}

/// All files below a directory, but for what a run in the source tree may have left there.
fn collect(directory: &Dir<'_>, root: &Path, files: &mut Vec<ExampleFile>) {
    for file in directory.files() {
        let path = file.path().strip_prefix(root).unwrap_or(file.path()).to_path_buf();
        files.push(ExampleFile { path, content: file.contents().to_vec() });
    }
    let is_source = |directory: &&Dir<'_>| {
        !matches!(directory.path().file_name().and_then(|name| name.to_str()), Some(".mlx" | "__pycache__" | "servers"))
    };
    directory.dirs().filter(is_source).for_each(|directory| collect(directory, root, files));
}
