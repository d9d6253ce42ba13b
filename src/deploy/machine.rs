//! A directory of another machine as a target, through `ssh`: laid out as a directory of this machine is.
//!
//! Over there only a shell and a few old tools are needed; what arrives is hashed there before it is taken. The lock lasts as
//! long as the connection that took it: its holder is heard every few seconds, and one that was not heard for two minutes by
//! the clock over there holds nothing any more. The switch looks once more whether the lock is still ours.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::history::{self, Entry};
use super::machine_scripts as scripts;
use super::{Answer, Cache, Candidate, Check, Target, gone, probe};
use crate::bundle::{Bundle, DESCRIPTION_FILE, Description, File, OWN_FILES, SIGNATURE_FILE, code_directories};
use crate::digest;
use crate::event::{Event, EventSink, Unit, Watch};
use crate::fs::{escape, quote};
use crate::project::manifest::Health;
use crate::remote::backend::{self, Reply, encode, unique};
use crate::remote::location::Login;
use crate::remote::retry::{Retry, persist};
use crate::remote::{Access, Body, Content, Remote, RemoteError, read_small};
use crate::{Digest, Error, Result};

/// What is smaller travels with others.
const SMALL: u64 = 1 << 20;
/// So much and so many travel together.
const BATCH_BYTES: u64 = 16 << 20;
const BATCH_FILES: usize = 400;

/// Somebody who holds the lock may be about to go.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// A target that is a directory of another machine.
#[derive(Debug)]
pub struct Machine {
    ssh: Arc<backend::Ssh>,
    /// The same place, for whole files.
    files: Retry,
    access: Access,
    cache: Cache,
    /// Whether releases are tried over there too.
    serves: bool,
    /// Tells our lock from those of others.
    token: String,
}

impl Machine {
    /// Nothing is connected yet. Releases are tried on this machine, in the cache; if `serves`, over there too.
    pub fn new(login: Login, access: &Access, cache: Cache, serves: bool) -> Self {
        let ssh = Arc::new(backend::Ssh::new(login, access));
        let files = Retry::new(Box::new(ssh.clone()), access.patience, access.events.clone(), access.interrupt.clone());
        Self { ssh, files, access: access.clone(), cache, serves, token: unique() }
    }

    /// Runs a script until it is answered; it must do no harm to run it twice.
    fn run(&self, doing: &str, script: &str, arguments: &[&str], input: Option<&Body<'_>>) -> Result<Reply> {
        let what = || format!("cannot {doing} on {}", self.place());
        persist(&self.access, what, || match self.ssh.script(script, arguments, input)? {
            reply if reply.code == scripts::INCOMPLETE => {
                Err(RemoteError::Transient("what arrived is not what was sent".into()).into())
            }
            reply => Ok(reply),
        })
    }

    /// As [`Machine::run`], for scripts that have nothing to say but whether it is done.
    fn done(&self, doing: &str, script: &str, arguments: &[&str], input: Option<&Body<'_>>) -> Result<()> {
        match self.run(doing, script, arguments, input)? {
            reply if reply.code == 0 => Ok(()),
            reply if reply.code == scripts::LOCK_LOST => Err(self.lock_lost()),
            reply => Err(self.failed(doing, &reply)),
        }
    }

    fn failed(&self, doing: &str, reply: &Reply) -> Error {
        reply.refusal().context(format!("cannot {doing} on {}", self.place()))
    }

    fn lock_lost(&self) -> Error {
        Error::failed(format!("the lock of {} was lost: the connection broke, or somebody took it over", self.place()))
            .with_hint("nothing was switched; look with `mlx releases` who was there, then run this again")
    }

    /// Sends lines and returns those that come back.
    fn lines(&self, doing: &str, script: &str, arguments: &[&str], lines: &str) -> Result<Vec<String>> {
        let body = Body { content: Content::Bytes(lines.as_bytes()), sent: &|_| Ok(()) };
        match self.run(doing, script, arguments, Some(&body))? {
            reply if reply.code == 0 => Ok(said(&reply)),
            reply => Err(self.failed(doing, &reply)),
        }
    }

