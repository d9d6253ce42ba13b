//! An image into a registry: what it has already is not sent.

use std::collections::HashSet;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::Built;
use crate::Result;
use crate::bundle::oci;
use crate::error::ErrorContext;
use crate::event::{Event, Unit, Watch};
use crate::remote::backend::{Registry, blob_name};
use crate::remote::retry::Retry;
use crate::remote::{Access, Body, Content, Remote};

impl Built {
    /// Sends it to a repository, under this tag and its digest. Returns how many bytes were sent.
    pub fn push(&self, registry: &Arc<Registry>, tag: &str, access: &Access, watch: Watch<'_>) -> Result<u64> {
        let (events, interrupt) = (access.events.clone(), access.interrupt.clone());
        let blobs = Retry::new(Box::new(registry.clone()), access.patience, events, interrupt);
        let mut seen = HashSet::new();
        let mut missing = Vec::new();
        for (_, layer) in self.layers.iter().filter(|(_, layer)| seen.insert(layer.digest)) {
            watch.interrupt.check()?;
            let found = blobs.find(&blob_name(&layer.digest))?;
            if found.is_none_or(|found| found.size != layer.size) {
                missing.push(layer);
            }
        }
        let total = missing.iter().map(|layer| layer.size).sum();
        let id = format!("image {}", self.digest());
        let what = "uploading the image".into();
        watch.events.emit(Event::Started { id: id.clone(), what, total: Some(total), unit: Unit::Bytes });
        let done = std::sync::atomic::AtomicU64::new(0);
        let sent = |bytes| {
            let done = done.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed) + bytes;
            watch.events.emit(Event::Progress { id: id.clone(), done });
            Ok(())
        };
        for layer in missing {
            watch.interrupt.check()?;
            // A layer that was made has no name, and one of an archive is a part of it.
            let file = PathBuf::from(format!("/proc/self/fd/{}", layer.file.as_raw_fd()));
            let content = Content::Part { file: &file, start: layer.offset, size: layer.size };
            let body = Body { content, sent: &sent };
            blobs
                .write(&blob_name(&layer.digest), &body)
                .with_context(|| format!("cannot send a layer of the image, {}", layer.digest.short()))?;
        }
        registry.put_small(&self.config)?;
        registry.put_manifest(tag, oci::MANIFEST, &self.manifest)?;
        watch.events.emit(Event::Finished { id });
        Ok(total)
    }
}
