//! Data that somebody made to do harm, or that a disk mangled: listings, recipes, packs and locks that say what is not so.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

use mlx::Digest;

use crate::harness::{Outcome, Project, files_below, noise};
use crate::services;

const RAW: u64 = 0;
const RECIPE: u64 = 2;

/// A project whose remote is a directory that another program writes.
struct Hostile(Project);

fn numbers(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

impl Hostile {
    fn new() -> Self {
        let project = Project::empty();
        let remote = project.home().join("remote");
        project.set("mlx.toml", format!("[remote.origin]\nurl = \"{}\"\n", remote.display()));
        fs::create_dir_all(remote.join("packs")).unwrap();
        fs::write(remote.join("mlx-remote"), "{\"mlx_remote\": 1}").unwrap();
        Self(project)
    }

    fn packs(&self) -> PathBuf {
        self.0.home().join("remote/packs")
    }

    /// Writes a sound pack that holds these stored bytes under this digest.
    fn pack(&self, digest: Digest, kind: u64, size: u64, stored: &[u8]) {
        let mut bytes = b"mlx pack 2\n".to_vec();
        let facts = numbers(&[stored.len() as u64, size, kind]);
        bytes.extend([digest.as_bytes().as_slice(), &facts].concat());
        let entry = [digest.as_bytes().as_slice(), &numbers(&[bytes.len() as u64]), &facts].concat();
        bytes.extend_from_slice(stored);
        let index = Digest::of(&entry);
        let start = bytes.len() as u64;
        bytes.extend([entry, numbers(&[start, 1]), index.as_bytes().to_vec(), b"mlx pack index 2".to_vec()].concat());
        fs::write(self.packs().join(format!("{}.pack", index.hex())), bytes).unwrap();
    }

    /// Puts an object on the remote as it is.
    fn object(&self, content: &[u8]) -> Digest {
        self.pack(Digest::of(content), RAW, content.len() as u64, content);
        Digest::of(content)
    }

    /// As [`Hostile::object`] for many, in one pack.
    fn many(&self, contents: &[Vec<u8>]) {
        let (mut bytes, mut entries) = (b"mlx pack 2\n".to_vec(), Vec::new());
        for content in contents {
            let digest = Digest::of(content);
            let facts = numbers(&[content.len() as u64, content.len() as u64, RAW]);
            bytes.extend([digest.as_bytes().as_slice(), &facts].concat());
            entries.push([digest.as_bytes().as_slice(), &numbers(&[bytes.len() as u64]), &facts].concat());
            bytes.extend_from_slice(content);
        }
        entries.sort();
        let (index, start) = (Digest::of(entries.concat()), bytes.len() as u64);
        let count = contents.len() as u64;
        bytes.extend([entries.concat(), numbers(&[start, count]), index.as_bytes().to_vec()].concat());
        bytes.extend_from_slice(b"mlx pack index 2");
        fs::write(self.packs().join(format!("{}.pack", index.hex())), bytes).unwrap();
    }

    /// Writes the lock, which names one path.
    fn lock(&self, path: &str, kind: &str, digest: Digest, size: u64, files: u64) {
        self.0.set(
            "mlx.lock",
            format!(
                "version = 1\n\n[path.\"{path}\"]\nkind = \"{kind}\"\ndigest = \"{digest}\"\nsize = {size}\nfiles = {files}\n"
            ),
        );
    }

    fn mlx(&self, arguments: &[&str]) -> Outcome {
        self.0.mlx(arguments)
    }

    /// What lies in the store, but for what is being written.
    fn stored(&self) -> usize {
        ["objects", "packs"].iter().map(|part| files_below(&self.0.path(".mlx/store").join(part)).len()).sum()
    }
}

/// A listing of files, in this order, whose content is `x`.
fn listing(names: &[&str]) -> Vec<u8> {
    let entry = |name: &&str| format!("f 1 {} {name}\0", Digest::of("x").hex());
    format!("mlx tree 1\n{}", names.iter().map(entry).collect::<String>()).into_bytes()
}

/// A recipe with these chunks.
fn recipe(chunks: &[(Digest, u64)]) -> Vec<u8> {
    let mut bytes = b"mlx recipe 1\n".to_vec();
    chunks.iter().for_each(|(digest, size)| bytes.extend([digest.as_bytes().as_slice(), &numbers(&[*size])].concat()));
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.as_bytes());
    bytes
}