    /// Those of the contents that do not lie there whole, by their hash.
    fn damaged(&self, contents: &[File]) -> Result<HashSet<Digest>> {
        let lines: String = contents.iter().map(|file| format!("{0}  {0}\n", file.digest.hex())).collect();
        let whole: HashSet<String> = self.hashed("blobs/sha256", &lines)?;
        let is_damaged = |file: &&File| !whole.contains(&file.digest.hex());
        Ok(contents.iter().filter(is_damaged).map(|file| file.digest).collect())
    }

    /// The files in a directory that hash to what these lines say.
    fn hashed(&self, directory: &str, lines: &str) -> Result<HashSet<String>> {
        let answers = self.lines("check files", scripts::HASHES, &[directory], lines)?;
        Ok(answers.iter().filter_map(|line| line.strip_suffix(": OK").map(str::to_owned)).collect())
    }

    /// Why the release is not as its bundle brought it: one of its files, or of those that its bundle says about itself, or one
    /// that is too many.
    fn damage(&self, release: &Digest, description: &Description, own: &[(&str, Digest)]) -> Result<Option<String>> {
        let files = || description.files.iter().map(|file| (file.path.as_str(), &file.digest));
        let wanted: Vec<(&str, &Digest)> = own.iter().map(|(name, digest)| (*name, digest)).chain(files()).collect();
        let lines: String = wanted.iter().map(|(path, digest)| format!("{}  {path}\n", digest.hex())).collect();
        let directory = format!("releases/{}", release.hex());
        let whole = self.hashed(&directory, &lines)?;
        if let Some((path, _)) = wanted.iter().find(|(path, _)| !whole.contains(*path)) {
            return Ok(Some(probe::damaged(path)));
        }
        let known: HashSet<&str> = files().map(|(path, _)| path).chain(OWN_FILES).collect();
        for code in code_directories(description) {
            let code = if code.as_os_str().is_empty() { ".".to_owned() } else { format!("./{}", code.display()) };
            let there = self.lines("look at the code", scripts::CODE, &[&directory, &code], "")?;
            let paths = there.iter().map(|path| path.trim_start_matches("./"));
            if let Some(path) = paths.into_iter().find(|path| !known.contains(path)) {
                return Ok(Some(probe::strange(path.as_ref())));
            }
        }
        Ok(None)
    }

    /// Sends contents that are missing or damaged.
    fn send(&self, bundle: &Bundle, missing: &[usize], watch: Watch<'_>, sent: &mut dyn FnMut(u64)) -> Result<()> {
        let files = &bundle.description().files;
        let (small, large): (Vec<usize>, Vec<usize>) = missing.iter().partition(|index| files[**index].size < SMALL);
        let mut batch = Batch::default();
        for index in small {
            watch.interrupt.check()?;
            batch.add(bundle, index)?;
            if batch.bytes >= BATCH_BYTES || batch.files >= BATCH_FILES {
                self.send_batch(std::mem::take(&mut batch), sent)?;
            }
        }
        if batch.files > 0 {
            self.send_batch(batch, sent)?;
        }
        for index in large {
            watch.interrupt.check()?;
            let file = &files[index];
            // Read once more than needed, so that no archive that is damaged here reaches the other side.
            bundle.copy_file(index, &mut std::io::sink())?;
            let content = Content::Part { file: bundle.path(), start: bundle.offset(index), size: file.size };
            let body = Body { content, sent: &|_| Ok(()) };
            let mode = if file.executable { "555" } else { "444" };
            let arguments: [&str; 3] = [&file.digest.hex(), mode, &unique()];
            self.done("write a content", scripts::RECEIVE, &arguments, Some(&body))?;
            sent(file.size);
        }
        Ok(())
    }

    fn send_batch(&self, batch: Batch, sent: &mut dyn FnMut(u64)) -> Result<()> {
        let (bytes, archive) = (batch.bytes, batch.finish()?);
        let body = Body { content: Content::Bytes(&archive), sent: &|_| Ok(()) };
        self.done("write contents", scripts::RECEIVE_MANY, &[&unique()], Some(&body))?;
        sent(bytes);
        Ok(())
    }

