//! What a deploy did or would do, as text.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Digest;
use crate::cli::output::{Style, count, number, size};
use crate::cli::runs::value;
use crate::cli::{Render, Table, Text};
use crate::deploy::{CanaryPlan, Change, Deployed, FileChange, LiveRelease, Manifests, Plan, Split, Written};
use crate::fs::{escape, quote};

/// What was written for those who apply it themselves.
#[derive(Serialize)]
pub struct Laid {
    pub target: String,
    #[serde(flatten)]
    pub manifests: Manifests,
    pub directory: PathBuf,
    #[serde(flatten)]
    pub written: Written,
}

impl Render for Laid {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { manifests, directory, written: Written { files, removed }, .. } = self;
        let Manifests { release, model, version, image, sent, .. } = manifests;
        let (what, directory) = (count(files.len() as u64, "manifest"), quote(directory));
        writeln!(out, "Wrote {what} of `{model}` {version} ({}) to `{directory}`", release.short())?;
        for file in removed {
            let name = file.file_name().map_or(String::new(), |name| quote(Path::new(name)));
            writeln!(
                out,
                "Removed `{name}`, which is not wanted any more; what it made in the cluster is for you to delete"
            )?;
        }
        let image = escape(image.as_bytes());
        match sent {
            true => writeln!(out, "They name {image}, which is in the registry"),
            false => writeln!(out, "They name {image}, which nobody sent: leave `--plan` (`-n`) out to send it"),
        }
    }
}

impl Render for Deployed {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { target, changed, canary, plan, .. } = self;
        let Plan { model, version, release, live, upload, upload_bytes, .. } = plan;
        let what = format!("`{model}` {version} ({})", release.short());
        if let Some(percent) = canary {
            let now = if *changed { "now" } else { "already; nothing changed" };
            return writeln!(out, "{what} answers {percent} % of the requests on `{target}` {now}");
        }
        if !changed {
            return writeln!(out, "{what} is live on `{target}` already; nothing changed");
        }
        let before = match live {
            _ if plan.repair => ", whole again".into(),
            Some(live) => format!(", before: `{}` {}", live.model, live.version),
            None => String::new(),
        };
        let uploaded = format!("{}, {} uploaded", count(upload.len() as u64, "file"), size(*upload_bytes));
        writeln!(out, "{what} is live on `{target}`{before}; {uploaded}")
    }
}

impl Render for Plan {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let (new, place) = (self.new_in_words(), &self.place);
        match self.live_in_words() {
            _ if self.is_live() => {
                writeln!(out, "{new} is live in {place} already; nothing would change")?;
                return self.conditions(out);
            }
            Some(_) if self.repair => {
                writeln!(out, "Would repair {new}, which is live in {place}: what lies there is not as it should be")?;
            }
            Some(live) => writeln!(out, "Would replace {live} by {new} in {place}")?,
            None => writeln!(out, "Would deploy {new} to {place}, where nothing is live yet")?,
        }
        self.differences(out)
    }
}

impl Render for CanaryPlan {
    fn render(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Self { canary, canary_before, plan, .. } = self;
        let (new, place) = (plan.new_in_words(), &plan.place);
        match plan.live_in_words() {
            _ if plan.is_live() => return writeln!(out, "{new} is live in {place} already, and answers all requests"),
            _ if self.is_done() => {
                return writeln!(
                    out,
                    "{new} answers {canary} % of the requests in {place} already; nothing would change"
                );
            }
            live => {
                let (live, rest) = (live.unwrap_or_default(), 100 - canary);
                writeln!(
                    out,
                    "Would give {canary} % of the requests in {place} to {new}, and leave {rest} % to {live}"
                )?;
            }
        }
        if let Some(Split { release, percent, .. }) = canary_before {
            match *release == plan.release {
                true => writeln!(out, "It answers {percent} % now")?,
                false => writeln!(out, "The canary {}, which answers {percent} % now, would end", release.short())?,
            }
        }
        plan.differences(out)
    }
}

impl Plan {
    fn new_in_words(&self) -> String {
        let Self { model, version, release, must_be_signed_by, .. } = self;
        let is_live = self.live.as_ref().is_some_and(|live| live.release == *release);
        match must_be_signed_by {
            Some(_) if !is_live => format!("`{model}` {version} (not signed yet)"),
            _ => format!("`{model}` {version} ({})", release.short()),
        }
    }

    /// What is asked of whoever deploys it.
    fn conditions(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Some(key) = &self.must_be_signed_by else { return Ok(()) };
        let key = key.short();
        match self.is_live() {
            true => writeln!(out, "Not looked at: whether key {key} signed it, which the target requires"),
            false => writeln!(
                out,
                "The target takes only what key {key} signed: deploy with `--sign KEYFILE`, or `--bundle` with a signed one"
            ),
        }
    }

    fn live_in_words(&self) -> Option<String> {
        let LiveRelease { model, version, release, .. } = self.live.as_ref()?;
        Some(format!("`{model}` {version} ({})", release.short()))
    }

    /// What would be uploaded, and in what the release differs from the live one.
    fn differences(&self, out: &mut Text<'_>) -> io::Result<()> {
        let (files, bytes) = (self.upload.len() as u64, self.upload_bytes);
        let total = format!("{}, {}", count(self.total_files, "file"), size(self.total_bytes));
        writeln!(out, "Would upload {}, {} (of {total})", count(files, "file"), size(bytes))?;
        self.conditions(out)?;
        if self.live.is_none() {
            return Ok(());
        }
        section(out, "files", &files_table(&self.files))?;
        section(out, "parameters", &changes(&self.params, value, |_, _| String::new()))?;
        let metric = |metric: &f64| number(*metric);
        section(out, "metrics", &changes(&self.metrics, metric, |live, new| format!("{:+.4}", new - live)))?;
        section(out, "made from", &changes(&self.data, Digest::short, |_, _| String::new()))
    }
}

/// A heading and its table; nothing where the table is empty.
fn section(out: &mut Text<'_>, name: &str, table: &Table) -> io::Result<()> {
    if table.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", out.styled(Style::Bold, name))?;
    table.render(out)
}

fn files_table(files: &[FileChange]) -> Table {
    let mut table = Table::new(["  path", "", "size"]).right([2]);
    for FileChange { path, live, new, size: bytes } in files {
        let (word, bytes) = match (live, new) {
            (None, _) => ("new", size(*bytes)),
            (_, None) => ("gone", "-".into()),
            _ => ("changed", size(*bytes)),
        };
        table.row([format!("  {}", quote(path)), word.into(), bytes]);
    }
    table
}

fn changes<T>(changes: &[Change<T>], text: impl Fn(&T) -> String, difference: impl Fn(&T, &T) -> String) -> Table {
    let mut table = Table::new(["  name", "live", "new", "change"]);
    for Change { name, live, new } in changes {
        let shown = |side: &Option<T>| side.as_ref().map_or("-".into(), &text);
        let change = live.as_ref().zip(new.as_ref()).map(|(live, new)| difference(live, new));
        table.row([format!("  {}", escape(name.as_bytes())), shown(live), shown(new), change.unwrap_or_default()]);
    }
    table
}
