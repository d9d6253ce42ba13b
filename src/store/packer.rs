//! Packs written by a thread of their own, so that who reads and hashes need not wait for the disk.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::pack::{self, Item, Written};
use crate::{Error, Result};

/// A thread that writes packs to temporary files and makes them durable. Dropped, it ends, and they go.
#[derive(Debug)]
pub struct Packer {
    /// `None` when it ends.
    items: Option<SyncSender<Vec<Item>>>,
    thread: Option<JoinHandle<Result<Vec<Written>>>>,
}

impl Packer {
    /// Writes into `scratch`.
    pub fn start(scratch: PathBuf) -> Result<Self> {
        // Who has the next pack ready waits for the last, so that few lie in memory.
        let (items, receive) = sync_channel(0);
        let write = move || write(&receive, scratch);
        let thread = std::thread::Builder::new()
            .name("packs".to_owned())
            .spawn(write)
            .map_err(|error| Error::failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { items: Some(items), thread: Some(thread) })
    }

    /// Gives it the objects of one pack. `false` where it has failed, which [`Packer::finish`] tells more of.
    pub fn write(&self, items: Vec<Item>) -> bool {
        self.items.as_ref().is_some_and(|sender| sender.send(items).is_ok())
    }

    /// All the packs, when they are durable.
    pub fn finish(mut self) -> Result<Vec<Written>> {
        self.items = None;
        let thread = self.thread.take().expect("only this and the end take it");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        self.items = None;
        // It tells of an error to nobody, because nobody asks for the packs any more.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write(packs: &Receiver<Vec<Item>>, scratch: PathBuf) -> Result<Vec<Written>> {
    packs.iter().map(|items| pack::write(items, &scratch)).collect()
}