    /// Makes links to the contents: the release, whole, under its name.
    fn lay_out(&self, bundle: &Bundle) -> Result<()> {
        let (release, id) = (bundle.digest().hex(), unique());
        // What the bundle says about itself is no content of the description.
        let description = (DESCRIPTION_FILE, bundle.description_bytes());
        let signature = bundle.signature().map(|bytes| (SIGNATURE_FILE, bytes));
        for (name, bytes) in std::iter::once(description).chain(signature) {
            let body = Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) };
            self.files.write(&format!("tmp/tmp-{id}-own/{name}"), &body)?;
        }
        let line = |file: &File| {
            let kind = if file.executable { "x" } else { "r" };
            format!("{kind} {} {}\n", file.digest.hex(), encode(&file.path))
        };
        let lines: String = bundle.description().files.iter().map(line).collect();
        self.lines("lay out the release", scripts::LAY_OUT, &[&release, &id], &lines).map(drop)
    }

    /// Puts this program there, once, and starts the release with it.
    fn try_there(&self, release: &Digest, check: &Check<'_>, watch: Watch<'_>) -> Result<Answer> {
        let platform = self.run("look at the system", scripts::PLATFORM, &[], None)?.text();
        let theirs = platform.trim().to_lowercase().replace("darwin", "macos").replace("arm64", "aarch64");
        let ours = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
        if theirs != ours {
            let theirs = escape(theirs.as_bytes());
            return Err(Error::failed(format!("{} runs on {theirs}, and this mlx on {ours}", self.place()))
                .with_hint("deploy from a machine of that kind, or leave out `serve = true` of the target"));
        }
        let cannot = || format!("cannot read `{}`", quote(check.program));
        let program = std::fs::File::open(check.program).with_context(cannot)?;
        let hex = digest::of_reader(program).with_context(cannot)?.0.hex();
        if self.run("look for mlx", scripts::HAS_PROGRAM, &[&hex], None)?.code != 0 {
            watch.events.note(format!("putting mlx on {}", self.place()));
            let body = Body { content: Content::File(check.program), sent: &|_| Ok(()) };
            self.done("put mlx", scripts::PUT_PROGRAM, &[&hex, &unique()], Some(&body))?;
        }
        let message = format!("asking the release on {} whether it answers", self.place());
        watch.events.emit(Event::Detail { message });
        let tenths = check.health.timeout.as_millis().div_ceil(100).to_string();
        let arguments = [&release.hex(), &hex, &tenths, &unique()];
        let tried = self.run("try the release", scripts::TRY, &arguments.map(String::as_str), None)?;
        let last_lines = || said(&tried).iter().map(|line| escape(line.as_bytes())).collect::<Vec<_>>();
        Ok(match tried.code {
            0 => Answer::Yes,
            scripts::ENDED => {
                Answer::No { why: format!("its server on {} ended", self.place()), last_lines: last_lines() }
            }
            scripts::TOO_SLOW => Answer::No {
                why: format!("it was not ready within {} s on {}", check.health.timeout.as_secs_f64(), self.place()),
                last_lines: last_lines(),
            },
            _ => return Err(self.failed("try the release", &tried)),
        })
    }
}

/// The lines of an answer, without those that only say that somebody is still at it.
fn said(reply: &Reply) -> Vec<String> {
    reply.text().lines().filter(|line| *line != scripts::ALIVE).map(str::to_owned).collect()
}

/// Small contents on their way, as one tar.
struct Batch {
    archive: tar::Builder<Vec<u8>>,
    bytes: u64,
    files: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { archive: tar::Builder::new(Vec::new()), bytes: 0, files: 0 }
    }
}

impl Batch {
    fn add(&mut self, bundle: &Bundle, index: usize) -> Result<()> {
        let file = &bundle.description().files[index];
        let mut content = Vec::new();
        bundle.copy_file(index, &mut content)?;
        let mut header = tar::Header::new_ustar();
        header.set_size(file.size);
        header.set_mode(if file.executable { 0o755 } else { 0o644 });
        let kind = if file.executable { "x" } else { "r" };
        let name = format!("{kind}/{}", file.digest.hex());
        self.archive.append_data(&mut header, name, content.as_slice()).context("cannot pack contents")?;
        self.bytes += file.size;
        self.files += 1;
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(self.archive.into_inner().context("cannot pack contents")?)
    }
}

impl Target for Machine {
    fn place(&self) -> String {
        self.ssh.url().to_owned()
    }

