//! What an environment holds, as its lock says it: name, version, hashes, and where it came from.

use super::conda::{self, PIP};
use super::locked::{hashes_of, pinned};
use super::requirements::lines_of;

/// A package of an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Installed {
    pub name: String,
    pub version: String,
    pub origin: Origin,
    /// SHA-256 in hex, of each file that may have been installed; none where nothing is known.
    pub sha256: Vec<String>,
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// PyPI, or an index that stands for it.
    Pypi,
    Conda {
        /// Such as `conda-forge`.
        channel: String,
        /// Such as `linux-64`.
        platform: String,
        build: String,
    },
}

/// The packages that a lock file, or a list of `name==version` lines, names; sorted, each once.
pub fn installed(lock: &str) -> Vec<Installed> {
    let mut packages: Vec<Installed> = lines_of(lock).iter().filter_map(|line| of_line(line)).collect();
    // What pip installed into a conda prefix stands in comments, since conda reads the file too.
    packages.extend(lock.lines().filter_map(|line| of_line(line.strip_prefix(PIP)?)));
    packages.sort();
    packages.dedup();
    packages
}

fn of_line(line: &str) -> Option<Installed> {
    if let Some(conda::Package { name, version, build, channel, platform }) = conda::package_of(line) {
        let origin = Origin::Conda { channel, platform, build };
        // conda names its files by MD5 alone, or by SHA-256 in newer lists.
        let hash = line.split_once('#').map(|(_, hash)| hash.trim()).filter(|hash| is_sha256(hash));
        return Some(Installed { name, version, origin, sha256: hash.map(str::to_owned).into_iter().collect() });
    }
    let (name, version) = pinned(line)?;
    let hashes = hashes_of(line).map(|(_, hashes)| hashes).unwrap_or_default();
    let sha256 = hashes.iter().filter_map(|hash| hash.strip_prefix("sha256:")).filter(|hash| is_sha256(hash));
    let sha256 = sha256.map(str::to_owned).collect();
    Some(Installed { name, version: version.to_owned(), origin: Origin::Pypi, sha256 })
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_pip_and_of_conda_are_read_with_their_hashes() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let lock = format!(
            "# Written by `mlx env lock`.\n@EXPLICIT\nScikit_Learn==1.5.0 \\\n    --hash=sha256:{one} \\\n    --hash=sha256:{two}\nsix==1.16.0\n\
             https://conda.anaconda.org/conda-forge/linux-64/python-dateutil-2.9.0-pyhd_1.conda#{one}\n-e ./lib\n{PIP}torch==2.5.0\n"
        );

        let packages = installed(&lock);

        let shown: Vec<_> = packages.iter().map(|p| (p.name.as_str(), p.version.as_str(), p.sha256.len())).collect();
        let expected = [
            ("python-dateutil", "2.9.0", 1),
            ("scikit-learn", "1.5.0", 2),
            ("six", "1.16.0", 0),
            ("torch", "2.5.0", 0),
        ];
        assert_eq!(shown, expected);
        let origin =
            Origin::Conda { channel: "conda-forge".into(), platform: "linux-64".into(), build: "pyhd_1".into() };
        assert_eq!((&packages[0].origin, &packages[1].origin), (&origin, &Origin::Pypi));
    }
}
