//! `mlx package`: one file with a model and all it needs to answer.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::size;
use super::{Context, Render, Text};
use crate::Result;
use crate::bundle::{self, Inputs, Packaged};
use crate::env::{Declared, Library};
use crate::fs::quote;
use crate::project::manifest::{DEFAULT_ENVIRONMENT, Model, Serve};
use crate::project::{Project, ProjectPath, git, gitignore};
use crate::registry::Reference;
use crate::store::Store;

/// Package a version of a model into one file
///
/// The bundle holds the model, the code and the packages that made it, the ONNX Runtime library it answers on, and the
/// answers to the examples of the manifest; the model is asked for them before anything is written. The same version
/// gives the same bytes, on any machine.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx package churn
  mlx package churn@production
  mlx package churn:3 -o /tmp/churn.tar")]
pub struct Package {
    /// Model: the newest version, or the one of an alias or a number
    #[arg(value_name = "MODEL[@ALIAS|:VERSION]")]
    model: Reference,
    /// File to write [default: dist/MODEL-VERSION.tar]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// ONNX Runtime library to pack instead of the one in the project's environment
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// Show what the bundle would hold, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Package {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let project = cx.project()?;
        let store = Store::of(&project)?;
        let registry = cx.registry(&project, &store)?;
        let version = registry.find_in_use(&self.model)?;
        registry.bring(&version, cx.watch())?;
        let model = project.manifest.model(&version.model)?;
        let engine = match (&model.serve, &self.onnxruntime) {
            (Some(Serve::Onnx(_)), Some(file)) => {
                Engine { onnxruntime: Some(Library::at(&cx.file(file))?), python: None }
            }
            _ => Engine::of(cx, &project, &store, model)?,
        };
        let inputs = Inputs {
            project: &project,
            store: &store,
            version: &version,
            model,
            onnxruntime: engine.onnxruntime.as_ref(),
            python: engine.python.as_deref(),
            events: &cx.events,
            interrupt: &cx.interrupt,
        };
        let assembly = bundle::assemble(inputs, cx.watch())?;
        let file = self.output.as_ref().map(|file| cx.file(file));
        let is_default = file.is_none();
        let file = file.unwrap_or_else(|| bundle::default_file(&project, &version));
        if self.dry_run {
            return cx.out.show(&bundle::packaged(&assembly, &file, None));
        }
        let packaged = bundle::write(&assembly, inputs, &file, &cx.user(), cx.watch())?;
        if is_default {
            keep_out_of_git(&project)?;
        }
        let file = file.strip_prefix(&cx.directory).unwrap_or(&file).to_path_buf();
        let shown = quote(&file);
        cx.out.show(&Packaged { file, ..packaged })?;
        match model.serve {
            Some(_) => cx.out.hint(format!("Serve it: `mlx serve {shown}`; deploy it: `mlx deploy TARGET`")),
            None => cx.out.hint(format!("See what it holds: `mlx bundle inspect {shown}`")),
        }
        Ok(())
    }
}

/// What a model answers on.
#[derive(Default)]
pub(super) struct Engine {
    pub onnxruntime: Option<Library>,
    pub python: Option<PathBuf>,
}

impl Engine {
    /// What the environment of the step that makes the model has for it; the environment is made where it is not there yet.
    pub fn of(cx: &Context, project: &Project, store: &Store, model: &Model) -> Result<Self> {
        if model.serve.is_none() {
            return Ok(Self::default());
        }
        let maker = project.manifest.steps.iter().find(|step| step.touches(&model.path));
        let name = maker.map_or(DEFAULT_ENVIRONMENT, |step| step.environment());
        let (cache, interpreters) = (cx.cache_directory_for(project), cx.interpreters());
        let declared = Declared::of(project, name, &cache, &interpreters, Some(cx.watch()))?;
        let prepared = declared.prepare(store, cx.watch())?;
        let python = prepared.record.python.as_ref().map(PathBuf::from);
        Ok(Self { onnxruntime: prepared.onnxruntime(), python })
    }
}

/// Makes Git ignore the directory that bundles go to if nothing else is said.
pub(super) fn keep_out_of_git(project: &Project) -> Result<()> {
    if git::Git::of(project)?.is_some() {
        gitignore::ignore(project, [&ProjectPath::new(bundle::DEFAULT_DIRECTORY).expect("it is a plain name")])?;
    }
    Ok(())
}

impl Render for Packaged {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { model, version, manifest, file, size: written, layers, .. } = self;
        let file = quote(file);
        match written {
            Some(bytes) => {
                writeln!(out, "Packaged `{model}` {version} into `{file}`: {}, {}", manifest.short(), size(*bytes))
            }
            None => {
                writeln!(out, "Would package `{model}` {version} into `{file}` as {}:", manifest.short())?;
                layers.iter().try_for_each(|layer| writeln!(out, "  {:>10}  {}", size(layer.size), quote(&layer.path)))
            }
        }
    }
}
