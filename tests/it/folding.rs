//! A file system that takes several names for one, as those of other systems do: served from this process through
//! `/dev/fuse`, because the kernels that tests run on have none. It keeps names as they came first, and its files lie in a
//! directory.

#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::collections::HashMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a name is to the file system: names with the same are one.
pub type Fold = fn(&str) -> String;

/// The file system, mounted until this is dropped.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Mounts it at an empty directory; its files lie in `backing`. `None`, loudly, where that can't be done; an error in CI.
    pub fn new(place: &Path, backing: &Path, fold: Fold) -> Option<Self> {
        match Self::mount(place, backing, fold) {
            Ok(mounted) => Some(mounted),
            Err(error) => {
                eprintln!("SKIPPED: no file system that takes names for one can be mounted here: {error}");
                assert!(
                    std::env::var_os("CI").is_none_or(|value| value != "true"),
                    "CI must be able to mount: {error}"
                );
                None
            }
        }
    }

    fn mount(place: &Path, backing: &Path, fold: Fold) -> io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse")?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
        let text = |text: &[u8]| CString::new(text).map_err(io::Error::other);
        let (kind, target, options) = (text(b"fuse")?, text(place.as_os_str().as_bytes())?, text(options.as_bytes())?);
        // SAFETY: all are strings that end with NUL and live longer than the call.
        let mounted = unsafe {
            libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), libc::MS_NODEV, options.as_ptr().cast())
        };
        if mounted != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut folding =
            Folding { fold, paths: HashMap::from([(ROOT, backing.to_path_buf())]), open: HashMap::new(), next: 1 };
        // It ends when the file system is unmounted.
        std::thread::spawn(move || folding.serve(device));
        Ok(Self(place.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let place = CString::new(self.0.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string that ends with NUL and lives longer than the call.
        unsafe { libc::umount2(place.as_ptr(), libc::MNT_DETACH) };
    }
}

const ROOT: u64 = 1;

/// Numbers of requests, as in linux/fuse.h.
mod operation {
    pub const LOOKUP: u32 = 1;
    pub const FORGET: u32 = 2;
    pub const GETATTR: u32 = 3;
    pub const SETATTR: u32 = 4;
    pub const READLINK: u32 = 5;
    pub const SYMLINK: u32 = 6;
    pub const MKDIR: u32 = 9;
    pub const UNLINK: u32 = 10;
    pub const RMDIR: u32 = 11;
    pub const RENAME: u32 = 12;
    pub const LINK: u32 = 13;
    pub const OPEN: u32 = 14;
    pub const READ: u32 = 15;
    pub const WRITE: u32 = 16;
    pub const STATFS: u32 = 17;
    pub const RELEASE: u32 = 18;
    pub const FSYNC: u32 = 20;
    pub const FLUSH: u32 = 25;
    pub const INIT: u32 = 26;
    pub const OPENDIR: u32 = 27;
    pub const READDIR: u32 = 28;
    pub const RELEASEDIR: u32 = 29;
    pub const FSYNCDIR: u32 = 30;
    pub const CREATE: u32 = 35;
    pub const INTERRUPT: u32 = 36;
    pub const DESTROY: u32 = 38;
    pub const BATCH_FORGET: u32 = 42;
    pub const RENAME2: u32 = 45;
}

/// The file system as its server knows it.
struct Folding {
    fold: Fold,
    /// Where the node with this number lies in the backing directory.
    paths: HashMap<u64, PathBuf>,
    open: HashMap<u64, File>,
    next: u64,
}

/// A request, taken apart from its beginning on.
struct Request<'r> {
    node: u64,
    rest: &'r [u8],
}

impl<'r> Request<'r> {
    fn take(&mut self, length: usize) -> &'r [u8] {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.take(8).try_into().unwrap())
    }

    /// A text up to its NUL.
    fn name(&mut self) -> &'r OsStr {
        let end = self.rest.iter().position(|byte| *byte == 0).unwrap();
        OsStr::from_bytes(&self.take(end + 1)[..end])
    }
}

