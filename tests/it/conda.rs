//! Conda environments. No micromamba can be had from a package registry, so that a script stands in for it, which takes
//! the arguments of the real one; where the real one is installed, it makes an environment from a channel in a directory.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Outcome, Project};

/// Takes `create --yes --quiet --prefix DIR --file FILE` and `env export --explicit --prefix DIR`, as micromamba does.
const STAND_IN: &str = r##"
echo "$@" >> "$0.calls"
case "$1 $2" in
"create --yes")
    mkdir -p "$5/bin" "$5/conda-meta" "$5/etc/conda/activate.d"
    printf '#!/bin/sh\necho tool of %s\n' "$(basename "$7")" > "$5/bin/tool" && chmod +x "$5/bin/tool"
    echo 'export TOOL_HOME="$CONDA_PREFIX/share"' > "$5/etc/conda/activate.d/tool.sh"
    grep -q broken "$7" && echo 'nothing provides broken' && exit 1
    echo "Linking tool-1.0-0";;
"env export")
    echo '# platform: linux-64'
    echo '@EXPLICIT'
    echo 'https://user:secret@host.example/t/tk-1/channel/noarch/tool-1.0-0.conda#d41d8cd98f00b204e9800998ecf8427e';;
*) exit 64;;
esac
"##;

struct Place {
    project: Project,
    path: OsString,
}

const MANIFEST: &str = "env.conda = { file = 'environment.yml' }\n\
                        step.a = { cmd = 'tool > out; echo $TOOL_HOME >> out', outs = ['out'] }\n";

impl Place {
    fn new() -> Self {
        let project = Project::with_manifest(MANIFEST)
            .write("environment.yml", "name: x\r\nchannels: [here]\r\ndependencies:\r\n  - tool=1\r\n");
        let programs = project.home().join("bin");
        project.program(&programs.join("micromamba"), STAND_IN);
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).unwrap();
        Self { project, path }
    }

    fn mlx(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.project.command(arguments);
        command.env("PATH", &self.path).env("MLX_CACHE_DIR", self.project.home().join("cache"));
        self.project.outcome(&mut command)
    }

    fn calls(&self) -> usize {
        let calls = std::fs::read_to_string(self.project.home().join("bin/micromamba.calls")).unwrap_or_default();
        calls.lines().filter(|line| line.starts_with("create")).count()
    }
}

#[test]
fn an_environment_is_made_once_and_its_scripts_set_variables() {
    let place = Place::new();

    let run = place.mlx(&["train", "--json"]).success().json();

    let out = place.project.read("out");
    assert!(out.starts_with("tool of environment.yml\n") && out.ends_with("/share\n"), "{out}");
    assert_eq!(run["environment"]["kind"], "conda");
    let store = mlx::store::Store::open(&place.project.path(".mlx/store")).unwrap();
    let lock = store.read(&run["environment"]["lock"].as_str().unwrap().parse().unwrap()).unwrap();
    let expected = "@EXPLICIT\nhttps://host.example/channel/noarch/tool-1.0-0.conda#d41d8cd98f00b204e9800998ecf8427e\n";
    assert_eq!(String::from_utf8(lock).unwrap(), expected);
    place.mlx(&["env", "show"]).success().prints("tool==1.0");
    place.project.set("environment.yml", "channels: [here]\ndependencies: [tool=1] # the same\n");
    place.mlx(&["train"]).success().prints("1 up to date");
    place.project.set("environment.yml", "channels: [here]\ndependencies: [tool=1, more]\n");
    place.mlx(&["train"]).success().prints("its environment changed");
    assert_eq!(place.calls(), 2);
}

