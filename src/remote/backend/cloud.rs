//! A remote in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure.

use std::error::Error as StdError;
use std::io::{Read, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::network::{innermost, refused, stopped, wait, within};
use crate::event::Interrupt;
use crate::fs::escape;
use crate::remote::{Access, Body, Entry, Remote, RemoteError, State};
use crate::{Error, Result};

/// What is larger is sent in parts of this size; never more than [`PARTS`] of them are in memory.
const PART: u64 = 8 << 20;
const PARTS: usize = 4;
/// No service takes more than 10,000 parts.
const MOST_PARTS: u64 = 9_000;

/// A bucket, or what is in it below a prefix.
#[derive(Debug)]
pub struct Cloud {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    shown: String,
    /// Where the credentials came from, as far as that is known.
    source: Option<String>,
    /// What to do when access is denied.
    remedy: String,
    parts: Arc<Semaphore>,
    interrupt: Interrupt,
    silence: Duration,
}

impl Cloud {
    pub fn new(
        store: Arc<dyn ObjectStore>,
        prefix: String,
        shown: String,
        (source, remedy): (Option<String>, String),
        access: &Access,
    ) -> Self {
        let (interrupt, silence) = (access.interrupt.clone(), access.patience.silence);
        Self { store, prefix, shown, source, remedy, parts: Arc::new(Semaphore::new(PARTS)), interrupt, silence }
    }

    fn key(&self, name: &str) -> Result<Key> {
        let full = match (self.prefix.as_str(), name) {
            ("", name) => name.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, name) => format!("{prefix}/{name}"),
        };
        Key::parse(&full).map_err(|_| Error::failed(format!("`{}` can't be a key", escape(full.as_bytes()))))
    }

    /// The name behind the prefix.
    fn entry(&self, object: ObjectMeta) -> Option<Entry> {
        let key = object.location.as_ref();
        let name = match self.prefix.as_str() {
            "" => key,
            prefix => key.strip_prefix(prefix)?.strip_prefix('/')?,
        };
        let version = object.e_tag.unwrap_or_else(|| object.last_modified.timestamp().to_string());
        Some(Entry { name: name.to_owned(), size: object.size, version })
    }

    fn failed(&self, error: object_store::Error, name: &str) -> Error {
        failed(error, name, self.source.as_deref(), &self.remedy)
    }

    /// Sends the content in one piece.
    async fn put(&self, key: &Key, bytes: Vec<u8>, mode: PutMode) -> object_store::Result<()> {
        let options = PutOptions { mode, ..PutOptions::default() };
        self.store.put_opts(key, PutPayload::from(bytes), options).await.map(drop)
    }

    async fn put_parts(&self, key: &Key, name: &str, size: u64, body: &Body<'_>) -> Result<()> {
        let mut upload = self.store.put_multipart(key).await.map_err(|error| self.failed(error, name))?;
        let sent = tokio::select! {
            sent = self.send_parts(&mut *upload, name, size, body) => sent,
            () = stopped(&self.interrupt) => Err(Error::interrupted()),
        };
        let done = match sent {
            Ok(()) => upload.complete().await.map(drop).map_err(|error| self.failed(error, name)),
            Err(error) => Err(error),
        };
        if done.is_err() {
            // What stays behind costs money, but is no file; nothing more can be done about it here.
            let _ = within(Duration::from_secs(5), upload.abort()).await;
        }
        done
    }

    async fn send_parts(&self, upload: &mut dyn MultipartUpload, name: &str, size: u64, body: &Body<'_>) -> Result<()> {
        let cannot = || format!("cannot read what is to be written as `{name}`");
        let part = PART.max(size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20));
        let mut source = body.content.open().with_context(cannot)?;
        let mut sending = JoinSet::new();
        let mut left = size;
        while left > 0 || !sending.is_empty() {
            let permit = match left {
                0 => None,
                // With parts of its own on the way, it waits for those rather than for others.
                _ if sending.is_empty() => Some(self.parts.clone().acquire_owned().await.context("stopped")?),
                _ => self.parts.clone().try_acquire_owned().ok(),
            };
            let Some(permit) = permit else {
                let done = sending.join_next().await.context("nothing is being sent")?;
                let length: Result<u64, object_store::Error> = done.context("a part was given up")?;
                (body.sent)(length.map_err(|error| self.failed(error, name))?).context("stopped")?;
                continue;
            };
            let length = left.min(part);
            let mut bytes = vec![0; usize::try_from(length).context("a part is too large")?];
            source.read_exact(&mut bytes).with_context(cannot)?;
            left -= length;
            let putting = upload.put_part(PutPayload::from(bytes));
            sending.spawn(async move {
                let _permit = permit;
                putting.await.map(|()| length)
            });
        }
        Ok(())
    }
}