#[test]
fn a_file_that_the_lock_calls_a_directory_is_none() {
    let project = Project::with_manifest("").write("a", "1\n");
    project.mlx(&["add", "a"]).success();
    let lock = project.read("mlx.lock");
    project.set("mlx.lock", lock.replace("kind = \"file\"", "kind = \"directory\""));
    fs::remove_file(project.path("a")).unwrap();

    project.mlx(&["verify"]).exits_with(4).prints("named as a directory").prints("breaks a");
    project.mlx(&["checkout"]).exits_with(1).says("is named as a directory, which it is not").says("mlx verify");

    project.set("mlx.lock", lock);
    project.mlx(&["verify"]).success();
    project.mlx(&["checkout"]).success();
}

#[test]
fn listings_that_are_none_are_refused_before_they_enter_the_store() {
    let cases: [(&[&str], &str); 5] = [
        (&["../x"], "it would make `data/../x`"),
        (&[".."], "it would make `data/..`"),
        (&[""], "it would make `data/`"),
        (&["b", "b"], "it would make `data/b`"),
        (&["b", "a"], "it would make `data/a`"),
    ];
    for (names, what) in cases {
        let hostile = Hostile::new();
        hostile.object(b"x");
        let tree = hostile.object(&listing(names));
        hostile.lock("data", "directory", tree, names.len() as u64, names.len() as u64);

        hostile.mlx(&["verify", "--remote"]).exits_with(4).prints("named as a directory, which it is not");
        for command in [&["fetch"][..], &["pull"], &["pull", "--repair"], &["push"]] {
            hostile.mlx(command).exits_with(1).says("`data` is refused").says(what);
        }
        assert_eq!(hostile.stored(), 0, "{names:?}");
        assert!(!hostile.0.exists("x") && !hostile.0.exists("data"));

        // As an older version may have stored it.
        let hex = tree.hex();
        hostile.0.set(format!(".mlx/store/objects/{}/{}", &hex[..2], &hex[2..]), listing(names));
        hostile.mlx(&["verify"]).exits_with(4).prints("is not what it is named as").prints("breaks data");
        hostile.mlx(&["checkout"]).exits_with(1).says("which it is not");
    }
}

#[test]
fn a_listing_deep_in_a_version_is_named_with_its_path() {
    let hostile = Hostile::new();
    hostile.object(b"x");
    let inner = hostile.object(&listing(&["../../x"]));
    let outer = hostile.object(format!("mlx tree 1\nd 1 1 {} inner\0", inner.hex()).as_bytes());
    hostile.lock("data", "directory", outer, 1, 1);

    hostile.mlx(&["fetch"]).exits_with(1).says("`data/inner` is refused: it would make `data/inner/../../x`");
    hostile.mlx(&["fetch", "data/inner/y"]).exits_with(1).says("`data/inner` is refused");
}

#[test]
fn what_the_lock_says_of_sizes_is_checked() {
    let project = Project::with_manifest("").write("f", "1\n").write("d/x", "xx").write("d/y", "yy");
    project.mlx(&["add", "f", "d"]).success();
    let lock = project.read("mlx.lock");
    fs::remove_file(project.path("f")).unwrap();
    fs::remove_dir_all(project.path("d")).unwrap();
    for (right, wrong) in [
        ("size = 2\n", "size = 7\n"),
        ("size = 2\n", "size = 9223372036854775807\n"),
        ("size = 4\n", "size = 40\n"),
        ("files = 2\n", "files = 3\n"),
    ] {
        assert!(lock.contains(right));
        project.set("mlx.lock", lock.replace(right, wrong));
        project.mlx(&["verify"]).exits_with(4).prints("is not what it is named as");
        project.mlx(&["checkout"]).exits_with(1).says("is not what it is named as");
    }
    project.set("mlx.lock", lock);
    project.mlx(&["verify"]).success();
    project.mlx(&["checkout"]).success();
}

