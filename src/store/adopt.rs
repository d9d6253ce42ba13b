//! Bringing the objects of another store over, when a project moves to one that it shares.

use std::collections::HashSet;

use anyhow::Context;

use super::{Store, StoreError};
use crate::event::{Event, Unit, Watch};
use crate::fs::{FileLock, quote};
use crate::{Digest, Error, Kind, Result};

/// So many objects are made durable together.
const TOGETHER: usize = 10_000;

impl Store {
    /// Brings all objects of `from` over, checked, and removes them there once they are durable here. Returns how many.
    ///
    /// # Errors
    /// Where one of them is damaged: `from` stays as it is then.
    pub fn adopt(&self, from: &Self, watch: Watch<'_>) -> Result<u64> {
        if self.root == from.root || !from.root.is_dir() {
            return Ok(0);
        }
        // Nobody may write there meanwhile.
        let _alone: FileLock = from.lock_for_gc("mlx cache --adopt", watch)?;
        let objects = from.objects()?;
        let id = "adopt".to_owned();
        let (what, total) = (format!("Bringing objects to `{}`", quote(&self.root)), Some(objects.len() as u64));
        watch.events.emit(Event::Started { id: id.clone(), what, total, unit: Unit::Objects });
        let copied = objects.chunks(TOGETHER).enumerate().try_for_each(|(number, digests)| {
            self.copy_from(from, digests, watch)?;
            let done = (number * TOGETHER + digests.len()) as u64;
            watch.events.emit(Event::Progress { id: id.clone(), done });
            Ok(())
        });
        watch.events.emit(Event::Finished { id });
        copied.map_err(|error: Error| error.with_hint("nothing was removed; the same command goes on from here"))?;
        for name in ["objects", "packs"] {
            let directory = from.root.join(name);
            match std::fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove `{}`", quote(&directory)))?;
                }
                _ => {}
            }
        }
        Ok(objects.len() as u64)
    }

    fn copy_from(&self, from: &Self, digests: &[Digest], watch: Watch<'_>) -> Result<()> {
        let batch = self.batch()?;
        let here: HashSet<&Digest> = digests.iter().filter(|digest| self.size(digest) == from.size(digest)).collect();
        for digest in digests.iter().filter(|digest| !here.contains(digest)) {
            watch.interrupt.check()?;
            let content = from.open_object(digest)?;
            let length = content.length();
            let (found, _) = batch.put_reader(content, length)?;
            if found != *digest {
                let found = format!("its content hashes to {found}");
                return Err(Error::new(Kind::Failed, StoreError::Damaged { digest: *digest, found })
                    .context(format!("cannot bring the objects of `{}` over", quote(&from.root)))
                    .with_hint("`MLX_STORE_PATH=.mlx/store mlx verify` puts it aside"));
            }
        }
        batch.commit()
    }
}
