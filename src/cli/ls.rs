//! `mlx ls`: what a version of the data holds.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::output::{grouped, size};
use super::{Context, Render, Table, Text};
use crate::Result;
use crate::data::{self, Listed, Listing, Presence, Workspace};
use crate::digest::ObjectKind;
use crate::remote;

/// List what is tracked, in any version
///
/// Without a path, lists what `mlx.lock` names; with one, what lies there, which may be inside a tracked directory. The
/// working tree is not read: listings come from the store, and from the remote where they are not here, which brings no file.
/// Says of each whether its content is here, in part, or missing.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx ls
  mlx ls data/images --recursive
  mlx ls --rev v1.0 data/images/cats --json")]
pub struct Ls {
    /// File or directory
    path: Option<PathBuf>,
    /// List the version of this Git revision instead of that of `mlx.lock`
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Go down into directories, and list files
    #[arg(short = 'R', long)]
    recursive: bool,
}

impl Ls {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let path = self.path.as_deref().map(|path| project.relative(&cx.directory, path)).transpose()?;
        cx.catch_signals()?;
        let workspace = Workspace::open(&project)?;
        if remote::default_name(&project).is_some() {
            let open = || remote::of_project(&project, None, &cx.access()).map(|(_, remote)| remote);
            let (path, rev) = (path.as_ref(), self.rev.as_deref());
            data::bring_listings(&project, &workspace, path, rev, self.recursive, open, cx.watch())?;
        }
        let listing = data::list(&project, &workspace, path.as_ref(), self.rev.as_deref(), self.recursive, cx.watch())?;
        cx.out.show(&listing)
    }
}

impl Render for Listing {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(["kind", "files", "size", "digest", "here", "path"]).right([1, 2]);
        for Listed { path, object, here } in &self.entries {
            let kind = match object.kind {
                ObjectKind::File => "file",
                ObjectKind::Executable => "executable",
                ObjectKind::Link => "link",
                ObjectKind::Directory => "directory",
            };
            let here = match here {
                Presence::Local => "local",
                Presence::Partial => "in part",
                Presence::Missing => "missing",
            };
            let (files, bytes) = (grouped(object.files), size(object.size));
            table.row([kind.into(), files, bytes, object.digest.short(), here.into(), path.clone()]);
        }
        table.render(out)
    }
}