#[test]
fn recipes_that_do_not_make_the_object_are_found_and_mended() {
    let big = noise(17 << 20, 1);
    let digest = Digest::of(&big);
    let (piece, other) = (noise(1 << 20, 1), vec![7; 1 << 20]);
    let itself = recipe(&[(digest, 1 << 20); 17]);
    let others = recipe(&[(Digest::of(&other), 1 << 20); 17]);
    let short = recipe(&[(Digest::of(&piece), 1 << 20)]);
    let cases = [
        ("itself", itself, 17 << 20),
        ("others", others, 17 << 20),
        ("short", short, 1 << 20),
        ("empty", recipe(&[]), 0),
    ];
    for (case, stored, size) in cases {
        let hostile = Hostile::new();
        hostile.object(&other);
        hostile.object(&piece);
        hostile.pack(digest, RECIPE, size, &stored);
        hostile.0.set("f", &big);
        hostile.mlx(&["add", "f"]).success();

        hostile.mlx(&["verify", "--remote"]).exits_with(4).says("mlx push");
        if size == big.len() as u64 {
            hostile.mlx(&["push", "--repair"]).success();
        } else {
            // That is known without reading anything there.
            hostile.mlx(&["push"]).success().prints("1 object");
        }

        hostile.mlx(&["verify", "--remote"]).success();
        fs::remove_dir_all(hostile.0.path(".mlx")).unwrap();
        fs::remove_file(hostile.0.path("f")).unwrap();
        hostile.mlx(&["pull"]).success();
        assert!(fs::read(hostile.0.path("f")).unwrap() == big, "{case}");
    }
}

