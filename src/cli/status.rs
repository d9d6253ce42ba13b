//! `mlx status`: how the working tree differs from the lock.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::output::{Style, grouped, size};
use super::{Context, Render, Table, Text};
use crate::Result;
use crate::data::{self, PathState, PathStatus, Status, Workspace};
use crate::project::Project;

/// Show how data and outputs differ from `mlx.lock`
///
/// Lists every tracked path and every output of a step, or those named; a path may lie inside a tracked directory, of which
/// nothing else is then looked at. Files that did not change since they were last read are not read again.
#[derive(Args)]
#[command(
    name = "status",
    after_help = "Examples:\n  mlx status\n  mlx status data/images/cats\n  mlx status --json | jq '.paths[] | select(.state != \"unchanged\")'"
)]
pub struct ShowStatus {
    /// Files or directories; all where none is given
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl ShowStatus {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let paths = cx.paths(&project, &self.paths)?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        let status = data::status(&project, &workspace, &paths, cx.watch())?;
        cx.out.show(&status)?;
        if let Some(hint) = next_step(&project, &workspace, &status, cx)? {
            cx.out.hint(hint);
        }
        Ok(())
    }
}

/// What comes next, for the state that needs it most.
fn next_step(project: &Project, workspace: &Workspace, status: &Status, cx: &Context) -> Result<Option<String>> {
    let is = |state| status.paths.iter().find(|path| path.state == state);
    if let Some(PathStatus { path, .. }) = is(PathState::LeftOver) {
        return Ok(Some(format!(
            "`{path}` is left over from another version of mlx.lock, and Git may take it: `mlx checkout` takes it away, \
             `mlx add {}` versions it here too",
            path.argument()
        )));
    }
    if let Some(path) = is(PathState::NotAdded) {
        return Ok(Some(format!("Version it with `mlx add {}`", path.path.argument())));
    }
    if let Some(path) = is(PathState::Modified).filter(|path| path.step.is_none()) {
        // Content that the store has is an older or newer version, as after `git checkout`; other content is work.
        let is_saved = path.present.as_ref().is_some_and(|object| workspace.store().contains(&object.digest));
        let path = path.path.argument();
        return Ok(Some(match is_saved {
            true => format!("`mlx checkout` brings the version of mlx.lock; `mlx add {path}` keeps this one"),
            false => format!("Keep the change with `mlx add {path}`, or undo it with `mlx checkout --force {path}`"),
        }));
    }
    if let Some(missing) = is(PathState::Missing) {
        let PathStatus { path, locked, .. } = missing;
        let is_here = match locked {
            Some(object) if missing.stored => data::is_whole(workspace, object, cx.watch())?,
            _ => false,
        };
        let are_many = status.paths.iter().filter(|path| path.state == PathState::Missing).count() > 1;
        let elsewhere = if is_here { None } else { data::how_to_bring(project, "pull", path, None) };
        return Ok(Some(match elsewhere {
            Some(_) if are_many && project.manifest.remotes.is_empty() => {
                "Bring what was imported from where it came: `mlx update`".into()
            }
            Some(_) if are_many => "Bring what is missing: `mlx pull`".into(),
            Some(line) => format!("It is not in the store; {line}"),
            None => format!("Bring it back with `mlx checkout {}`", path.argument()),
        }));
    }
    Ok((!status.is_clean()).then(|| "`mlx train --dry-run` says what would run".into()))
}

impl Render for Status {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.paths.is_empty() {
            return writeln!(out, "Nothing is tracked yet");
        }
        let mut table = Table::new(["state", "path", "files", "size", "made by"]).right([2, 3]);
        for PathStatus { path, state, step, locked, present, stored, only_executable } in &self.paths {
            let object = present.as_ref().or(locked.as_ref());
            let word = match state {
                PathState::Unchanged => "unchanged",
                PathState::Modified if *only_executable => "modified, executable bit only",
                PathState::Modified => "modified",
                PathState::Missing => "missing",
                PathState::NotAdded => "not added",
                PathState::NotMade => "not made",
                PathState::LeftOver => "left over",
            };
            let word = if locked.is_some() && !stored { format!("{word}, not in store") } else { word.to_owned() };
            let (files, bytes) = object.map_or_else(Default::default, |o| (grouped(o.files), size(o.size)));
            table.row([word, path.to_string(), files, bytes, step.clone().unwrap_or_default()]);
        }
        table.render(out)?;
        if self.is_clean() {
            let line = out.styled(Style::Good, "Everything is as mlx.lock says");
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}
