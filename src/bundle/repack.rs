//! Packaging again where only small things changed: the weights stay where they are in the file.
//!
//! A bundle begins with its weights. Where a file that this project wrote begins with the very ones that are to be packaged,
//! and nobody changed it since, its tail is replaced and no byte of the weights is read or written. While that goes on the
//! file has another name, so that nobody finds a half; killed in that moment it leaves none, and the same command makes one.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;
use rustix::fs::FlockOperation;

use super::{Assembly, Bundle};
use crate::Result;
use crate::event::Watch;
use crate::fs::{Stamp, quote, sync_dir, temporary_file};
use crate::store::Store;

/// Less is written anew: a file that is always whole is worth more than a moment.
const WORTH_IT: u64 = 64 << 20;
/// A tail that is longer is not kept for the way back.
const LONGEST_TAIL: u64 = 1 << 30;

/// Makes the file the bundle of this assembly without writing its weights; its size, or `None` and nothing changed where that
/// can't be. `stamp` is that of the file when it was written.
pub fn in_place(
    assembly: &Assembly,
    store: &Store,
    file: &Path,
    stamp: Option<Stamp>,
    scratch: &Path,
    watch: Watch<'_>,
) -> Result<Option<u64>> {
    let Some(stamp) = stamp.filter(|stamp| stamp.size > WORTH_IT) else { return Ok(None) };
    let options =
        || File::options().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(file);
    let Ok(archive) = options() else { return Ok(None) };
    let is_ours =
        |metadata: fs::Metadata| metadata.is_file() && metadata.nlink() == 1 && Stamp::of(&metadata) == Some(stamp);
    if !archive.metadata().is_ok_and(is_ours) {
        return Ok(None);
    }
    let Ok(old) = Bundle::open(file) else { return Ok(None) };
    if old.digest() == assembly.digest() {
        return Ok(Some(stamp.size));
    }
    let Some(start) = assembly.end_of_shared_weights(&old) else { return Ok(None) };
    // The reader's lock goes with it; whoever else reads keeps us away.
    drop(old);
    if start < WORTH_IT
        || stamp.size - start > LONGEST_TAIL
        || rustix::fs::flock(&archive, FlockOperation::NonBlockingLockExclusive).is_err()
    {
        return Ok(None);
    }
    // All that can fail by its content fails here.
    let mut tail = temporary_file(scratch)?;
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, tail.as_file_mut());
    let tail_size = assembly.write_tail(store, &mut buffered, watch)?;
    buffered.flush().context("cannot write a temporary file")?;
    drop(buffered);
    let mut before = temporary_file(scratch)?;
    copy(&archive, start, stamp.size - start, before.as_file_mut()).context("cannot keep what is to be replaced")?;

    let cannot = || format!("cannot write `{}`", quote(file));
    let aside = temporary_file(scratch)?.into_temp_path();
    fs::rename(file, &aside).with_context(cannot)?;
    let replaced = replace(&archive, start, tail.as_file(), tail_size);
    if replaced.is_err() {
        replace(&archive, start, before.as_file(), stamp.size - start)
            .with_context(|| format!("`{}` could not be put back, and is gone", quote(file)))?;
    }
    fs::rename(&aside, file).with_context(cannot)?;
    // The name is another one's now.
    let _ = aside.keep();
    sync_dir(file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
    replaced.with_context(cannot)?;
    Ok(Some(start + tail_size))
}

/// Writes all of `tail` from `start` on, and ends the file behind it.
fn replace(archive: &File, start: u64, tail: &File, size: u64) -> std::io::Result<()> {
    let mut to = archive;
    to.seek(SeekFrom::Start(start))?;
    copy(tail, 0, size, &mut to)?;
    archive.set_len(start + size)?;
    archive.sync_data()
}

fn copy(from: &File, start: u64, size: u64, to: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    let mut done = 0;
    while done < size {
        let count = buffer.len().min(usize::try_from(size - done).unwrap_or(usize::MAX));
        from.read_exact_at(&mut buffer[..count], start + done)?;
        to.write_all(&buffer[..count])?;
        done += count as u64;
    }
    Ok(())
}