#[test]
fn other_versions_of_formats_on_a_remote_are_refused_politely_and_stay() {
    type Write = fn(&Hostile) -> (&'static str, Digest, u64);
    let big = || noise(17 << 20, 1);
    let cases: [(Write, &str); 2] = [
        (
            |hostile| {
                let tree = hostile.object(b"mlx tree 2\nwhatever comes");
                ("directory", tree, 1)
            },
            "this directory listing has version 2",
        ),
        (
            |hostile| {
                let digest = Digest::of(noise(17 << 20, 1));
                hostile.pack(digest, RECIPE, 17 << 20, b"mlx recipe 2\nwhatever comes");
                ("file", digest, 17 << 20)
            },
            "as a recipe of version 2",
        ),
    ];
    for (write, says) in cases {
        let hostile = Hostile::new();
        let (kind, digest, size) = write(&hostile);
        hostile.lock("data", kind, digest, size, 1);
        let before = files_below(&hostile.packs());

        for command in [&["fetch"][..], &["pull"], &["verify", "--remote"], &["push", "--repair"]] {
            hostile.mlx(command).exits_with(1).says(says).says("install the mlx that wrote it");
        }

        assert_eq!((files_below(&hostile.packs()), hostile.stored()), (before, 0));
    }

    // Whoever has the large file need not read it there.
    let hostile = Hostile::new();
    hostile.pack(Digest::of(big()), RECIPE, 17 << 20, b"mlx recipe 2\nwhatever comes");
    hostile.0.set("data", big());
    hostile.mlx(&["add", "data"]).success();
    hostile.mlx(&["push"]).success().prints("Up to date");
}

#[test]
fn a_catalog_of_another_version_is_refused_politely() {
    // A server that lists nothing: `catalog` is all that leads to packs.
    let Some(server) = services::webdav("http://127.0.0.1:9/") else { return };
    let remote = server.dir.path().join("root/open/demo");
    fs::create_dir_all(&remote).unwrap();
    fs::write(remote.join("mlx-remote"), "{\"mlx_remote\": 1}").unwrap();
    let hostile = Hostile::new();
    hostile.0.set("mlx.toml", format!("remote.origin.url = 'http://127.0.0.1:{}/read/demo'\n", server.port));
    hostile.lock("data", "file", Digest::of("x"), 1, 1);
    for (catalog, says, hint) in [
        (
            "{\"mlx_catalog\": 2, \"packs\": []}",
            "has version 2; this mlx knows version 1",
            "install the mlx that wrote it",
        ),
        ("{\"mlx_catalog\"", "is damaged", "any `mlx push` to it writes that file anew"),
    ] {
        fs::write(remote.join("catalog"), catalog).unwrap();
        for command in [&["fetch"][..], &["pull"], &["verify", "--remote"]] {
            hostile.mlx(command).exits_with(1).says("`catalog` on the remote").says(says).says(hint);
        }
    }
}

#[test]
fn the_listing_of_very_many_files_travels_in_chunks() {
    let hostile = Hostile::new();
    hostile.object(b"x");
    let names: Vec<String> = (0..3000).map(|number| format!("{number:05}")).collect();
    let tree = listing(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let chunks: Vec<(Digest, u64)> =
        tree.chunks(64 << 10).map(|chunk| (hostile.object(chunk), chunk.len() as u64)).collect();
    hostile.pack(Digest::of(&tree), RECIPE, tree.len() as u64, &recipe(&chunks));
    hostile.lock("data", "directory", Digest::of(&tree), 3000, 3000);

    hostile.mlx(&["verify", "--remote"]).success();
    hostile.mlx(&["pull"]).success();
    assert_eq!(hostile.0.read("data/02999"), "x");
}

#[test]
fn the_index_of_a_pack_is_not_larger_than_what_it_can_hold() {
    for (length, count, what) in [
        (3_u64 << 30, 50_000_000_u64, "its footer is damaged"),
        (4 << 30, 30_000_000, "claims to hold 30000000 objects"),
    ] {
        let hostile = Hostile::new();
        hostile.0.set("a", "a");
        hostile.mlx(&["add", "a"]).success();
        let name = Digest::of("index");
        let file = fs::File::create(hostile.packs().join(format!("{}.pack", name.hex()))).unwrap();
        file.set_len(length).unwrap();
        let start = length - 64 - 64 * count;
        let footer = [numbers(&[start, count]), name.as_bytes().to_vec(), b"mlx pack index 2".to_vec()].concat();
        file.write_all_at(&footer, length - 64).unwrap();

        // Of its 4 GiB of address space the program needs little more than its threads.
        let mlx = env!("CARGO_BIN_EXE_mlx");
        let script = format!("ulimit -v 4000000; exec '{mlx}' push --dry-run");
        hostile.0.outcome(&mut hostile.0.other("sh", &["-c", &script])).success();
        hostile.0.outcome(&mut hostile.0.other("sh", &["-c", &script.replace("push --dry-run", "fetch")])).success();
        assert!(!hostile.0.exists(format!(".mlx/remotes/{}", name.hex())));
        let _ = what;
    }
}

#[test]
fn listings_that_name_each_other_again_and_again_are_not_walked() {
    for empty in [false, true] {
        let hostile = Hostile::new();
        hostile.object(b"x");
        let leaf = if empty { b"mlx tree 1\n".to_vec() } else { listing(&["x"]) };
        let (mut digest, mut files) = (hostile.object(&leaf), u64::from(!empty));
        for _ in 0..40 {
            let entry = |name: &str| format!("d {files} {files} {} {name}\0", digest.hex());
            digest = hostile.object(format!("mlx tree 1\n{}{}", entry("a"), entry("b")).as_bytes());
            files *= 2;
        }
        hostile.lock("data", "directory", digest, files, files);

        hostile.mlx(&["fetch"]).success();
        hostile.mlx(&["ls", "data"]).success().prints("data/b");
        hostile.mlx(&["verify"]).success();
        for command in [&["checkout"][..], &["pull"], &["ls", "-R", "data"]] {
            hostile.mlx(command).exits_with(1).says("100000000 are the most that mlx walks over");
        }
        hostile.mlx(&["gc", "--grace", "0s", "--yes"]).success().prints("Removed 0 objects");
    }
}

#[test]
fn directories_that_nest_without_end_are_refused() {
    let hostile = Hostile::new();
    hostile.object(b"x");
    let mut digest = hostile.object(&listing(&["x"]));
    let mut trees = Vec::new();
    for _ in 0..10_000 {
        let tree = format!("mlx tree 1\nd 1 1 {} d\0", digest.hex()).into_bytes();
        digest = Digest::of(&tree);
        trees.push(tree);
    }
    hostile.many(&trees);
    hostile.lock("data", "directory", digest, 1, 1);

    for command in [&["pull"][..], &["checkout"], &["ls", "-R", "data"]] {
        hostile.mlx(command).exits_with(1).says("nest too deep");
    }
    // It can be looked at, one directory at a time, and goes when nothing names it.
    hostile.mlx(&["ls", "data"]).success().prints("data/d");
    hostile.mlx(&["verify"]).success();
    hostile.mlx(&["push"]).success();
    hostile.mlx(&["diff"]).exits_with(1).says("nest too deep");
    hostile.mlx(&["gc", "--grace", "0s", "--yes"]).success().prints("Removed 0 objects");
    hostile.0.set("mlx.lock", "version = 1\n");
    hostile.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    assert_eq!(hostile.stored(), 0);
}

#[test]
fn an_index_that_says_another_thing_than_its_pack_is_found_out() {
    let content = b"what the object is".as_slice();
    let digest = Digest::of(content);
    type Lie = fn(&mut [u64; 4]);
    let lies: [(&str, Lie); 4] = [
        ("a shorter one", |facts| facts[1] -= 1),
        ("a longer one", |facts| facts[1] += 1),
        ("another size", |facts| facts[2] += 1),
        ("elsewhere", |facts| facts[0] += 3),
    ];
    for (what, lie) in lies {
        let hostile = Hostile::new();
        let length = content.len() as u64;
        let head = [digest.as_bytes().as_slice(), &numbers(&[length, length, RAW])].concat();
        let mut facts = [11 + 56, length, length, RAW];
        lie(&mut facts);
        let entry = [digest.as_bytes().as_slice(), &numbers(&facts)].concat();
        let index = Digest::of(&entry);
        let end = [numbers(&[11 + 56 + length, 1]), index.as_bytes().to_vec(), b"mlx pack index 2".to_vec()].concat();
        let bytes = [b"mlx pack 2\n".as_slice(), &head, content, &entry, &end].concat();
        let name = format!("{}.pack", index.hex());
        fs::write(hostile.packs().join(&name), &bytes).unwrap();
        hostile.lock("f", "file", digest, length, 1);

        hostile.mlx(&["pull"]).exits_with(1).says("on the remote");
        assert_eq!((hostile.0.exists("f"), hostile.stored()), (false, 0), "{what}");
        hostile.mlx(&["verify", "--remote"]).exits_with(4);

        // The same in the store here.
        hostile.0.set(format!(".mlx/store/packs/{name}"), &bytes);
        hostile.mlx(&["checkout"]).exits_with(1);
        assert!(!hostile.0.exists("f"), "{what}");
        hostile.mlx(&["verify"]).exits_with(4).prints("put aside");
        // What was sound in it was saved.
        hostile.mlx(&["checkout"]).success();
        assert_eq!(hostile.0.read("f").as_bytes(), content);
        hostile.mlx(&["push"]).success();
        hostile.mlx(&["push", "--repair"]).success();
        hostile.mlx(&["verify", "--remote"]).success();
    }
}

#[test]
fn totals_that_can_not_be_are_refused() {
    let hostile = Hostile::new();
    let leaf = hostile.object(&listing(&["x"]));
    let entry = |name: &str, files: u64| format!("d {files} {files} {} {name}\0", leaf.hex());
    let over = hostile.object(format!("mlx tree 1\n{}{}", entry("a", 1 << 63), entry("b", 1 << 63)).as_bytes());
    hostile.lock("data", "directory", over, 0, 0);
    hostile.mlx(&["fetch"]).exits_with(1).says("add up to more than there can be");

    let lie = hostile.object(format!("mlx tree 1\n{}", entry("a", 7)).as_bytes());
    hostile.lock("data", "directory", lie, 7, 7);
    hostile.mlx(&["fetch"]).exits_with(1).says("`data/a` is refused").says("holds 1 files of 1 bytes");
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let mlx = env!("CARGO_BIN_EXE_mlx");
    let hostile = Hostile::new();
    hostile.0.set("a", "a");
    hostile.mlx(&["add", "a"]).success();
    hostile.mlx(&["push"]).success();
    let memory = files_below(&hostile.0.path(".mlx/remotes"));
    let mut places: Vec<PathBuf> =
        [".mlx/index", "mlx.lock", ".mlx/config.toml", ".mlx/store/locks/gc"].map(|path| hostile.0.path(path)).to_vec();
    places.push(hostile.0.home().join("remote/mlx-remote"));
    assert!(memory.len() > 1);
    places.extend(memory);
    for place in places {
        let before = fs::read(&place).ok();
        let _ = fs::remove_file(&place);
        assert!(hostile.0.other("mkfifo", &[place.to_str().unwrap()]).status().unwrap().success());
        for command in ["status", "push", "verify"] {
            let outcome = hostile.0.outcome(&mut hostile.0.other("timeout", &["--signal=KILL", "60", mlx, command]));
            // What can be made again is; of the rest the error tells.
            match outcome.stderr.contains("a named pipe") {
                true => drop(outcome.exits_with(1)),
                false => drop(outcome.success()),
            }
        }
        if fs::symlink_metadata(&place).is_ok_and(|found| !found.is_file()) {
            fs::remove_file(&place).unwrap();
        }
        if let Some(before) = before.filter(|_| !place.exists()) {
            fs::write(&place, before).unwrap();
        }
    }
    hostile.mlx(&["verify"]).success();
}

#[test]
fn who_finds_damage_on_a_remote_is_told_what_mends_it_from_anywhere() {
    let hostile = Hostile::new();
    hostile.0.set("a", "abc".repeat(50));
    hostile.mlx(&["add", "a"]).success();
    hostile.mlx(&["push"]).success();
    let pack = files_below(&hostile.packs()).remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    bytes[70] ^= 1;
    fs::write(&pack, bytes).unwrap();
    fs::remove_dir_all(hostile.0.path(".mlx/remotes")).unwrap();

    hostile.mlx(&["verify", "--remote"]).exits_with(4).says("`mlx push --repair` from a clone");
    fs::remove_dir_all(hostile.0.path(".mlx/remotes")).unwrap();
    hostile.mlx(&["push", "--repair"]).success();
    hostile.mlx(&["verify", "--remote"]).success();
}

#[test]
fn a_mark_without_an_end_is_told_with_what_to_do() {
    let hostile = Hostile::new();
    fs::write(hostile.0.home().join("remote/mlx-remote"), vec![b' '; 1 << 20]).unwrap();

    hostile
        .mlx(&["fetch"])
        .exits_with(1)
        .says("`mlx-remote` on the remote `[root]/home/remote` is longer than")
        .says("{\"mlx_remote\": 1}");
}

#[test]
fn links_to_what_can_not_be_are_told() {
    for target in [&b"a\0b"[..], &[b'x'; 5000]] {
        let hostile = Hostile::new();
        let link = hostile.object(target);
        let (size, hex) = (target.len() as u64, link.hex());
        let tree = hostile.object(format!("mlx tree 1\nl {size} {hex} link\0").as_bytes());
        hostile.lock("data", "directory", tree, size, 1);

        hostile
            .mlx(&["pull"])
            .exits_with(1)
            .says("data/link`: it is a link")
            .says("no file system can name")
            .says("another program");
    }
}

#[test]
fn who_can_not_write_to_the_store_is_told_so() {
    let project = Project::with_manifest("").write("a", "a").write("b", noise(3 << 20, 1));
    project.mlx(&["add", "a"]).success();
    // A file in the place of the directory of locks stops everybody, root too.
    fs::remove_dir_all(project.path(".mlx/store/locks")).unwrap();
    project.set(".mlx/store/locks", "");

    project.mlx(&["add", "b"]).exits_with(1).says(".mlx/store/locks").says("`store.path` in .mlx/config.toml");
}

#[test]
fn a_lock_of_very_many_paths_is_read_once() {
    let project = Project::with_manifest("");
    let block = |number: u32| {
        format!(
            "\n[path.\"d/{number:06}\"]\nkind = \"file\"\ndigest = \"{}\"\nsize = 1\nfiles = 1\n",
            Digest::of(number.to_le_bytes())
        )
    };
    project.set("mlx.lock", format!("version = 1\n{}", (0..40_000).map(block).collect::<String>()));

    // It has 5 MB; this much address space was too little for two documents of it, beside that of the program.
    let listed = project.mlx(&["ls", "--json"]).success().json();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 40_000);
    project.set("mlx.lock", format!("{}\n", project.read("mlx.lock").replace("version = 1\n", "version = 99\n")));
    project.mlx(&["ls"]).exits_with(2).says("has version 99");
}

#[test]
fn a_long_lock_takes_little_memory() {
    let project = Project::with_manifest("").write("new", "new");
    let digest = Digest::of("x");
    let block = |number: u32| {
        format!("\n[path.\"d/{number:06}\"]\nkind = \"file\"\ndigest = \"{digest}\"\nsize = 1\nfiles = 1\n")
    };
    let text = format!("version = 1\n{}", (0..120_000).map(block).collect::<String>());
    assert!(text.len() > 14 << 20);
    project.set("mlx.lock", text);
    // What the program may allocate, in KiB: a document of the whole text would take twice as much.
    let mlx = |arguments: &str| {
        let script = format!("ulimit -d 180000; exec '{}' {arguments}", env!("CARGO_BIN_EXE_mlx"));
        project.outcome(&mut project.other("sh", &["-c", &script]))
    };

    mlx("ls d/000007").success().prints("d/000007");
    mlx("add new").success();
    mlx("untrack d/000007").success();

    let lock = project.read("mlx.lock");
    assert!(lock.contains("[path.\"new\"]") && !lock.contains("d/000007") && lock.contains("[path.\"d/119999\"]"));
    project.set("mlx.lock", lock.replace("[path.\"d/119998\"]", "[path.\"d/119999\"]"));
    project.mlx(&["ls"]).exits_with(2).says("duplicate key");
}

#[test]
fn a_damaged_object_gives_way_to_the_content_that_was_just_read() {
    let project = Project::with_manifest("");
    for (name, content) in [("small", b"a few bytes".to_vec()), ("large", noise(3 << 20, 1))] {
        project.set(name, &content);
        project.mlx(&["add", name]).success();
        let hex = Digest::of(&content).hex();
        let object = project.path(format!(".mlx/store/objects/{}/{}", &hex[..2], &hex[2..]));
        let mut damaged = content.clone();
        damaged[5] ^= 1;
        fs::set_permissions(&object, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(&object, damaged).unwrap();

        let copy = format!("{name}-copy");
        project.set(&copy, &content);
        project.mlx(&["add", &copy]).success();

        assert!(fs::read(&object).unwrap() == content);
    }
    project.mlx(&["verify"]).success();
}

#[test]
fn what_a_remote_had_is_told_as_such() {
    let hostile = Hostile::new();
    (0..10).for_each(|number| hostile.0.set(format!("data/{number}"), format!("content {number}")));
    hostile.mlx(&["add", "data"]).success();
    hostile.mlx(&["push"]).success();
    fs::remove_dir_all(hostile.packs()).unwrap();
    ["objects", "packs"].iter().for_each(|part| drop(fs::remove_dir_all(hostile.0.path(".mlx/store").join(part))));

    let verified = hostile.mlx(&["verify"]).success();
    let verified = verified.prints("looked last (20").prints("1 object, which stands for 10 files");
    verified.prints("`mlx verify --remote` looks again");
    let told = hostile.mlx(&["verify", "--json"]).success().json();
    assert_eq!((&told["remembered"], &told["remembered_files"]), (&1.into(), &10.into()));
    hostile.mlx(&["verify", "--remote"]).exits_with(4);
}

#[test]
fn a_neighbour_that_can_not_be_looked_at_hides_nothing_of_ours() {
    let shared = tempfile::Builder::new().prefix("mlx-store-").tempdir().unwrap();
    let store = shared.path().join("store");
    fs::create_dir(&store).unwrap();
    let open = |path: &std::path::Path| fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    [shared.path(), &store].into_iter().for_each(open);
    let project = || {
        let setting = format!("[store]\npath = '{}'\n", store.display());
        Project::with_manifest("").write(".mlx/config.toml", setting).write("data/x", "x")
    };
    let (theirs, ours) = (project(), project());
    theirs.mlx(&["add", "data"]).success();
    ours.mlx(&["add", "data"]).success();
    fs::set_permissions(theirs.root(), PermissionsExt::from_mode(0o000)).unwrap();
    let mlx = env!("CARGO_BIN_EXE_mlx");
    let is_root = ours.other("id", &["-u"]).output().unwrap().stdout == b"0\n";
    let as_other = |arguments: &[&str]| {
        let drop_rights = ["--reuid=65534", "--regid=65534", "--clear-groups", mlx];
        let mut command = match is_root {
            true => ours.other("setpriv", &[&drop_rights, arguments].concat()),
            false => ours.command(arguments),
        };
        ours.outcome(&mut command)
    };
    if is_root {
        ours.other("chmod", &["-R", "a+rwX", ours.root().parent().unwrap().to_str().unwrap()]).status().unwrap();
        ours.other("chmod", &["-R", "a+rwX", store.to_str().unwrap()]).status().unwrap();
    }

    as_other(&["verify"]).success().prints("Sound: 2 objects").says("which uses this store too");
    as_other(&["gc", "--grace", "0s", "--yes"]).exits_with(1).says("which uses this store too");
    fs::set_permissions(theirs.root(), PermissionsExt::from_mode(0o755)).unwrap();
}