    fn lock(&self, owner: &str) -> Result<Box<dyn Send>> {
        let what = || format!("cannot lock {}", self.place());
        let take = || self.ssh.hold(scripts::LOCK, &[&self.token, &encode(owner)]);
        let began = Instant::now();
        loop {
            self.access.interrupt.check()?;
            match persist(&self.access, what, take)? {
                Ok(held) => return Ok(Box::new(held)),
                // After somebody was killed it takes a moment until this is noticed over there.
                Err(reply) if reply.code == scripts::TAKEN && began.elapsed() < LAST_MOMENT => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(reply) if reply.code == scripts::TAKEN => {
                    let text = reply.text();
                    let holder = match text.trim() {
                        "" => "somebody else".to_owned(),
                        owner => escape(owner.as_bytes()),
                    };
                    return Err(Error::failed(format!("the target {} is being changed by {holder}", self.place()))
                        .with_hint("wait until it is done, then run this again"));
                }
                Err(reply) => return Err(reply.refusal().context(what())),
            }
        }
    }

    fn live(&self) -> Result<Option<Digest>> {
        let reply = self.run("see what is live", scripts::LIVE, &[], None)?;
        let foreign = |what: String| {
            Error::failed(format!("`current` on {} is {what}, which mlx did not make", self.place()))
                .with_hint("move it away, then deploy again")
        };
        match reply.code {
            scripts::MISSING => Ok(None),
            scripts::FOREIGN => Err(foreign("no symbolic link".into())),
            0 => {
                let text = reply.text();
                let link = text.trim_end_matches('\n');
                let release = link.strip_prefix("releases/").and_then(|hex| Digest::from_hex(hex).ok());
                release.map(Some).ok_or_else(|| foreign(format!("a link to `{}`", escape(link.as_bytes()))))
            }
            _ => Err(self.failed("see what is live", &reply)),
        }
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        let reply = self.run("list the releases", scripts::RELEASES, &[], None)?;
        match reply.code {
            0 => Ok(reply.text().lines().filter_map(|name| Digest::from_hex(name).ok()).collect()),
            _ => Err(self.failed("list the releases", &reply)),
        }
    }

    fn description(&self, release: &Digest) -> Result<Option<Description>> {
        let name = format!("releases/{}/{DESCRIPTION_FILE}", release.hex());
        let Some(bytes) = read_small(&self.files, &name)? else { return Ok(None) };
        Description::parse(&bytes).map(Some).map_err(|error| {
            error
                .context(format!("release {} on {} is damaged", release.short(), self.place()))
                .with_hint("remove its directory there and deploy it again")
        })
    }

    fn is_whole(&self, candidate: &Candidate<'_>) -> Result<bool> {
        let Candidate { release, description, own, .. } = candidate;
        let is_described = self.description(release)?.as_ref() == Some(*description);
        Ok(is_described && self.damage(release, description, own)?.is_none())
    }

    fn missing(&self, candidate: &Candidate<'_>) -> Result<Vec<File>> {
        let mut asked = HashSet::new();
        let files = &candidate.description.files;
        let wanted: Vec<&File> = files.iter().filter(|file| asked.insert(file.digest)).collect();
        let lines: String = wanted.iter().map(|file| format!("{} {}\n", file.digest.hex(), file.size)).collect();
        let answers = self.lines("look for contents", scripts::LACKING, &[], &lines)?;
        let lacking: HashSet<&str> = answers.iter().filter_map(|line| line.split(' ').next()).collect();
        Ok(wanted.into_iter().filter(|file| lacking.contains(file.digest.hex().as_str())).cloned().collect())
    }

