//! The access log: a line of JSON for each request, written aside so that no request waits for a disk.

use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use crate::Result;
use crate::event::EventSink;

/// So many lines wait to be written; more than that are lost, and their number is told.
const WAITING: usize = 10_000;

/// What happened to a request.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    pub time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<SocketAddr>,
    pub method: &'a str,
    pub path: &'a str,
    pub status: u16,
    pub seconds: f64,
    /// As the client announced them.
    pub request_bytes: Option<u64>,
    pub response_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
}

/// Takes entries; what is written ends up in the log when this is dropped.
pub struct AccessLog {
    /// Taken when the log ends, which tells the thread.
    lines: Option<SyncSender<Vec<u8>>>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// A log that goes there.
    pub fn new(out: Box<dyn Write + Send>, events: Arc<dyn EventSink>) -> Result<Self> {
        let (sender, lines) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let count = lost.clone();
        let thread = std::thread::Builder::new().name("access log".into());
        let thread = thread.spawn(move || write(&lines, out, &count, &*events)).context("cannot start a thread")?;
        Ok(Self { lines: Some(sender), lost, thread: Some(thread) })
    }

    pub fn write(&self, entry: &Entry<'_>) {
        let Ok(mut line) = serde_json::to_vec(entry) else { return };
        line.push(b'\n');
        if self.lines.as_ref().is_some_and(|lines| lines.try_send(line).is_err()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(lines: &Receiver<Vec<u8>>, out: Box<dyn Write + Send>, lost: &AtomicU64, events: &dyn EventSink) {
    let mut out = BufWriter::new(out);
    let mut has_failed = false;
    loop {
        // What is there is written before it is waited for more.
        let line = match lines.try_recv() {
            Err(TryRecvError::Empty) => {
                has_failed |= out.flush().is_err();
                lines.recv().ok()
            }
            line => line.ok(),
        };
        let Some(line) = line else { break };
        if let Err(error) = out.write_all(&line)
            && !has_failed
        {
            has_failed = true;
            events.warn(format!("the access log can't be written: {error}"));
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            count => events.warn(format!("{count} lines of the access log were lost: it is written too slowly")),
        }
    }
    let _ = out.flush();
}