#[test]
fn a_lock_file_decides_the_environment() {
    let place = Place::new();

    place.mlx(&["env", "lock"]).success().prints("tool  added 1.0");

    let lock = place.project.read("environment.lock");
    assert!(lock.contains("\n@EXPLICIT\nhttps://host.example/channel/noarch/tool-1.0-0.conda#"), "{lock}");
    place.mlx(&["train"]).success();
    assert!(!place.project.read("out").contains("environment.yml"), "it is made from the lock file");
    place.mlx(&["env", "lock"]).success().prints("`environment.lock` is up to date: 1 package");
    place.project.set("environment.yml", "dependencies: [tool=2]\n");
    place.mlx(&["train"]).exits_with(2).says("`environment.lock` is out of date: environment.yml changed");
}

#[test]
fn what_can_not_be_installed_shows_what_was_said_and_leaves_nothing() {
    let place = Place::new();
    place.project.set("environment.yml", "dependencies: [broken]\n");

    place.mlx(&["train"]).exits_with(1).says("cannot install environment.yml: `micromamba` stopped with exit code 1");

    assert_eq!(place.mlx(&["env", "list", "--json"]).json().as_array().unwrap().len(), 0);
}

#[test]
fn without_conda_the_remedy_is_named() {
    let place = Place::new();
    std::fs::remove_file(place.project.home().join("bin/micromamba")).unwrap();
    if real().is_some() {
        eprintln!("SKIPPED: this machine has a conda");
        return;
    }

    place.mlx(&["train"]).exits_with(1).says("needs micromamba, mamba or conda, and none of them is on PATH");
}

/// The real program of this machine.
fn real() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    let names = ["micromamba", "mamba", "conda"];
    let found = std::env::split_paths(&path).flat_map(|directory| names.map(|name| directory.join(name)));
    found.into_iter().find(|program| program.is_file())
}

/// Makes a channel with one package of one script, in the layout that all of these programs read.
const CHANNEL: &str = r##"
import hashlib, io, json, os, sys, tarfile
root = sys.argv[1]
index = {"name": "tool", "version": "1.0", "build": "0", "build_number": 0, "depends": [], "subdir": "noarch", "noarch": "generic"}
script = b"#!/bin/sh\necho tool\n"
paths = [{"_path": "bin/tool", "path_type": "hardlink", "sha256": hashlib.sha256(script).hexdigest(), "size_in_bytes": len(script)}]
files = {"info/index.json": json.dumps(index), "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}), "info/files": "bin/tool\n"}
os.makedirs(root + "/noarch"); os.makedirs(root + "/linux-64")
name = root + "/noarch/tool-1.0-0.tar.bz2"
with tarfile.open(name, "w:bz2") as archive:
    for path, content in [*((path, text.encode()) for path, text in files.items()), ("bin/tool", script)]:
        entry = tarfile.TarInfo(path); entry.size = len(content); entry.mode = 0o755
        archive.addfile(entry, io.BytesIO(content))
data = open(name, "rb").read()
record = dict(index, md5=hashlib.md5(data).hexdigest(), sha256=hashlib.sha256(data).hexdigest(), size=len(data))
for subdir, packages in ("noarch", {"tool-1.0-0.tar.bz2": record}), ("linux-64", {}):
    json.dump({"info": {"subdir": subdir}, "packages": packages, "packages.conda": {}}, open(f"{root}/{subdir}/repodata.json", "w"))
"##;

#[test]
fn the_real_program_makes_an_environment_from_a_channel_in_a_directory() {
    let Some(program) = real() else {
        eprintln!("SKIPPED: neither micromamba nor mamba nor conda is installed");
        return;
    };
    let place = Place::new();
    std::fs::remove_file(place.project.home().join("bin/micromamba")).unwrap();
    let channel = place.project.home().join("channel");
    assert!(Command::new("python3").args(["-c", CHANNEL]).arg(&channel).status().unwrap().success());
    let file = format!("channels: ['file://{}', nodefaults]\ndependencies: [tool]\n", channel.display());
    place.project.set("environment.yml", file);

    place.mlx(&["env", "lock"]).success();
    place.mlx(&["train"]).success();

    assert!(place.project.read("out").starts_with("tool\n"), "{}", program.display());
}
