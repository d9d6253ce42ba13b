//! `.mlxignore` beside Git: the same lines keep the same files out, whatever they are.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{Project, noise};

const NAMES: [&[u8]; 22] = [
    b"a",
    b"b",
    b"ab",
    b"a.txt",
    b"b.log",
    b"x y",
    b"x ",
    b".h",
    "é".as_bytes(),
    b"[a]",
    b"a{b,c}",
    b"{a,b}",
    b"a*",
    b"#c",
    b"!n",
    b"q\\r",
    b"A",
    b"-z",
    b"z]",
    b"\xff",
    b"foo",
    b"1",
];

const SIGNS: [&[u8]; 36] = [
    b"*",
    b"?",
    b"a",
    b"b",
    b".",
    b"x",
    b"[ab]",
    b"[!a]",
    b"[^a]",
    b"[]a]",
    b"[!]a]",
    b"[a",
    b"\\*",
    b"\\[",
    b"\\a",
    b"{a,b}",
    b"{",
    b"}",
    b"**",
    b"[[:alpha:]]",
    b"[[:nope:]]",
    b"[a-]",
    b"[z-a]",
    b"[\\]]",
    b"foo",
    b"txt",
    b"log",
    b" ",
    b"\\ ",
    b"#",
    b"!",
    "é".as_bytes(),
    b"A",
    b"[--0]",
    b"[a-\\c]",
    b"\xff",
];

/// Choices that are the same in each run.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.0.next().unwrap()) % sides
    }

    fn name(&mut self) -> &'static [u8] {
        NAMES[self.roll(NAMES.len())]
    }

    fn line(&mut self) -> Vec<u8> {
        let mut line = if self.roll(4) == 0 { b"!".to_vec() } else { Vec::new() };
        line.extend(if self.roll(4) == 0 { &b"/"[..] } else { b"" });
        for part in 0..[1, 1, 1, 2, 3][self.roll(5)] {
            line.extend(if part > 0 { &b"/"[..] } else { b"" });
            match self.roll(4) {
                0 => line.extend(self.name()),
                1 => line.extend(b"**"),
                _ => (0..=self.roll(3)).for_each(|_| {
                    let sign = SIGNS[self.roll(SIGNS.len())];
                    // Git before 2.53 takes `a**` for a `**` by itself.
                    line.extend(if sign == b"**" { b"*" } else { sign });
                }),
            }
        }
        line.extend([&b""[..], b"", b"", b"/", b" ", b"\\ ", b"\r"][self.roll(7)]);
        line
    }

    /// A few files and directories, with lines for them.
    fn fill(&mut self, directory: &Path, depth: usize) {
        for _ in 0..3 + self.roll(4) {
            let path = directory.join(std::ffi::OsStr::from_bytes(self.name()));
            if path.exists() {
                continue;
            }
            if depth < 3 && self.roll(2) == 0 {
                fs::create_dir(&path).unwrap();
                self.fill(&path, depth + 1);
            } else {
                fs::write(&path, "").unwrap();
            }
        }
        if depth == 0 || self.roll(6) == 0 {
            let lines: Vec<Vec<u8>> = (0..=self.roll(3)).map(|_| self.line()).collect();
            fs::write(directory.join(".mlxignore"), lines.join(&b'\n')).unwrap();
        }
    }
}

/// The files in `data` that Git would take with the lines of these files.
fn taken_by_git(project: &Project, git: &str) -> BTreeSet<Vec<u8>> {
    let list = ["--git-dir", git, "--work-tree", ".", "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "-o"];
    let list = [&list[..], &["--exclude-per-directory=.mlxignore", "--", "data"]].concat();
    let output = project.other("git", &list).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The files in `data` that mlx versions.
fn taken(project: &Project) -> BTreeSet<Vec<u8>> {
    let outcome = project.mlx(&["add", "data"]);
    if outcome.stderr.contains("all that `data` holds is ignored") {
        return BTreeSet::new();
    }
    outcome.success();
    let listed = project.mlx(&["ls", "-R", "--json", "data"]).success().json();
    let files = listed["entries"].as_array().unwrap().iter().filter(|entry| entry["kind"] != "directory");
    files.map(|entry| mlx::fs::unescape(entry["path"].as_str().unwrap()).unwrap()).collect()
}

#[test]
fn the_lines_of_mlxignore_mean_what_they_mean_to_git() {
    let mut dice = Dice(noise(1 << 20, 7).into_iter());
    let git = Project::empty();
    git.git(&["init", "--quiet"]);
    let git = git.path(".git").to_string_lossy().into_owned();

    for round in 0..80 {
        let project = Project::with_manifest("");
        fs::create_dir(project.path("data")).unwrap();
        dice.fill(&project.path("data"), 0);
        let (ours, theirs) = (taken(&project), taken_by_git(&project, &git));
        let show = |paths: &BTreeSet<Vec<u8>>, others: &BTreeSet<Vec<u8>>| {
            paths.difference(others).map(|path| mlx::fs::escape(path)).collect::<Vec<_>>().join(", ")
        };
        let lines = mlx::fs::escape(&fs::read(project.path("data/.mlxignore")).unwrap());
        assert!(
            ours == theirs,
            "{round}, `{lines}`: only here {}; only Git {}",
            show(&ours, &theirs),
            show(&theirs, &ours)
        );
    }
}

#[test]
fn a_link_to_lines_says_nothing_wherever_it_lies() {
    let project =
        Project::with_manifest("").write("data/a.tmp", "1").write("data/sub/b.tmp", "2").write("lines", "*.tmp\n");
    symlink("lines", project.path(".mlxignore")).unwrap();
    symlink("../lines", project.path("data/.mlxignore")).unwrap();

    project.mlx(&["add", "data"]).success().prints("(3 files");
    project.set("data/sub/c.tmp", "3");
    project.mlx(&["add", "data/sub/c.tmp"]).success().prints("(4 files");
}