impl Remote for Cloud {
    fn url(&self) -> &str {
        &self.shown
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        let key = self.key(directory)?;
        let key = (!key.as_ref().is_empty()).then_some(&key);
        let listed = wait(&self.interrupt, async {
            self.store.list_with_delimiter(key).await.map_err(|error| self.failed(error, directory))
        })?;
        let below = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        let is_direct = |entry: &Entry| entry.name.strip_prefix(&below).is_some_and(|rest| !rest.contains('/'));
        Ok(listed.objects.into_iter().filter_map(|object| self.entry(object)).filter(is_direct).collect())
    }

    fn find(&self, name: &str) -> Result<Option<Entry>> {
        let key = self.key(name)?;
        wait(&self.interrupt, async {
            match self.store.head(&key).await {
                Ok(object) => Ok(self.entry(object)),
                Err(error) => match self.failed(error, name) {
                    error if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => Ok(None),
                    error => Err(error),
                },
            }
        })
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        let key = self.key(name)?;
        if range.as_ref().is_some_and(Range::is_empty) {
            return Ok(0);
        }
        wait(&self.interrupt, async {
            let asked = range.clone().map(GetRange::Bounded);
            let options = GetOptions { range: asked, ..GetOptions::default() };
            let answer = self.store.get_opts(&key, options).await.map_err(|error| self.failed(error, name))?;
            if let Some(range) = &range
                && range.end > answer.meta.size
            {
                let (size, end) = (answer.meta.size, range.end);
                return Err(Error::failed(format!("it ends after {size} of {end} bytes")));
            }
            let announced = answer.range.end - answer.range.start;
            let mut body = answer.into_stream();
            let mut done = 0;
            while let Some(piece) = within(self.silence, body.next()).await? {
                let piece = piece.map_err(|error| self.failed(error, name))?;
                done += piece.len() as u64;
                if done > announced {
                    return Err(RemoteError::Transient("the answer is longer than announced".into()).into());
                }
                sink.write_all(&piece).with_context(|| format!("cannot take `{name}`"))?;
            }
            match done == announced {
                true => Ok(done),
                false => {
                    Err(RemoteError::Transient(format!("the answer ended after {done} of {announced} bytes")).into())
                }
            }
        })
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        let key = self.key(name)?;
        let cannot = || format!("cannot read what is to be written as `{name}`");
        let size = body.content.size().with_context(cannot)?;
        if size > PART {
            // Not within `wait`: an upload that is stopped has something to tidy up.
            return wait(&Interrupt::default(), self.put_parts(&key, name, size, body));
        }
        let mut bytes = Vec::new();
        body.content.open().and_then(|mut source| source.read_to_end(&mut bytes)).with_context(cannot)?;
        let size = bytes.len() as u64;
        wait(&self.interrupt, async {
            let _permit = self.parts.acquire().await.context("stopped")?;
            self.put(&key, bytes, PutMode::Overwrite).await.map_err(|error| self.failed(error, name))
        })?;
        (body.sent)(size).context("stopped")?;
        Ok(())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let key = self.key(name)?;
        let created = wait(&self.interrupt, async {
            match self.put(&key, bytes.to_vec(), PutMode::Create).await {
                Ok(()) => Ok(true),
                Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
                Err(error) => Err(self.failed(error, name)),
            }
        })?;
        // Also said of an attempt that met another one of which neither may have won.
        if !created && self.find(name)?.is_none() {
            return Err(RemoteError::Transient("another wrote at the same time".into()).into());
        }
        Ok(created)
    }

