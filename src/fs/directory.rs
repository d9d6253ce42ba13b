//! An open directory: what lies in it is listed, looked at and opened without walking down from the root again.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RawDir, Stat};

/// Names are read from the kernel so many bytes at a time.
const LISTING_BYTES: usize = 64 * 1024;
/// The kernel takes no longer path at once.
const LONGEST_PATH: usize = 4000;

/// A directory that is open.
#[derive(Debug)]
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens the directory at `path`; a link to one is followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Opens a directory below this one, however long its path is; the last part must not be a link.
    pub fn open_below(&self, path: &[u8]) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut held: Option<OwnedFd> = None;
        let mut rest = path;
        loop {
            let from = held.as_ref().map_or(self.0.as_fd(), AsFd::as_fd);
            let cut = rest.get(..LONGEST_PATH).and_then(|head| head.iter().rposition(|byte| *byte == b'/'));
            let (head, tail) = cut.map_or((rest, None), |slash| (&rest[..slash], Some(&rest[slash + 1..])));
            let opened = rustix::fs::openat(from, head, flags, Mode::empty())?;
            match tail {
                None => return Ok(Self(opened)),
                Some(tail) => (held, rest) = (Some(opened), tail),
            }
        }
    }

    /// What lies in it, sorted by the bytes of the names.
    pub fn names(&self) -> io::Result<Names> {
        let mut names = Names::default();
        let mut buffer = vec![MaybeUninit::uninit(); LISTING_BYTES];
        let mut listing = RawDir::new(&self.0, &mut buffer);
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// What is known of the entry itself; a link is not followed.
    pub fn stat(&self, name: &CStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens a file for reading, without waiting where a pipe came in its place.
    pub fn file(&self, name: &CStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// The text of a symbolic link.
    pub fn link_target(&self, name: &CStr) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.0, name, Vec::new())?.into_bytes())
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The names in a directory, all in one piece of memory.
#[derive(Debug, Default)]
pub struct Names {
    /// Each with a NUL after it.
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Names {
    fn push(&mut self, name: &CStr) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.ranges.push(start..self.bytes.len());
    }

    fn sort(&mut self) {
        let Self { bytes, ranges } = self;
        // The NUL sorts before every byte that can stand in a name, as the end of a name does.
        ranges.sort_unstable_by(|a, b| bytes[a.clone()].cmp(&bytes[b.clone()]));
    }

    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The name at a position.
    pub fn get(&self, position: usize) -> &CStr {
        name_in(&self.bytes, &self.ranges[position])
    }

    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        (0..self.len()).map(|position| self.get(position))
    }

    /// Keeps the names that `is_kept` says yes to.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&CStr) -> bool) {
        let Self { bytes, ranges } = self;
        ranges.retain(|range| is_kept(name_in(bytes, range)));
    }

    /// Where a name stands.
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        self.ranges.binary_search_by(|range| self.bytes[range.start..range.end - 1].cmp(name)).ok()
    }
}

fn name_in<'n>(bytes: &'n [u8], range: &Range<usize>) -> &'n CStr {
    CStr::from_bytes_with_nul(&bytes[range.clone()]).expect("`push` took it from such a string")
}

/// A name for the kernel; one with a NUL in it can't lie in any directory.
pub fn c_name(name: &[u8]) -> io::Result<CString> {
    CString::new(name).map_err(|_| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_sorted_and_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b", "a-b", "a", "ab"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        let directory = Directory::open(dir.path()).unwrap();

        let names = directory.names().unwrap();

        assert_eq!(names.iter().map(|name| name.to_str().unwrap()).collect::<Vec<_>>(), ["a", "a-b", "ab", "b"]);
        assert_eq!((names.position(b"ab"), names.position(b"c")), (Some(2), None));
        assert_eq!(directory.stat(names.get(1)).unwrap().st_size, 3);
    }

    #[test]
    fn paths_longer_than_the_kernel_takes_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let root = Directory::open(dir.path()).unwrap();
        let name = "d".repeat(200);
        let mut path = Vec::new();
        for _ in 0..50 {
            let parent = if path.is_empty() { root.open_below(b".") } else { root.open_below(&path) }.unwrap();
            rustix::fs::mkdirat(&parent, name.as_str(), Mode::RWXU).unwrap();
            path = if path.is_empty() { name.clone().into_bytes() } else { [&path, name.as_bytes()].join(&b'/') };
        }

        assert!(path.len() > 10_000);
        assert!(root.open_below(&path).unwrap().names().unwrap().is_empty());
    }
}
