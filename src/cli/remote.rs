//! `mlx remote`: other places that hold data, named in the manifest.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Style, duration};
use super::{Context, Render, Table, Text};
use crate::fs::escape;
use crate::project::MANIFEST;
use crate::remote::location::{Location, without_secrets};
use crate::remote::probe::{Outcome, Probed, Tried, probe};
use crate::remote::{self, default_name};
use crate::{Error, Result};

/// Name, list, test and remove remotes
#[derive(Args)]
pub struct Remote {
    #[command(subcommand)]
    command: RemoteCommand,
}

#[derive(Subcommand)]
enum RemoteCommand {
    Add(Add),
    List(List),
    Remove(Remove),
    Test(Test),
}

impl Remote {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        match self.command {
            RemoteCommand::Add(command) => command.run(cx),
            RemoteCommand::List(command) => command.run(cx),
            RemoteCommand::Remove(command) => command.run(cx),
            RemoteCommand::Test(command) => command.run(cx),
        }
    }
}

/// Name a remote in mlx.toml
///
/// A remote is a bucket (`s3://`, `gs://`, `az://`), a directory on another machine (`ssh://`), a web server (`https://`,
/// written where it speaks WebDAV), or a directory, which may be relative to the project. Credentials do not belong into
/// the URL: they come from where the clouds' own tools look, from ssh, from ~/.netrc or from variables `MLX_REMOTE_*`.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx remote add origin s3://bucket/churn
  mlx remote add lab ssh://data@lab.example.org/srv/churn
  mlx remote add disk /mnt/share/churn")]
pub struct Add {
    /// Name of the remote; `origin` is used where none is said
    name: String,
    /// Where it is
    url: String,
}

impl Add {
    fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let Self { name, url } = self;
        if let Location::Registry(_) = Location::parse(&url, project.root(), cx.access().home.as_deref())? {
            return Err(Error::usage("a registry holds releases, and no data")
                .with_hint("name it as the url of a target; data goes to a bucket, a machine or a directory"));
        }
        project.add_remote(&name, &url)?;
        cx.out.show(&Added { name: name.clone(), url })?;
        cx.out.hint(format!("Try it: `mlx remote test {name}`; send data there: `mlx push --remote {name}`"));
        Ok(())
    }
}

#[derive(Serialize)]
struct Added {
    name: String,
    url: String,
}

impl Render for Added {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        writeln!(out, "Added remote `{}` to {MANIFEST}: {}", self.name, escape(self.url.as_bytes()))
    }
}

/// List the remotes
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx remote list\n  mlx remote list --json | jq -r '.remotes[].url'")]
pub struct List {}

impl List {
    fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        let access = cx.access();
        let default = default_name(&project);
        let listed = project.manifest.remotes.keys().map(|name| Listed {
            name: name.clone(),
            url: without_secrets(&remote::url_of(&project, name, &access).unwrap_or_default()),
            is_default: default == Some(name),
        });
        let remotes = Remotes { remotes: listed.collect() };
        cx.out.show(&remotes)?;
        if remotes.remotes.is_empty() {
            cx.out.hint("Name one: `mlx remote add origin s3://bucket/prefix`");
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Remotes {
    remotes: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    /// Where it is for this machine.
    url: String,
    /// Whether it is the one that is meant where none is named.
    is_default: bool,
}

impl Render for Remotes {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(["remote", "url", ""]);
        for Listed { name, url, is_default } in &self.remotes {
            table.row([name.clone(), url.clone(), if *is_default { "default".into() } else { String::new() }]);
        }
        if self.remotes.is_empty() { writeln!(out, "No remotes") } else { table.render(out) }
    }
}

/// Take a remote out of mlx.toml
///
/// What lies there stays, and so does what `.mlx/config.toml` says of it.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx remote remove old")]
pub struct Remove {
    /// Name of the remote
    name: String,
}

impl Remove {
    fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        project.remove_remote(&self.name)?;
        cx.out.show(&Removed { name: self.name })
    }
}

#[derive(Serialize)]
struct Removed {
    name: String,
}

impl Render for Removed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        writeln!(out, "Removed remote `{}` from {MANIFEST}; what lies there stays", self.name)
    }
}

/// Try what a remote can do
///
/// Lists, writes a small file, reads it back, creates one that must not be replaced, and deletes both. The exit code is 1
/// when something fails.
#[derive(Args)]
#[command(after_help = "Examples:\n  mlx remote test\n  mlx remote test origin --verbose")]
pub struct Test {
    /// Remote of the manifest; the only one, or `origin`, where none is named
    name: Option<String>,
}

impl Test {
    fn run(self, cx: &mut Context) -> Result<()> {
        let project = cx.project()?;
        cx.catch_signals()?;
        let (name, remote) = remote::of_project(&project, self.name.as_deref(), &cx.access())?;
        let probed = probe(&name, &*remote)?;
        cx.out.show(&probed)?;
        probed.verdict()
    }
}

impl Render for Probed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(["", "", "time"]).right([2]);
        for Tried { what, outcome, seconds, .. } in &self.tried {
            let word = match outcome {
                Outcome::Works => "ok",
                Outcome::Unsupported => "not here",
                Outcome::Failed => "failed",
            };
            table.row([(*what).to_owned(), word.to_owned(), duration(*seconds)]);
        }
        let has_failed = self.tried.iter().any(|tried| tried.outcome == Outcome::Failed);
        table.render(out)?;
        let Self { name, url, .. } = self;
        let (style, line) = match (has_failed, self.is_writable()) {
            (true, _) => (Style::Bad, format!("Remote `{name}` ({url}) does not do what it should")),
            (false, true) => (Style::Good, format!("Remote `{name}` ({url}) can be read and written")),
            (false, false) => (Style::Notice, format!("Remote `{name}` ({url}) can only be read, or not listed")),
        };
        let line = out.styled(style, line);
        writeln!(out, "{line}")
    }
}