    fn upload(&self, bundle: &Bundle, watch: Watch<'_>) -> Result<()> {
        let (release, description) = (bundle.digest(), bundle.description());
        let id = format!("upload {release}");
        let total = description.files.iter().map(|file| file.size).sum();
        let event = Event::Started { id: id.clone(), what: "uploading".into(), total: Some(total), unit: Unit::Bytes };
        watch.events.emit(event);
        let lacking: HashSet<Digest> = self.missing(&bundle.into())?.iter().map(|file| file.digest).collect();
        let (there, _): (Vec<File>, Vec<File>) =
            description.files.iter().cloned().partition(|file| !lacking.contains(&file.digest));
        let damaged = self.damaged(&there)?;
        for file in there.iter().filter(|file| damaged.contains(&file.digest)) {
            let digest = file.digest.short();
            watch.events.warn(format!("content {digest} on {} was damaged and is brought again", self.place()));
        }
        let mut taken = HashSet::new();
        let is_wanted = |file: &File| lacking.contains(&file.digest) || damaged.contains(&file.digest);
        let missing: Vec<usize> = (0..description.files.len())
            .filter(|index| is_wanted(&description.files[*index]) && taken.insert(description.files[*index].digest))
            .collect();
        let mut done = total - missing.iter().map(|index| description.files[*index].size).sum::<u64>();
        watch.events.emit(Event::Progress { id: id.clone(), done });
        self.send(bundle, &missing, watch, &mut |bytes| {
            done += bytes;
            watch.events.emit(Event::Progress { id: id.clone(), done });
        })?;
        watch.events.emit(Event::Finished { id });
        if !self.is_whole(&bundle.into()).unwrap_or(false) {
            self.lay_out(bundle)?;
        }
        if description.serve.is_some() {
            // The same bytes, to be tried here.
            self.cache.unpack(bundle, watch)?;
        }
        Ok(())
    }

    fn probe(&self, release: &Digest, check: &Check<'_>, watch: Watch<'_>) -> Result<Answer> {
        let Some(description) = self.description(release)? else {
            return Ok(Answer::no("the release is not there any more"));
        };
        let damage = self.damage(release, &description, &[])?;
        let answer = probe::try_here(self, (release, &description), damage, &self.cache, check, watch)?;
        if answer != Answer::Yes || !self.serves || description.serve.is_none() {
            return Ok(answer);
        }
        self.try_there(release, check, watch)
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        self.done("switch", scripts::ACTIVATE, &[&release.hex(), &self.token, &unique()], None)
    }

    fn try_switch(&self) -> Result<()> {
        self.hashed(".", "")?;
        self.done("switch", scripts::TRY_SWITCH, &[&unique()], None)
    }

    fn ask(&self, url: &str, health: &Health, watch: Watch<'_>) -> Result<Answer> {
        probe::ask_until_ready(url, health, watch.interrupt)
    }

    fn remove(&self, release: &Digest) -> Result<()> {
        self.done("remove a release", scripts::REMOVE, &[&release.hex(), &unique()], None)
    }

    fn sweep(&self) -> Result<()> {
        self.done("remove contents", scripts::SWEEP, &[], None)
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        let bytes = read_small(&self.files, "history.jsonl")?.unwrap_or_default();
        Ok(history::parse(&bytes, &format!("`history.jsonl` on {}", self.place()), events))
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        let line = history::line(entry);
        let body = Body { content: Content::Bytes(&line), sent: &|_| Ok(()) };
        self.done("write the history", scripts::APPEND, &[], Some(&body))
    }

    fn fetch(&self, release: &Digest, cache: &Cache, watch: Watch<'_>) -> Result<PathBuf> {
        cache.hold(release, watch, || {
            let root = format!("releases/{}", release.hex());
            let bytes = read_small(&self.files, &format!("{root}/{DESCRIPTION_FILE}"))?;
            let bytes = bytes.ok_or_else(|| gone(release, &self.place()))?;
            let description = Description::parse(&bytes)?;
            let signature = read_small(&self.files, &format!("{root}/{SIGNATURE_FILE}"))?;
            let signature = signature.as_deref().map(|bytes| (SIGNATURE_FILE, bytes));
            let own: Vec<(&str, &[u8])> = signature.into_iter().chain([(DESCRIPTION_FILE, bytes.as_slice())]).collect();
            cache.lay_out(release, (&description, &own), watch, &|file: &File, out: &mut dyn Write| {
                self.files.read(&format!("{root}/{}", file.path), Some(0..file.size), out).map(drop)
            })
        })
    }

    fn document(&self, name: &str) -> Result<Option<Vec<u8>>> {
        read_small(&self.files, name)
    }

    fn set_document(&self, name: &str, bytes: Option<&[u8]>) -> Result<()> {
        match bytes {
            Some(bytes) => self.files.write(name, &Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) }),
            None => self.files.delete(name),
        }
    }
}
