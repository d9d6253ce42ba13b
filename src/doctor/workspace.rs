//! What the project has: its store, its runs, its file system.

use std::fs::File;
use std::path::Path;

use anyhow::Context;

use super::Check;
use crate::env::Declared;
use crate::event::EventSink;
use crate::fs::{quote, temporary_dir};
use crate::project::Project;
use crate::project::manifest::Serve;
use crate::run::Runs;
use crate::store::Store;
use crate::{Error, Result};

/// With less than this, training soon fails for want of space.
const LITTLE_SPACE: u64 = 1 << 30;

pub fn checks(project: &Project, declared: Option<&Declared>, events: &dyn EventSink) -> Vec<Check> {
    let mut checks = vec![Check::good("project", format!("{} ({})", project.name(), quote(project.root())))];
    if let Some(declared) = declared {
        checks.extend(onnx_runtime(project, declared));
    }
    checks.push(store(project));
    checks.push(index(project, events));
    checks.push(links(project));
    checks.push(space(project));
    checks
}

/// Needed where a model is served in ONNX.
fn onnx_runtime(project: &Project, declared: &Declared) -> Option<Check> {
    let is_onnx = |serve: &Serve| matches!(serve, Serve::Onnx(_));
    let model = project.manifest.models.iter().find(|(_, model)| model.serve.as_ref().is_some_and(is_onnx));
    let name = "onnx runtime";
    Some(match (declared.onnxruntime(), model) {
        (Some(library), _) => Check::good(name, format!("{} ({})", library.version, quote(&library.path))),
        (None, None) => return None,
        (None, Some(_)) if !declared.is_ready() => {
            Check::notice(name, "not looked for: the environment is not made yet", "`mlx train` makes it")
        }
        (None, Some((model, _))) => Check::missing(
            name,
            format!("not in the environment, and model `{model}` is served with it"),
            "add `onnxruntime` to the requirements of the environment",
        ),
    })
}

/// Whether what the lock names is here, without reading it.
fn store(project: &Project) -> Check {
    let look = || -> Result<Check> {
        let store = Store::of(project)?;
        let lock = project.read_lock()?;
        let digests: std::collections::BTreeSet<_> = lock.entries().map(|(_, object)| object.digest).collect();
        if digests.is_empty() {
            return Ok(Check::good("store", "empty"));
        }
        let here = digests.iter().filter(|digest| store.contains(digest)).count();
        let found = format!("has {here} of the {} files and directories that mlx.lock names", digests.len());
        Ok(match here == digests.len() {
            true => Check::good("store", found),
            false => {
                Check::notice("store", found, "`mlx status` names what is missing; `mlx train` makes outputs again")
            }
        })
    };
    look().unwrap_or_else(|error| Check::failed("store", &error))
}

fn index(project: &Project, events: &dyn EventSink) -> Check {
    if !project.state("runs.db").exists() {
        return Check::good("runs", "none yet");
    }
    let look = || -> Result<usize> {
        let store = Store::of(project)?;
        Ok(Runs::open(project, &store, events)?.list(&crate::run::Filter::default())?.len())
    };
    look().map_or_else(|error| Check::failed("runs", &error), |count| Check::good("runs", format!("{count} recorded")))
}

/// Which kinds of links the file system of the store has, by trying them.
fn links(project: &Project) -> Check {
    let name = "file system";
    let look = || -> Result<(bool, bool)> {
        let dir = match project.state("").exists() {
            true => temporary_dir(&project.scratch())?,
            // A project that mlx has not worked in yet is left as it is.
            false => temporary_dir(project.root())?,
        };
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::write(&from, "mlx").with_context(|| format!("cannot write `{}`", quote(&from)))?;
        let open = |path: &Path| File::open(path).with_context(|| format!("cannot open `{}`", quote(path)));
        let source = open(&from)?;
        let copy = File::create(&to).with_context(|| format!("cannot write `{}`", quote(&to)))?;
        let can_reflink = rustix::fs::ioctl_ficlone(&copy, &source).is_ok();
        Ok((can_reflink, std::fs::hard_link(&from, dir.path().join("link")).is_ok()))
    };
    match look() {
        Ok((true, _)) => Check::good(name, "has reflinks: files come out of the store without a copy"),
        Ok((false, true)) => Check::good(name, "has hard links, no reflinks: files are copied out of the store"),
        Ok((false, false)) => Check::missing(
            name,
            "has no hard links, which the store needs to create records",
            "put the project on a local file system",
        ),
        Err(error) => Check::failed(name, &error),
    }
}

fn space(project: &Project) -> Check {
    let name = "disk space";
    match rustix::fs::statvfs(project.root()) {
        Err(error) => Check::failed(name, &Error::failed(format!("cannot ask the file system: {error}"))),
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let found = format!("{:.1} GiB free", free as f64 / f64::from(1 << 30));
            match free < LITTLE_SPACE {
                true => Check::notice(name, found, "`mlx gc` says what the store could give up"),
                false => Check::good(name, found),
            }
        }
    }
}
