//! The program on the other side: a copy of this one, made once for its content where all machines see it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::left::PROGRAMS;
use crate::Result;
use crate::fs::{quote, temporary_file};

/// Where the program's copy lies in the jobs' directory, or will.
pub fn place(program: &Path, jobs: &Path) -> Result<PathBuf> {
    let cannot = || format!("cannot read `{}`", quote(program));
    let (digest, _) = crate::digest::of_reader(File::open(program).with_context(cannot)?).with_context(cannot)?;
    Ok(jobs.join(PROGRAMS).join(digest.hex()))
}

/// Copies the program into the jobs' directory, where it is not there yet. Returns where it lies.
pub fn install(program: &Path, jobs: &Path, scratch: &Path) -> Result<PathBuf> {
    let cannot = || format!("cannot copy `{}` for the jobs", quote(program));
    let size = program.metadata().with_context(cannot)?.len();
    let target = place(program, jobs)?;
    let directory = jobs.join(PROGRAMS);
    // Its name says what it is; whole it is because it was renamed.
    if target.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size) {
        return Ok(target);
    }
    crate::fs::create_dir_all(&directory)?;
    let mut temporary = temporary_file(scratch)?;
    let mut source = File::open(program).with_context(cannot)?;
    std::io::copy(&mut source, temporary.as_file_mut()).with_context(cannot)?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    temporary.as_file().set_permissions(executable).with_context(cannot)?;
    temporary.as_file().sync_data().with_context(cannot)?;
    // A file that is open for writing can't be started.
    temporary.into_temp_path().persist(&target).map_err(|error| error.error).with_context(cannot)?;
    remove_others(&directory, &target, jobs)?;
    Ok(target)
}

/// Deletes older programs, where no job is left that may start one.
fn remove_others(directory: &Path, current: &Path, jobs: &Path) -> Result<()> {
    let has_jobs =
        |entries: std::fs::ReadDir| entries.filter_map(std::io::Result::ok).any(|e| e.file_name() != PROGRAMS);
    if std::fs::read_dir(jobs).is_ok_and(has_jobs) {
        return Ok(());
    }
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot list `{}`", quote(directory)))?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path != current) {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot delete `{}`", quote(&path))).map_err(Into::into);
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_copied_once_and_replaced_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let (jobs, program) = (dir.path().join("jobs"), dir.path().join("mlx"));
        std::fs::write(&program, "one").unwrap();
        let first = install(&program, &jobs, dir.path()).unwrap();
        let made = first.metadata().unwrap().modified().unwrap();
        assert_eq!(install(&program, &jobs, dir.path()).unwrap(), first);
        assert_eq!(first.metadata().unwrap().modified().unwrap(), made);

        std::fs::write(&program, "two").unwrap();
        let second = install(&program, &jobs, dir.path()).unwrap();

        assert_eq!(std::fs::read(second).unwrap(), b"two");
        assert!(!first.exists());
    }
}
