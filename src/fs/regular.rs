//! Regular files of ours: something else that lies in the place of one is told, and never waited for.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// How a file is opened so that neither a pipe without a writer nor a terminal is waited for.
pub(super) const WITHOUT_WAITING: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;

/// Opens what should be a regular file for reading.
///
/// # Errors
/// One that says what lies there instead.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(WITHOUT_WAITING).open(path)?;
    refuse_irregular(&file)?;
    Ok(file)
}

/// An error that says what an open file is, where it is no regular one.
pub fn refuse_irregular(file: &File) -> io::Result<()> {
    let kind = file.metadata()?.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a named pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, and should be a regular file")))
}

/// The whole of a regular file.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open_regular(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or(0).min(1 << 30));
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();

        assert!(open_regular(&pipe).unwrap_err().to_string().contains("a named pipe"));
        assert!(open_regular(dir.path()).unwrap_err().to_string().contains("a directory"));
        assert!(open_regular(Path::new("/dev/null")).unwrap_err().to_string().contains("a device"));
    }
}