    fn read_state(&self, name: &str) -> Result<Option<State>> {
        let key = self.key(name)?;
        wait(&self.interrupt, async {
            let read = async {
                let answer = self.store.get(&key).await?;
                let version = UpdateVersion { e_tag: answer.meta.e_tag.clone(), version: answer.meta.version.clone() };
                Ok::<_, object_store::Error>((answer.bytes().await?, version))
            };
            match within(self.silence, read).await? {
                Ok((bytes, version)) => Ok(Some(State { bytes: bytes.to_vec(), tag: tag(&version) })),
                Err(error) => match self.failed(error, name) {
                    error if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => Ok(None),
                    error => Err(error),
                },
            }
        })
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        let Some(seen) = seen else { return self.create(name, bytes) };
        let key = self.key(name)?;
        wait(&self.interrupt, async {
            match self.put(&key, bytes.to_vec(), PutMode::Update(version(&seen.tag))).await {
                Ok(()) => Ok(true),
                Err(object_store::Error::Precondition { .. }) => Ok(false),
                Err(error) => match self.failed(error, name) {
                    error if matches!(error.downcast_ref(), Some(RemoteError::Missing { .. })) => Ok(false),
                    error => Err(error),
                },
            }
        })
    }

    fn delete(&self, name: &str) -> Result<()> {
        let key = self.key(name)?;
        wait(&self.interrupt, async {
            match self.store.delete(&key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(self.failed(error, name)),
            }
        })
    }
}

/// An object's ETag and, where the service has it, the number of its version, in one word.
fn tag(version: &UpdateVersion) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}\n{}", part(&version.e_tag), part(&version.version))
}

fn version(tag: &str) -> UpdateVersion {
    let (e_tag, version) = tag.split_once('\n').unwrap_or((tag, ""));
    let part = |part: &str| (!part.is_empty()).then(|| part.to_owned());
    UpdateVersion { e_tag: part(e_tag), version: part(version) }
}

/// What went wrong, as callers choose by it; in few words, and without what might be a secret.
pub fn failed(error: object_store::Error, name: &str, source: Option<&str>, remedy: &str) -> Error {
    use object_store::Error as E;
    if let Some(told) = told(&error) {
        let error = Error::from(told.clone());
        return if matches!(told, RemoteError::Denied(_)) { error.with_hint(remedy) } else { error };
    }
    let full = full_text(&error);
    let said = said(&full);
    let code = |code: &str| full.contains(&format!("<Code>{code}</Code>"));
    if code("NoSuchBucket") || code("ContainerNotFound") {
        return Error::failed(said).with_hint("create it first, with the tools of the cloud, or name another one");
    }
    if code("RequestTimeTooSkewed") {
        return Error::from(RemoteError::Denied(said)).with_hint("set the clock of this machine");
    }
    if code("ExpiredToken") || code("TokenRefreshRequired") || code("InvalidToken") {
        return Error::from(RemoteError::Denied(said)).with_hint("the credentials have expired: log in again");
    }
    match (status(&full), &error) {
        (Some(401 | 403), _) => refused(said, source, remedy),
        (Some(404), _) => RemoteError::Missing { name: name.to_owned() }.into(),
        (Some(300..=399), _) => Error::failed("the bucket is in another region, or behind another address")
            .with_hint("name the region: `AWS_REGION`, or `region` in this machine's settings"),
        (Some(_), _) => Error::failed(said),
        (None, E::NotSupported { .. } | E::NotImplemented { .. }) => RemoteError::Unsupported("do that").into(),
        // Nobody answered, or with what can't be right: cut off, without a length, of another range.
        (None, _) => RemoteError::Transient(said).into(),
    }
}

/// The status of the answer that the error is about.
fn status(full: &str) -> Option<u16> {
    if full.contains("Received redirect without LOCATION") {
        return Some(301);
    }
    full.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// What the connector put into the error.
fn told<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a RemoteError> {
    std::iter::successors(Some(error), |error| StdError::source(*error)).find_map(|error| error.downcast_ref())
}

fn full_text(error: &(dyn StdError + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| StdError::source(*error));
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The status, the code and the message of an answer in XML; of anything else the deepest cause.
fn said(full: &str) -> String {
    let between = |open: &str, close: &str| full.split_once(open)?.1.split_once(close).map(|(inner, _)| inner.trim());
    let status = between("status code: ", ":");
    let (code, message) = (between("<Code>", "</Code>"), between("<Message>", "</Message>"));
    let parts: Vec<&str> = [status, code, message].into_iter().flatten().collect();
    let text = match parts.is_empty() {
        true => full.rsplit(": ").next().unwrap_or(full).to_owned(),
        false => parts.join(", "),
    };
    escape(text.chars().take(300).collect::<String>().as_bytes())
}

/// The error of a store that can't be set up, such as a key file that is missing.
pub fn misconfigured(error: &object_store::Error) -> Error {
    Error::usage(format!("cannot set up access to the bucket: {}", innermost(error)))
}
