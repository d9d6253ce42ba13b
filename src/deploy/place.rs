//! Places that keep blobs by their digest and small documents by name: what differs between object stores, web servers and
//! registries. What a target does with one stands in [`super::stored`].

use std::collections::HashSet;
use std::io::Write;

use super::history::Entry;
use crate::bundle::{Blob, Description};
use crate::event::EventSink;
use crate::remote::{Body, State};
use crate::{Digest, Result};

/// A place for blobs and documents. What is asked of it is tried again where that may help.
pub(super) trait Place: Send + Sync {
    /// Where it is, for messages: without credentials.
    fn shown(&self) -> String;

    /// The release that is live.
    fn live(&self) -> Result<Option<Digest>>;

    /// Makes a release that was enlisted the live one. Who does so holds the lock.
    fn activate(&self, release: &Digest) -> Result<()>;

    /// The releases that were enlisted, in no order.
    fn releases(&self) -> Result<Vec<Digest>>;

    /// The manifest of a release; `None` where it is not there. The caller checks it.
    fn manifest(&self, release: &Digest) -> Result<Option<Vec<u8>>>;

    /// Of each blob, whether it lies there as it was written, as far as that can be told without reading it.
    fn whole(&self, blobs: &[Blob]) -> Result<Vec<bool>>;

    /// Of each blob that was just written, whether it lies there, as far as that can be told without reading it.
    fn arrived(&self, blobs: &[Blob]) -> Result<Vec<bool>>;

    /// Writes a blob to `sink`, which checks it.
    fn read(&self, blob: &Blob, sink: &mut dyn Write) -> Result<()>;

    /// Keeps a blob; called from several threads.
    fn write(&self, blob: &Blob, body: &Body<'_>) -> Result<()>;

    /// Makes a release known whose blobs all lie there.
    fn enlist(&self, release: &Digest, manifest: &[u8], description: &Description) -> Result<()>;

    /// Takes a release away; its blobs stay until they are swept.
    fn delist(&self, release: &Digest) -> Result<()>;

    /// Deletes blobs that are not among these.
    fn sweep(&self, used: &HashSet<Digest>) -> Result<()>;

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>>;

    fn append(&self, entry: &Entry) -> Result<()>;

    /// A small document and what [`Place::swap`] knows its state by; `None` where there is none.
    fn document(&self, name: &str) -> Result<Option<State>>;

    /// Replaces a document that is still in this state, or creates one that is still missing. Returns whether it did.
    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool>;

    /// Deletes a document; one that is not there is fine.
    fn delete(&self, name: &str) -> Result<()>;
}
