//! `mlx package`: one file with a model and all it needs to answer.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::output::size;
use super::{Context, Render, Text, keys};
use crate::bundle::image::{self, Base, Image, Ingredients};
use crate::bundle::{self, Bundle, Inputs, Packaged};
use crate::env::{Declared, Library};
use crate::fs::quote;
use crate::project::manifest::{DEFAULT_ENVIRONMENT, Model, Serve};
use crate::project::{Project, ProjectPath, git, gitignore};
use crate::registry::{Reference, Version};
use crate::store::Store;
use crate::{Error, Result};

/// Package a version of a model into one file
///
/// The bundle holds the model, the code and the packages that made it, the ONNX Runtime library it answers on, and the
/// answers to the examples of the manifest; the model is asked for them before anything is written. The same version
/// gives the same bytes, on any machine.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx package churn
  mlx package churn@production
  mlx package churn:3 -o /tmp/churn.tar
  mlx package churn --sign release.pem
  mlx package churn --image --base docker.io/library/debian:stable-slim")]
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
    /// Sign the bundle with this private key (P-256, PEM)
    #[arg(long, value_name = "KEYFILE", env = "MLX_SIGN_KEY", hide_env_values = true)]
    sign: Option<PathBuf>,
    /// Build a runnable image beside it: the bundle and mlx on a base, as an archive that podman, docker and skopeo take
    #[arg(long)]
    image: bool,
    /// What the image is built on: an image in a registry, an archive of one, or a root file system with a C library
    /// [default: `image.base` of the model]
    #[arg(long, value_name = "BASE", requires = "image")]
    base: Option<String>,
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
                let onnxruntime = Some(Library::at(&cx.file(file))?);
                // The environment is needed for what the file was exported from alone.
                let python = match model.parity {
                    Some(_) => Engine::of(cx, &project, &store, model)?.python,
                    None => None,
                };
                Engine { onnxruntime, python }
            }
            _ => Engine::of(cx, &project, &store, model)?,
        };
        let inputs = engine.inputs(cx, &project, &store, (&version, model));
        let base = self.image.then(|| self.base(cx, &project, model)).transpose()?;
        let key = keys::private(cx, self.sign.as_deref())?;
        let mut assembly = bundle::assemble(inputs, cx.watch())?;
        if let Some(key) = key {
            assembly = assembly.sign(&key, &store)?;
        }
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
        let image = base.map(|base| -> Result<Image> {
            let program = cx.program()?;
            let bundle = Bundle::open(&file)?;
            let scratch = project.scratch();
            let ingredients = Ingredients { bundle: &bundle, base: &base, program: &program, scratch: &scratch };
            image::write(ingredients, &image_file(&file), cx.watch())
        });
        let image = image.transpose()?.map(|image| Image { file: from(cx, &image.file), ..image });
        let file = from(cx, &file);
        let shown = quote(&file);
        let image_shown = image.as_ref().map(|image| quote(&image.file));
        cx.out.show(&Shown { packaged: Packaged { file, ..packaged }, image })?;
        if let Some(image) = image_shown {
            cx.out.hint(format!("Run it: `podman run --rm -p 8080:8080 oci-archive:{image}`"));
            return Ok(());
        }
        match model.serve {
            Some(_) => cx.out.hint(format!("Serve it: `mlx serve {shown}`; deploy it: `mlx deploy TARGET`")),
            None => cx.out.hint(format!("See what it holds: `mlx bundle inspect {shown}`")),
        }
        Ok(())
    }
}

impl Package {
    /// What the image is built on.
    fn base(&self, cx: &Context, project: &Project, model: &Model) -> Result<Base> {
        if model.serve.is_none() {
            return Err(Error::usage(format!(
                "an image is there to answer, and the model is not served ({})",
                model.place
            ))
            .with_hint("say how: `serve = { onnx = \"…\" }` or `{ python = \"…\" }`"));
        }
        let (name, directory) = match (&self.base, &model.base) {
            (Some(name), _) => (name, cx.directory.as_path()),
            (None, Some(name)) => (name, project.root()),
            (None, None) => {
                return Err(Error::usage("nothing says what the image is built on").with_hint(
                    "name it with `--base`, or in the manifest: `image = { base = \"docker.io/library/debian:stable-slim\" }`; \
                     mlx needs the C library there, and a model in Python its Python",
                ));
            }
        };
        Base::open(name, directory, &project.scratch(), &cx.cache_directory_for(project), &cx.access(), cx.watch())
    }
}

/// `churn-3.tar` has the image `churn-3-image.tar`.
fn image_file(bundle: &Path) -> PathBuf {
    let mut name = bundle.file_stem().unwrap_or_default().to_owned();
    name.push("-image.tar");
    bundle.with_file_name(name)
}

/// A path as the user sees it.
fn from(cx: &Context, path: &Path) -> PathBuf {
    path.strip_prefix(&cx.directory).unwrap_or(path).to_path_buf()
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    packaged: Packaged,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
}

impl Render for Shown {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        self.packaged.render(out)?;
        let Some(Image { file, manifest, size: bytes, base, .. }) = &self.image else { return Ok(()) };
        let (file, base) = (quote(file), crate::fs::escape(base.as_bytes()));
        writeln!(out, "Built the image `{file}` on {base}: {}, {}", manifest.short(), size(*bytes))
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

    /// What a bundle of this version is made of.
    pub fn inputs<'i>(
        &'i self,
        cx: &'i Context,
        project: &'i Project,
        store: &'i Store,
        (version, model): (&'i Version, &'i Model),
    ) -> Inputs<'i> {
        Inputs {
            project,
            store,
            version,
            model,
            onnxruntime: self.onnxruntime.as_ref(),
            python: self.python.as_deref(),
            events: &cx.events,
            interrupt: &cx.interrupt,
        }
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
        let Self { model, version, manifest, file, size: written, weights_bytes, layers, .. } = self;
        let (file, weights) = (quote(file), size(*weights_bytes));
        match written {
            Some(bytes) => {
                let (manifest, bytes) = (manifest.short(), size(*bytes));
                writeln!(
                    out,
                    "Packaged `{model}` {version} into `{file}`: {manifest}, {bytes}, of that {weights} weights"
                )
            }
            None => {
                writeln!(out, "Would package `{model}` {version} into `{file}` as {}:", manifest.short())?;
                layers.iter().try_for_each(|layer| writeln!(out, "  {:>10}  {}", size(layer.size), quote(&layer.path)))
            }
        }
    }
}
