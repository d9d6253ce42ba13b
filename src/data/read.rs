//! The content of one file of the working tree: opened once, read once, and checked not to have changed meanwhile.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;
use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;

use super::index::Stat;
use super::index::block::ns;
use crate::digest::of_reader;
use crate::fs::{Directory, quote};
use crate::store::Batch;
use crate::{Digest, Result};

/// Files up to this size are read in one piece.
const WHOLE_BYTES: u64 = 1 << 20;

/// What reading gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Read {
        digest: Digest,
        size: u64,
        born_ns: i64,
    },
    /// It is another than it was, or is there no more: look at it again.
    Changed,
}

/// Reads the file `name`, which had this stat a moment ago; stores it where there is a batch.
pub fn file(
    directory: &Directory,
    name: &CStr,
    full: &Path,
    is_followed: bool,
    stat: &Stat,
    batch: Option<&Batch>,
) -> Result<Content> {
    let cannot = || format!("cannot read `{}`", quote(full));
    // What fails may be the store.
    let cannot_store = || format!("cannot store `{}`", quote(full));
    let opened = if is_followed { File::open(full) } else { directory.file(name) };
    let file = match opened {
        Ok(file) => file,
        Err(error) if is_gone(&error) => return Ok(Content::Changed),
        Err(error) => return Err(error).with_context(cannot).map_err(Into::into),
    };
    if let Some(batch) = batch.filter(|batch| batch.takes_links() && !is_followed)
        && let Some(content) =
            linked(&file, directory, name, stat, batch).map_err(|error| error.context(cannot_store()))?
    {
        return Ok(content);
    }
    let (digest, size) = if stat.size <= WHOLE_BYTES {
        let Some(content) = whole(&file, stat.size as usize).with_context(cannot)? else { return Ok(Content::Changed) };
        let size = content.len() as u64;
        match batch {
            Some(batch) => (batch.put_content(content).map_err(|error| error.context(cannot_store()))?, size),
            None => (Digest::of(content), size),
        }
    } else {
        match batch {
            Some(batch) => batch.put_open_file(&file, stat.size).map_err(|error| error.context(cannot_store()))?,
            None => of_reader(&file).with_context(cannot)?,
        }
    };
    let (after, born_ns) = stat_of(&file).with_context(cannot)?;
    Ok(if after == *stat && size == stat.size { Content::Read { digest, size, born_ns } } else { Content::Changed })
}

/// Makes the file the object that its content is; `None`, and the file is at its beginning again, where it must be copied.
fn linked(mut file: &File, directory: &Directory, name: &CStr, stat: &Stat, batch: &Batch) -> Result<Option<Content>> {
    let begun = SystemTime::now();
    let whole = |size| whole(file, size).context("cannot read it");
    let (digest, size) = match stat.size <= WHOLE_BYTES {
        true => match whole(stat.size as usize)? {
            Some(content) => (Digest::of(content), stat.size),
            None => return Ok(Some(Content::Changed)),
        },
        false => of_reader(file).context("cannot read it")?,
    };
    let (after, born_ns) = stat_of(file).context("cannot look at it")?;
    if after != *stat || size != stat.size {
        return Ok(Some(Content::Changed));
    }
    if batch.link_file(file, directory, name, (digest, size), begun)? {
        return Ok(Some(Content::Read { digest, size, born_ns }));
    }
    file.rewind().context("cannot read it again")?;
    Ok(None)
}

/// Reads the text of a link; stores it where there is a batch.
pub fn link(directory: &Directory, name: &CStr, full: &Path, stat: &Stat, batch: Option<&Batch>) -> Result<Content> {
    let target = match directory.link_target(name) {
        Ok(target) if target.len() as u64 == stat.size => target,
        Ok(_) => return Ok(Content::Changed),
        // It is no link any more.
        Err(error) if is_gone(&error) || error.kind() == ErrorKind::InvalidInput => return Ok(Content::Changed),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the link `{}`", quote(full))).map_err(Into::into);
        }
    };
    let size = target.len() as u64;
    let digest = match batch {
        Some(batch) => batch.put_content(target)?,
        None => Digest::of(target),
    };
    Ok(Content::Read { digest, size, born_ns: 0 })
}

/// Whether what was listed or seen a moment ago is there no more, or another kind of thing.
pub fn is_gone(error: &io::Error) -> bool {
    let raw = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(raw, Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP))
}

/// The content of a file that should have this size; `None` where it has another.
fn whole(mut file: &File, size: usize) -> io::Result<Option<Vec<u8>>> {
    let mut content = vec![0; size + 1];
    let mut filled = 0;
    // A read that leaves room in the buffer met the end of the file: one is enough.
    while filled < size {
        match file.read(&mut content[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    content.truncate(filled);
    Ok((filled == size).then_some(content))
}

/// The stat of an open file, and when it came to be.
pub fn stat_of(file: &File) -> io::Result<(Stat, i64)> {
    match rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::BTIME) {
        Ok(stat) => Ok((Stat::of_statx(&stat), born(&stat))),
        Err(Errno::NOSYS | Errno::PERM) => Ok((Stat::of(&rustix::fs::fstat(file)?), 0)),
        Err(error) => Err(error.into()),
    }
}

/// When the file under a name came to be; 0 where the file system does not say.
pub fn born_ns(directory: &Directory, name: &CStr) -> i64 {
    let stat = rustix::fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME);
    stat.map_or(0, |stat| born(&stat))
}

/// When a file came to be; 0 where the file system does not say.
pub fn born(stat: &rustix::fs::Statx) -> i64 {
    let is_told = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    if is_told { ns(stat.stx_btime.tv_sec, i64::from(stat.stx_btime.tv_nsec)) } else { 0 }
}