/// What is said in answer, number by number.
#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    fn u32(mut self, numbers: impl IntoIterator<Item = u32>) -> Self {
        self.0.extend(numbers.into_iter().flat_map(u32::to_ne_bytes));
        self
    }

    fn u64(mut self, numbers: impl IntoIterator<Item = u64>) -> Self {
        self.0.extend(numbers.into_iter().flat_map(u64::to_ne_bytes));
        self
    }

    fn attributes(self, node: u64, of: &Metadata) -> Self {
        let nanoseconds = [of.atime_nsec(), of.mtime_nsec(), of.ctime_nsec()].map(|part| part as u32);
        let times = [of.atime(), of.mtime(), of.ctime()].map(i64::cast_unsigned);
        self.u64([node, of.len(), of.blocks()]).u64(times).u32(nanoseconds).u32([
            of.mode(),
            of.nlink() as u32,
            of.uid(),
            of.gid(),
            0,
            4096,
            0,
        ])
    }

    fn entry(self, node: u64, of: &Metadata) -> Self {
        // Nothing is valid for any time, so that the kernel asks again for each name.
        self.u64([node, 0, 0, 0]).u32([0, 0]).attributes(node, of)
    }
}

impl Folding {
    /// Answers until the file system is unmounted.
    fn serve(&mut self, mut device: File) {
        let mut buffer = vec![0; (1 << 20) + 4096];
        loop {
            let length = match device.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOENT | libc::EAGAIN)) => {
                    continue;
                }
                // It is gone.
                Err(_) => return,
            };
            let mut request = Request { node: 0, rest: &buffer[..length] };
            let (_, operation, unique) = (request.u32(), request.u32(), request.u64());
            request.node = request.u64();
            request.take(16);
            let answer = match operation {
                operation::FORGET | operation::BATCH_FORGET | operation::INTERRUPT => continue,
                operation::DESTROY => Ok(Answer::default()),
                operation => self.answer(operation, request),
            };
            let (error, body) = match answer {
                Ok(Answer(body)) => (0, body),
                Err(error) => (-error.raw_os_error().unwrap_or(libc::EIO), Vec::new()),
            };
            let head = Answer::default().u32([16 + body.len() as u32, error.cast_unsigned()]).u64([unique]);
            // Who asked may be gone.
            let _ = device.write(&[head.0, body].concat());
        }
    }

    fn path(&self, node: u64) -> io::Result<PathBuf> {
        self.paths.get(&node).cloned().ok_or_else(|| io::Error::from_raw_os_error(libc::ESTALE))
    }

    /// Where a name leads in a directory: to the one that is there and the same to this file system, or to itself.
    fn below(&self, directory: u64, name: &OsStr) -> io::Result<PathBuf> {
        let directory = self.path(directory)?;
        let folded = |name: &OsStr| name.to_str().map(self.fold);
        let wanted = folded(name);
        for entry in fs::read_dir(&directory)? {
            let found = entry?.file_name();
            if found == name || (wanted.is_some() && folded(&found) == wanted) {
                return Ok(directory.join(found));
            }
        }
        Ok(directory.join(name))
    }

    fn metadata(&self, node: u64) -> io::Result<Metadata> {
        match self.path(node).and_then(|path| path.symlink_metadata()) {
            Ok(found) if node == ROOT || found.ino() == node => Ok(found),
            // It has no name any more, or another.
            _ => {
                let mut open = self.open.values().filter_map(|file| file.metadata().ok());
                open.find(|found| found.ino() == node).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
            }
        }
    }

    fn entry(&mut self, path: PathBuf) -> io::Result<Answer> {
        let found = path.symlink_metadata()?;
        self.paths.insert(found.ino(), path);
        Ok(Answer::default().entry(found.ino(), &found))
    }

    fn handle(&mut self, file: File) -> Answer {
        self.next += 1;
        self.open.insert(self.next, file);
        Answer::default().u64([self.next]).u32([0, 0])
    }

    fn file(&self, handle: u64) -> io::Result<&File> {
        self.open.get(&handle).ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn rename(&mut self, from: PathBuf, to: PathBuf, name: &OsStr, flags: u32) -> io::Result<Answer> {
        let moved = from.symlink_metadata()?.ino();
        let is_other = to.symlink_metadata().is_ok_and(|found| found.ino() != moved);
        if flags != 0 && (flags != libc::RENAME_NOREPLACE || is_other) {
            return Err(io::Error::from_raw_os_error(if is_other { libc::EEXIST } else { libc::EINVAL }));
        }
        // What is there keeps its name; a file that only changes its own gets the new one.
        let to = if is_other { to } else { to.with_file_name(name) };
        fs::rename(&from, &to)?;
        for path in self.paths.values_mut() {
            if let Ok(below) = path.strip_prefix(&from) {
                *path = if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
            }
        }
        Ok(Answer::default())
    }

    fn answer(&mut self, operation: u32, mut request: Request<'_>) -> io::Result<Answer> {
        let node = request.node;
        let done = Ok(Answer::default());
        match operation {
            operation::INIT => {
                let (major, _, readahead) = (request.u32(), request.u32(), request.u32());
                // Version 7.31, one page of 4 KiB at a time or many, times in nanoseconds.
                const BIG_WRITES: u32 = 1 << 5;
                Ok(Answer::default().u32([major, 31, readahead, BIG_WRITES, 0, 1 << 17, 1]).u32([0; 9]))
            }
            operation::LOOKUP => {
                let path = self.below(node, request.name())?;
                self.entry(path)
            }
            operation::GETATTR => Ok(Answer::default().u64([0, 0]).attributes(node, &self.metadata(node)?)),
            operation::SETATTR => {
                self.set_attributes(&mut request)?;
                Ok(Answer::default().u64([0, 0]).attributes(node, &self.metadata(node)?))
            }
            operation::READLINK => Ok(Answer(fs::read_link(self.path(node)?)?.into_os_string().into_vec())),
            operation::SYMLINK => {
                let path = self.below(node, request.name())?;
                std::os::unix::fs::symlink(request.name(), &path)?;
                self.entry(path)
            }
            operation::MKDIR => {
                let mode = request.u32();
                request.u32();
                let path = self.below(node, request.name())?;
                fs::create_dir(&path)?;
                fs::set_permissions(&path, PermissionsExt::from_mode(mode))?;
                self.entry(path)
            }
            operation::UNLINK => fs::remove_file(self.below(node, request.name())?).and(done),
            operation::RMDIR => fs::remove_dir(self.below(node, request.name())?).and(done),
            operation::RENAME | operation::RENAME2 => {
                let directory = request.u64();
                let flags = if operation == operation::RENAME2 { (request.u32(), request.u32()).0 } else { 0 };
                let (from, name) = (self.below(node, request.name())?, request.name());
                let to = self.below(directory, name)?;
                self.rename(from, to, name, flags)
            }
            operation::LINK => {
                let old = request.u64();
                let path = self.below(node, request.name())?;
                fs::hard_link(self.path(old)?, &path)?;
                self.entry(path)
            }
            operation::OPEN => {
                let path = self.path(node)?;
                // Pages that were written may be read back, whatever the file was opened for.
                let file = OpenOptions::new().read(true).write(true).open(&path).or_else(|_| File::open(&path))?;
                Ok(self.handle(file))
            }
            operation::CREATE => {
                let (flags, mode) = (request.u32(), request.u32());
                request.take(8);
                let path = self.below(node, request.name())?;
                let mut options = OpenOptions::new();
                options.read(true).write(true).create(true).mode(mode);
                if flags.cast_signed() & libc::O_EXCL != 0 {
                    options.create_new(true);
                }
                let file = options.open(&path)?;
                file.set_permissions(PermissionsExt::from_mode(mode & 0o7777))?;
                let Answer(entry) = self.entry(path)?;
                let Answer(handle) = self.handle(file);
                Ok(Answer([entry, handle].concat()))
            }
            operation::READ => {
                let (handle, offset, size) = (request.u64(), request.u64(), request.u32());
                let mut bytes = vec![0; size as usize];
                let (file, mut length) = (self.file(handle)?, 0);
                while let more @ 1.. = file.read_at(&mut bytes[length..], offset + length as u64)? {
                    length += more;
                }
                bytes.truncate(length);
                Ok(Answer(bytes))
            }
            operation::WRITE => {
                let (handle, offset, size) = (request.u64(), request.u64(), request.u32());
                request.take(20);
                self.file(handle)?.write_all_at(&request.rest[..size as usize], offset)?;
                Ok(Answer::default().u32([size, 0]))
            }
            operation::STATFS => Ok(Answer::default()
                .u64([1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19])
                .u32([4096, 255, 4096])
                .u32([0; 7])),
            operation::OPENDIR => Ok(Answer::default().u64([0]).u32([0, 0])),
            operation::READDIR => {
                let (_, offset, size) = (request.u64(), request.u64(), request.u32());
                self.read_directory(node, offset, size as usize)
            }
            operation::RELEASE => {
                self.open.remove(&request.u64());
                done
            }
            operation::FSYNC | operation::FLUSH | operation::RELEASEDIR | operation::FSYNCDIR => done,
            _ => Err(io::Error::from_raw_os_error(libc::ENOSYS)),
        }
    }

    fn set_attributes(&self, request: &mut Request<'_>) -> io::Result<()> {
        const MODE: u32 = 1;
        const SIZE: u32 = 1 << 3;
        const MTIME: u32 = 1 << 5;
        const MTIME_NOW: u32 = 1 << 8;
        let (valid, _, _, size) = (request.u32(), request.u32(), request.u64(), request.u64());
        let _owner = request.u64();
        let (_, mtime, _) = (request.u64(), request.u64(), request.u64());
        let (_, nanoseconds, _, mode) = (request.u32(), request.u32(), request.u32(), request.u32());
        let path = self.path(request.node)?;
        if valid & MODE != 0 {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode & 0o7777))?;
        }
        if valid & SIZE != 0 {
            OpenOptions::new().write(true).open(&path)?.set_len(size)?;
        }
        if valid & MTIME != 0 {
            let time = match valid & MTIME_NOW {
                0 => SystemTime::UNIX_EPOCH + Duration::new(mtime, nanoseconds),
                _ => SystemTime::now(),
            };
            File::open(&path)?.set_modified(time)?;
        }
        Ok(())
    }

    /// The names from this one on, as many as there is room for.
    fn read_directory(&self, node: u64, offset: u64, room: usize) -> io::Result<Answer> {
        let mut names: Vec<(OsString, u64, u32)> = Vec::new();
        for entry in fs::read_dir(self.path(node)?)? {
            let entry = entry?;
            let found = entry.path().symlink_metadata()?;
            names.push((entry.file_name(), found.ino(), found.mode() >> 12));
        }
        names.sort();
        let mut answer = Answer::default();
        for (number, (name, inode, kind)) in names.into_iter().enumerate().skip(offset as usize) {
            if answer.0.len() + 24 + name.len().next_multiple_of(8) > room {
                break;
            }
            answer = answer.u64([inode, number as u64 + 1]).u32([name.len() as u32, kind]);
            answer.0.extend_from_slice(name.as_bytes());
            answer.0.resize(answer.0.len().next_multiple_of(8), 0);
        }
        Ok(answer)
    }
}
