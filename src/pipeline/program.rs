//! The program of a step on this machine: what it finds, how it is started, and what goes when it has ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;

use super::key::Inputs;
use super::metrics::following;
use super::performed::Performed;
use super::work::Work;
use super::{params, unfinished, variables};
use crate::env::{Launch, Prepared, Shared};
use crate::event::{Event, Watch};
use crate::executor::{self, Job, Share, Tracked, VISIBLE_GPUS};
use crate::fs::{FileLock, quote};
use crate::project::manifest::Step;
use crate::run::log_path;
use crate::{Digest, Result};

/// Where a program runs, and with what.
pub(super) struct Place<'a> {
    pub directory: PathBuf,
    pub share: &'a Share,
    pub prepared: &'a Prepared,
}

/// The files by which a running step gets its parameters and tells its metrics.
struct StepFiles {
    params: PathBuf,
    metrics: PathBuf,
    /// The address to which the program logs, if it speaks MLflow.
    tracked: Option<Tracked>,
}

impl StepFiles {
    /// Lines of an attempt that came to nothing would count twice.
    fn forget_metrics(&self) -> Result<()> {
        match fs::remove_file(&self.metrics) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let cannot = format!("cannot delete `{}`", quote(&self.metrics));
                Err(error).context(cannot).map_err(Into::into)
            }
            _ => Ok(()),
        }
    }

    /// Takes outputs from what the program logged by MLflow, where it did not write them itself.
    fn bring(&self, root: &Path, step: &Step) -> Result<()> {
        self.tracked.as_ref().map_or(Ok(()), |tracked| tracked.bring(root, step.products()))
    }

    /// What can't be deleted now goes with the directory, when the next run begins.
    fn remove(self, step: &Step, watch: Watch<'_>) {
        if let Some(tracked) = self.tracked {
            tracked.leave(&step.name, watch.events);
        }
        let _ = fs::remove_file(&self.params);
        let _ = fs::remove_file(&self.metrics);
    }
}

impl Work<'_> {
    /// Runs the step's program here, and takes what it made.
    pub(super) fn run_program(
        &self,
        index: usize,
        performed: &mut Performed,
        (inputs, turn): (&Inputs, Option<FileLock>),
        place: Place<'_>,
    ) -> Result<()> {
        let step = &self.graph.steps[index];
        // In a container, this machine is another one.
        let tracks = place.prepared.launcher.is_none();
        let files = self.write_files(step, &performed.step.params, tracks)?;
        let cmd = performed.step.cmd.clone();
        let job = self.job(step, &cmd, place, &performed.step.params, &files);
        self.watch.events.emit(Event::StepStarted { step: step.name.clone(), cmd: cmd.clone() });
        performed.step.started = Some(Timestamp::now());
        // What lies there now is the attempt's before.
        let renew = || self.clear_outputs(step, true).and_then(|()| files.forget_metrics());
        let run = || self.environments.while_running(|| executor::run(&job, &step.retry, renew, self.watch));
        let report = following(&step.name, &files.metrics, self.watch.events, run);
        let concluded = match report {
            Ok(report) => files
                .bring(self.project.root(), step)
                .and_then(|()| self.conclude(index, performed, (inputs, turn), &report, &files.metrics, &job.log)),
            Err(error) => {
                self.tell_finished(step, performed, Some(&error));
                Err(error)
            }
        };
        files.remove(step, self.watch);
        concluded
    }

    fn write_files(&self, step: &Step, values: &BTreeMap<String, Value>, tracks: bool) -> Result<StepFiles> {
        let file = |ending: &str| self.files.join(format!("{}.{ending}", step.name));
        let mut files = StepFiles { params: file("params.json"), metrics: file("metrics.jsonl"), tracked: None };
        if tracks {
            let named = |name: &str| step.variables.contains_key(name);
            let artifacts = file("artifacts");
            files.tracked = self.tracking.enter(&files.metrics, &artifacts, named, step.products(), self.watch.events);
        }
        let json = params::nested(values).to_string();
        fs::write(&files.params, json).with_context(|| format!("cannot write `{}`", quote(&files.params)))?;
        Ok(files)
    }

    fn job<'j>(
        &self,
        step: &'j Step,
        cmd: &'j str,
        Place { directory, share, prepared }: Place<'_>,
        values: &BTreeMap<String, Value>,
        files: &StepFiles,
    ) -> Job<'j> {
        let mut variables = variables::of_step(step, values, prepared);
        let own: [(&str, OsString); 4] = [
            (unfinished::RUN_VARIABLE, self.run.as_str().into()),
            ("MLX_STEP", step.name.as_str().into()),
            ("MLX_PARAMS", files.params.as_os_str().into()),
            ("MLX_METRICS", files.metrics.as_os_str().into()),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        variables.extend(files.tracked.iter().flat_map(|tracked| tracked.variables.clone()));
        if let Some(path) = &step.checkpoint {
            let place = path.below(self.project.root());
            variables.push((executor::CHECKPOINT_VARIABLE.to_owned(), place.into_os_string()));
        }
        // A step that names GPUs itself knows better, and one that says nothing of them is left alone.
        if (step.resources.gpus > 0 || step.hides_gpus) && !step.variables.contains_key(VISIBLE_GPUS) {
            variables.push((VISIBLE_GPUS.to_owned(), share.gpus.join(",").into()));
        }
        Job {
            step: &step.name,
            cmd,
            launch: self.launch(step, prepared, &directory, &variables),
            directory,
            variables,
            timeout: step.timeout,
            log: log_path(self.project, self.run, &step.name),
            nvidia_smi: self.machine.nvidia_smi().map(Path::to_path_buf),
        }
    }

    /// How the program is started, where the step's environment is a container.
    fn launch(
        &self,
        step: &Step,
        prepared: &Prepared,
        directory: &Path,
        variables: &[(String, OsString)],
    ) -> Option<Launch> {
        let launcher = prepared.launcher.as_ref()?;
        let fit = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
        let readable: String = step.name.chars().take(40).map(fit).collect();
        // Names of steps that differ only in other characters, or late, stay different.
        let name = format!("mlx-{}-{readable}-{}", self.run, &Digest::of(&step.name).hex()[..8]);
        let names: Vec<String> = variables.iter().map(|(name, _)| name.clone()).collect();
        Some(launcher.launch(&Shared {
            name: &name,
            root: self.project.root(),
            directory,
            variables: &names,
            gpus: step.resources.gpus,
            is_interactive: false,
        }))
    }
}
