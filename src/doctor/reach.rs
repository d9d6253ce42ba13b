//! Whether the remotes and targets of the manifest can be reached.

use std::path::Path;
use std::time::Duration;

use rustix::fs::Access as Mode;

use super::Check;
use crate::fs::quote;
use crate::project::Project;
use crate::project::manifest::Setting;
use crate::remote::backend::Registry;
use crate::remote::location::{Location, without_secrets};
use crate::remote::retry::Patience;
use crate::remote::{self, Access};
use crate::{Error, Result};

/// How long a machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks all places at once.
pub fn checks(project: &Project, access: &Access) -> Vec<Check> {
    let access = Access { patience: Patience::once(PATIENCE), ..access.clone() };
    let remotes = project.manifest.remotes.keys().map(|name| {
        let url = remote::url_of(project, name, &access).unwrap_or_default();
        (format!("remote {name}"), url, access.of(project, name))
    });
    let targets = project.manifest.targets.iter();
    let targets = targets.map(|(name, target)| {
        // What is asked is whether somebody answers; secrets are for those who change something there.
        let open = target.auth.iter().filter_map(|(key, setting)| match setting {
            Setting::Text(text) => Some((key.clone(), text.clone())),
            Setting::Secret(_) => None,
        });
        (format!("target {name}"), target.url.clone(), access.of_target(name, open.collect()))
    });
    let places: Vec<_> = remotes.chain(targets).collect();
    std::thread::scope(|scope| {
        let ask = |(name, url, access)| check(name, url, project.root(), access);
        let asked: Vec<_> =
            places.iter().map(|(name, url, access)| scope.spawn(move || ask((name, url, access)))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn check(name: &str, url: &str, root: &Path, access: &Access) -> Check {
    let shown = without_secrets(url);
    match answer(url, root, access) {
        Ok(found) => Check::good(name, format!("{shown}: {found}")),
        Err(error) => {
            // What stands before the cause names the place once more.
            let found = error.chain().last().unwrap_or_default();
            Check::missing(
                name,
                format!("{shown}: {found}"),
                error.hint().unwrap_or("look at the address and the network"),
            )
        }
    }
}

/// What was found.
fn answer(url: &str, root: &Path, access: &Access) -> Result<String> {
    match Location::parse(url, root, access.home.as_deref())? {
        Location::Directory(path) => directory(&path),
        Location::Registry(repository) => {
            let tag = repository.tag.clone().or_else(|| access.name.clone()).unwrap_or_default();
            match Registry::new(repository, &[], access)?.resolve(&tag)? {
                Some(_) => Ok("answers".into()),
                None => Ok("answers; nothing was deployed there yet".into()),
            }
        }
        _ => match remote::open(url, root, access)?.find("mlx-remote")? {
            Some(_) => Ok("answers".into()),
            None => Ok("answers; nothing was pushed there yet".into()),
        },
    }
}

fn directory(path: &Path) -> Result<String> {
    let can_write = |path: &Path| rustix::fs::access(path, Mode::WRITE_OK | Mode::EXEC_OK).is_ok();
    let shown = quote(path);
    if path.is_dir() {
        return match can_write(path) {
            true => Ok("a directory that can be written to".into()),
            false => Err(Error::failed("may not be written to").with_hint(format!("make `{shown}` yours to write"))),
        };
    }
    if path.exists() {
        return Err(Error::failed("is no directory").with_hint("name a directory"));
    }
    let above = path.ancestors().skip(1).find(|ancestor| ancestor.exists());
    match above {
        Some(above) if above.is_dir() && can_write(above) => Ok("not there yet; made when it is needed".into()),
        _ => Err(Error::failed("is not there and can't be made")
            .with_hint(format!("make `{shown}`, or mount what it lies on"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_there_can_be_made_or_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let found = |name: &str| directory(&dir.path().join(name)).map_err(|error| error.to_string());

        assert_eq!(found(""), Ok("a directory that can be written to".into()));
        assert_eq!(found("a/b"), Ok("not there yet; made when it is needed".into()));
        assert_eq!(found("file"), Err("is no directory".into()));
        assert_eq!(found("file/below"), Err("is not there and can't be made".into()));
    }
}
