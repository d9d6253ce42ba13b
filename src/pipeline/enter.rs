//! Going into the environment of a step, as its program would find it.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;

use super::environments::Environments;
use super::params::{self, Params};
use super::{Options, variables};
use crate::Result;
use crate::env::{Launch, Prepared, Shared};
use crate::event::Watch;
use crate::fs::{quote, temporary_file};
use crate::project::Project;
use crate::store::Store;

/// What a program needs to run as one of a step does.
pub struct Entered {
    pub directory: PathBuf,
    pub variables: Vec<(String, OsString)>,
    /// How it is started, where the environment is a container.
    pub launch: Option<Launch>,
    pub prepared: Prepared,
}

/// Makes the environment of this step, or of this name, where it is not there yet (the default one where none is named), and tells what a
/// program in it gets. Its metrics go nowhere.
pub fn enter(
    project: &Project,
    step: Option<&str>,
    options: &Options,
    is_interactive: bool,
    watch: Watch<'_>,
) -> Result<Entered> {
    let (name, step) = project.manifest.meant_environment(step)?;
    let store = Store::of(project)?;
    project.hide_state()?;
    let declared = Environments::one(project, name, options, Some(watch))?;
    let prepared = declared.prepare(&store, watch)?;
    let mut all = prepared.variables.clone();
    let mut directory = project.root().to_path_buf();
    if let Some(step) = step {
        let values = Params::read(project, &options.settings)?.of_step(step)?;
        all = variables::of_step(step, &values, &prepared);
        // Goes with other temporary files, once it is old.
        let (_, file) = temporary_file(&project.scratch())?.keep().context("cannot keep a temporary file")?;
        let json = params::nested(&values).to_string();
        std::fs::write(&file, json).with_context(|| format!("cannot write `{}`", quote(&file)))?;
        let own: [(&str, OsString); 3] = [
            ("MLX_STEP", step.name.as_str().into()),
            ("MLX_PARAMS", file.into_os_string()),
            ("MLX_METRICS", "/dev/null".into()),
        ];
        all.extend(own.map(|(name, value)| (name.to_owned(), value)));
        directory = variables::directory(project, step)?;
    }
    let launch = prepared.launcher.as_ref().map(|launcher| {
        let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
        launcher.launch(&Shared {
            name: &format!("mlx-shell-{}", std::process::id()),
            root: project.root(),
            directory: &directory,
            variables: &names,
            gpus: step.map_or(0, |step| step.resources.gpus),
            is_interactive,
        })
    });
    Ok(Entered { directory, variables: all, launch, prepared })
}
