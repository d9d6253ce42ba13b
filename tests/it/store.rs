//! The store as users meet it: shared between projects, looked at, collected, and with things in it that do not belong.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Outcome, Project, files_below};

/// A directory for a store, and projects that use it.
struct Shared(TempDir);

impl Shared {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("mlx-store-").tempdir().unwrap();
        fs::create_dir(dir.path().join("store")).unwrap();
        Self(dir)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join("store").join(path)
    }

    fn setting(&self) -> String {
        format!("[store]\npath = '{}'\n", self.path("").display())
    }

    fn project(&self) -> Project {
        Project::with_manifest("").write(".mlx/config.toml", self.setting())
    }
}

fn write_many(project: &Project, directory: &str, round: &str) {
    (0..20).for_each(|number| project.set(format!("{directory}/{number}"), format!("{round} {number}")));
}

/// The file of an object with this content, in the project's own store.
fn object(project: &Project, content: &[u8]) -> PathBuf {
    let hex = mlx::Digest::of(content).hex();
    project.path(".mlx/store/objects").join(&hex[..2]).join(&hex[2..])
}

/// Changes a read-only file, as a disk does.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn projects_share_objects_and_collect_no_garbage_of_each_other() {
    let shared = Shared::new();
    let (one, two) = (shared.project(), shared.project());
    for project in [&one, &two] {
        write_many(project, "data", "same");
        project.mlx(&["add", "data"]).success();
    }
    assert_eq!(files_below(&shared.path("packs")).len(), 1);
    assert!(!one.exists(".mlx/store/objects") && !one.exists(".mlx/store/packs"));

    write_many(&one, "data", "new");
    one.mlx(&["add", "data"]).success();
    let collected = one.mlx(&["gc", "--grace", "0s", "--yes", "--json"]).success().json();

    assert_eq!((&collected["objects"], &collected["kept"]), (&0.into(), &42.into()));
    assert_eq!(collected["neighbours"][0], two.root().canonicalize().unwrap().to_str().unwrap());
    fs::remove_dir_all(two.path("data")).unwrap();
    two.mlx(&["checkout"]).success();
    assert_eq!(two.read("data/7"), "same 7");
    two.mlx(&["verify"]).success();

    // What neither needs any more goes, whoever collects it.
    write_many(&two, "data", "new");
    two.mlx(&["add", "data"]).success();
    one.mlx(&["gc", "--grace", "0s", "--yes"]).success().prints("Removed 21 objects");
    two.mlx(&["verify"]).success();
}

#[test]
fn a_project_that_cannot_be_read_stops_the_collection() {
    let shared = Shared::new();
    let (one, two) = (shared.project(), shared.project());
    one.set("a", "a");
    one.mlx(&["add", "a"]).success();
    two.set("b", "b");
    two.mlx(&["add", "b"]).success();
    let lock = two.read("mlx.lock");
    two.set("mlx.lock", "version = ");

    one.mlx(&["gc", "--grace", "0s", "--yes"]).exits_with(2).says("which uses this store too").says("mlx.lock, line 1");
    one.mlx(&["verify"]).success().says("cannot tell what the project");
    two.set("mlx.lock", lock);
    one.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    two.mlx(&["verify"]).success();
}

#[test]
fn a_project_that_is_gone_is_forgotten_only_when_told() {
    let shared = Shared::new();
    let one = shared.project();
    one.set("a", "a");
    one.mlx(&["add", "a"]).success();
    let two = shared.project();
    two.set("b", "b");
    two.mlx(&["add", "b"]).success();
    drop(two);

    one.mlx(&["gc", "--grace", "0s", "--yes"]).exits_with(1).says("is not there").says("mlx gc --forget-missing");
    one.mlx(&["gc", "--grace", "0s", "--forget-missing"])
        .success()
        .prints("Would forget")
        .prints("Would remove 1 object");
    one.mlx(&["gc", "--grace", "0s", "--yes"]).exits_with(1);
    one.mlx(&["gc", "--grace", "0s", "--yes", "--forget-missing"])
        .success()
        .prints("Forgot")
        .prints("Removed 1 object");
    one.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    one.mlx(&["verify"]).success();
}

#[test]
fn a_store_inside_another_project_serves_both() {
    let owner = Project::with_manifest("").write("a", "a");
    owner.mlx(&["add", "a"]).success();
    let setting = format!("[store]\npath = '{}'\n", owner.path(".mlx/store").display());
    let guest = Project::with_manifest("").write(".mlx/config.toml", setting).write("b", "b");
    guest.mlx(&["add", "b"]).success();

    for project in [&owner, &guest] {
        project.mlx(&["gc", "--grace", "0s", "--yes"]).success().prints("Removed 0 objects");
        owner.mlx(&["verify"]).success();
        guest.mlx(&["verify"]).success();
    }
}

#[test]
fn objects_from_before_are_brought_over_and_never_taken_for_missing() {
    let shared = Shared::new();
    let project = Project::with_manifest("").write("large", "large ".repeat(400_000));
    write_many(&project, "data", "first");
    project.mlx(&["add", "data", "large"]).success();
    project.set(".mlx/config.toml", shared.setting());

    project.mlx(&["status"]).exits_with(2).says("still holds objects").says("mlx cache --adopt");
    project.mlx(&["cache", "--adopt"]).success().prints("Brought 22 objects over");

    assert!(!project.exists(".mlx/store/objects") && !project.exists(".mlx/store/packs"));
    for path in ["data", "large"] {
        if path == "data" { fs::remove_dir_all(project.path(path)) } else { fs::remove_file(project.path(path)) }
            .unwrap();
    }
    project.mlx(&["checkout"]).success();
    assert_eq!(project.read("data/7"), "first 7");
    project.mlx(&["verify"]).success();
    project.mlx(&["cache", "--adopt"]).success().prints("Brought 0 objects over");
}

#[test]
fn a_damaged_object_is_not_brought_over() {
    let shared = Shared::new();
    let content = "large ".repeat(400_000);
    let project = Project::with_manifest("").write("large", &content);
    project.mlx(&["add", "large"]).success();
    damage(&object(&project, content.as_bytes()));
    project.set(".mlx/config.toml", shared.setting());

    project.mlx(&["cache", "--adopt"]).exits_with(1).says("is damaged").says("mlx verify");

    assert!(object(&project, content.as_bytes()).exists());
}

#[test]
fn a_store_for_a_group_stays_one_whatever_the_umask() {
    let shared = Shared::new();
    fs::set_permissions(shared.path(""), PermissionsExt::from_mode(0o2775)).unwrap();
    let project = shared.project();
    write_many(&project, "data", "first");
    project.set("large", "large ".repeat(400_000));

    for arguments in ["add data large", "gc --grace 0s --yes", "verify"] {
        let script = format!("umask 077; exec \"$MLX\" {arguments}");
        let mut command = project.other("sh", &["-c", &script]);
        project.outcome(command.env("MLX", env!("CARGO_BIN_EXE_mlx"))).success();
    }

    for entry in walkdir::WalkDir::new(shared.path("")) {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().mode() & 0o7777;
        let name = entry.path().strip_prefix(shared.path("")).unwrap().to_string_lossy().into_owned();
        let expected = match name.as_str() {
            _ if entry.file_type().is_dir() => 0o2775,
            "locks/gc" => 0o664,
            name if name.starts_with("projects/") => 0o664,
            _ => 0o444,
        };
        assert_eq!(mode, expected, "{name}: {mode:o}");
    }
}

/// Runs the program as a user who owns the project, but not the store; `None`, loudly, where that can't be tried.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn as_another_user(project: &Project, arguments: &[&str]) -> Option<Outcome> {
    const NOBODY: u32 = 65534;
    let home = project.root().parent().unwrap().to_path_buf();
    fs::set_permissions(&home, PermissionsExt::from_mode(0o755)).unwrap();
    for entry in walkdir::WalkDir::new(&home) {
        if std::os::unix::fs::lchown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).is_err() {
            eprintln!("SKIPPED: only root can become another user");
            assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "CI must be able to");
            return None;
        }
    }
    let user = format!("--reuid={NOBODY}");
    let group = format!("--regid={NOBODY}");
    let program = home.join("mlx");
    fs::copy(env!("CARGO_BIN_EXE_mlx"), &program).unwrap();
    let words = [&[&user, &group, "--clear-groups", program.to_str().unwrap()], arguments].concat();
    Some(project.outcome(&mut project.other("setpriv", &words)))
}

#[test]
fn a_store_that_is_not_ours_to_write_to_can_be_read() {
    let shared = Shared::new();
    fs::set_permissions(shared.0.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let project = shared.project();
    write_many(&project, "data", "first");
    project.mlx(&["add", "data"]).success();
    fs::remove_dir_all(project.path("data")).unwrap();

    let Some(outcome) = as_another_user(&project, &["checkout"]) else { return };
    outcome.success();
    assert_eq!(project.read("data/7"), "first 7");
    for command in ["status", "verify", "cache", "gc"] {
        as_another_user(&project, &[command]).unwrap().success();
    }
    project.set("data/new", "new");
    as_another_user(&project, &["add", "data"]).unwrap().exits_with(1).says("Permission denied");
}

#[test]
fn an_object_that_may_not_be_read_is_named_and_stays() {
    let project = Project::with_manifest("").write("a", "alpha");
    project.mlx(&["add", "a"]).success();
    let object = object(&project, b"alpha");
    fs::set_permissions(&object, PermissionsExt::from_mode(0o000)).unwrap();

    let Some(outcome) = as_another_user(&project, &["verify"]) else { return };

    // Its owner may look at it again.
    outcome.exits_with(4).prints("can't be read").prints("breaks a");
    assert!(object.exists());
}

#[test]
fn a_pack_that_may_not_be_read_is_named_and_stays() {
    let project = Project::with_manifest("");
    write_many(&project, "data", "first");
    project.mlx(&["add", "data"]).success();
    let pack = files_below(&project.path(".mlx/store/packs")).remove(0);
    fs::set_permissions(&pack, PermissionsExt::from_mode(0o000)).unwrap();

    let Some(outcome) = as_another_user(&project, &["verify"]) else { return };

    outcome.exits_with(1).says("Permission denied").says("its owner may look at it again");
    assert!(pack.exists() && !project.exists(".mlx/store/quarantine"));
    as_another_user(&project, &["gc", "--grace", "0s", "--yes"]).unwrap().exits_with(1).says("Permission denied");
    assert!(pack.exists());
    fs::set_permissions(&pack, PermissionsExt::from_mode(0o444)).unwrap();
    as_another_user(&project, &["verify"]).unwrap().success();
}

#[test]
fn small_objects_that_came_one_by_one_are_put_together() {
    let project = Project::with_manifest("");
    for round in 0..12 {
        (0..6).for_each(|number| project.set(format!("d{round}/{number}"), format!("{round} {number}")));
        project.mlx(&["add", &format!("d{round}")]).success();
    }
    let loose = || files_below(&project.path(".mlx/store/objects")).len();
    assert_eq!(loose(), 84);

    project.mlx(&["gc"]).success().prints("Would put 84 small objects together").says("mlx gc --yes");
    assert_eq!(loose(), 84);
    project.mlx(&["gc", "--yes"]).success().prints("Put 84 small objects together");

    assert_eq!((loose(), files_below(&project.path(".mlx/store/packs")).len()), (0, 1));
    project.mlx(&["gc"]).success().prints("Would remove 0 objects (0 B); 84 objects in use");
    (0..12).for_each(|round| fs::remove_dir_all(project.path(format!("d{round}"))).unwrap());
    project.mlx(&["checkout"]).success();
    assert_eq!(project.read("d7/3"), "7 3");
    project.mlx(&["verify"]).success();
}

#[test]
fn half_empty_packs_are_put_together() {
    let project = Project::with_manifest("");
    for round in 0..3 {
        write_many(&project, &format!("d{round}"), &format!("round {round}"));
        project.mlx(&["add", &format!("d{round}")]).success();
    }
    assert_eq!(files_below(&project.path(".mlx/store/packs")).len(), 3);

    project.mlx(&["gc", "--yes"]).success().prints("Put 3 small packs together");

    assert_eq!(files_below(&project.path(".mlx/store/packs")).len(), 1);
    project.mlx(&["verify"]).success();
}

#[test]
fn the_report_says_what_takes_room_and_who_needs_it() {
    let large = "large ".repeat(400_000);
    let step = "[step.copy]\ncmd = 'cp large copy'\ndeps = ['large']\nouts = ['copy']\n";
    let project = Project::with_manifest(step).write("large", &large);
    write_many(&project, "data", "old");
    project.mlx(&["add", "large", "data"]).success();
    project.mlx(&["train"]).success();
    project.commit("first");
    write_many(&project, "data", "new");
    project.mlx(&["add", "data"]).success();
    project.set("data/other", "no longer needed");
    project.mlx(&["add", "data"]).success();
    fs::remove_file(project.path("data/other")).unwrap();
    project.mlx(&["add", "data"]).success();

    let report = project.mlx(&["cache", "--json"]).success().json();

    let need = |purpose: &str| {
        let needs = report["needed_for"].as_array().unwrap().iter();
        needs.filter(|need| need["purpose"] == purpose).map(|need| need["count"].as_u64().unwrap()).sum::<u64>()
    };
    // A tree each for the old, the new, and the version that nothing names.
    assert_eq!((need("path"), need("history"), need("nothing")), (22, 21, 2), "{report:#}");
    let entry = |name: &str| {
        let mut entries = report["entries"].as_array().unwrap().iter();
        entries.find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"))
    };
    assert_eq!((&entry("large")["bytes"], &entry("copy")["shared_bytes"]), (&large.len().into(), &large.len().into()));
    assert_eq!(entry("data (other versions)")["count"], 21);
    assert_eq!(report["packed"]["count"], 42);
    project.mlx(&["cache"]).success().prints("other commits only").prints("loose files").says("mlx gc");
    // The plan of a collection is the same story.
    let plan = project.mlx(&["gc", "--grace", "0s", "--json"]).success().json();
    assert_eq!(plan["objects"], 2);
}

#[test]
fn an_empty_store_has_a_report_too() {
    Project::with_manifest("").mlx(&["cache"]).success().prints("Store");
}

#[test]
fn what_was_put_aside_is_stored_again_though_nothing_changed() {
    let large = "large ".repeat(400_000);
    let project = Project::with_manifest("").write("large", &large);
    write_many(&project, "data", "first");
    project.mlx(&["add", "large", "data"]).success();
    project.mlx(&["status"]).success();
    damage(&object(&project, large.as_bytes()));
    let pack = files_below(&project.path(".mlx/store/packs")).remove(0);
    damage(&pack);
    project.mlx(&["verify"]).exits_with(4).prints("put aside");
    project.mlx(&["verify"]).exits_with(4).prints("is missing");

    project.mlx(&["add", "large", "data"]).success();

    project.mlx(&["verify"]).success();
    fs::remove_file(project.path("large")).unwrap();
    project.mlx(&["checkout"]).success();
    assert_eq!(project.read("large"), large);
}

#[test]
fn a_directory_whose_listing_is_lost_stops_the_collection() {
    let project = Project::with_manifest("").write("data/a", "alpha").write("data/b", "beta");
    project.mlx(&["add", "data"]).success();
    let names_tree = |path: &PathBuf| fs::read(path).unwrap().starts_with(b"mlx tree");
    let tree = files_below(&project.path(".mlx/store/objects")).into_iter().find(names_tree).unwrap();
    damage(&tree);
    let gc = || project.mlx(&["gc", "--grace", "0s", "--yes"]);

    gc().exits_with(1).says("is damaged").says("mlx verify");
    project.mlx(&["verify"]).exits_with(4);
    gc().exits_with(1).says("can't be told").says("mlx add");
    project.mlx(&["add", "data"]).success();
    gc().success();
    project.mlx(&["verify"]).success();
}

#[test]
fn other_versions_of_formats_are_refused_and_never_put_aside() {
    let project = Project::with_manifest("").write("data/a", "alpha");
    write_many(&project, "many", "first");
    project.mlx(&["add", "data", "many"]).success();
    let lock = project.read("mlx.lock");

    // A listing that another version wrote, under its own name.
    let tree = b"mlx tree 2\nwhatever comes";
    let path = object(&project, tree);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, tree).unwrap();
    let old = lock.lines().find(|line| line.contains("sha256:")).unwrap().split('"').nth(1).unwrap();
    project.set("mlx.lock", lock.replace(old, &mlx::Digest::of(tree).to_string()));
    for command in [&["verify"][..], &["gc", "--yes"], &["checkout", "--force"]] {
        project.mlx(command).exits_with(1).says("version 2").says("install the mlx that wrote it");
    }
    assert!(path.exists());
    project.set("mlx.lock", &lock);
    fs::remove_file(&path).unwrap();

    // A pack.
    let pack = files_below(&project.path(".mlx/store/packs")).remove(0);
    let mut bytes = fs::read(&pack).unwrap();
    let end = bytes.len() - 1;
    bytes[end] = b'7';
    let next = pack.with_file_name(format!("{}.pack", mlx::Digest::of("next").hex()));
    fs::write(&next, bytes).unwrap();
    for command in [&["verify"][..], &["gc", "--yes"]] {
        project
            .mlx(command)
            .exits_with(1)
            .says("has version 7 of the pack format")
            .says("install the mlx that wrote it");
    }
    assert!(next.exists() && !project.exists(".mlx/store/quarantine"));
    fs::remove_file(&next).unwrap();

    // A lock.
    project.set("mlx.lock", lock.replace("version = ", "version = 9"));
    project.mlx(&["gc", "--yes"]).exits_with(2).says("has version 9").says("install a newer mlx");
}

#[test]
fn rubbish_in_the_store_is_named_or_passed_over() {
    let project = Project::with_manifest("").write("a", "alpha");
    project.mlx(&["add", "a"]).success();
    let objects = project.path(".mlx/store/objects");
    let directory = files_below(&objects)[0].parent().unwrap().to_path_buf();
    fs::write(directory.join("notes.txt"), "no digest").unwrap();
    fs::write(objects.join("README"), "no directory").unwrap();
    let name = mlx::Digest::of("something else").hex();
    fs::create_dir_all(objects.join(&name[..2])).unwrap();
    fs::write(objects.join(&name[..2]).join(&name[2..]), "rubbish under a digest").unwrap();

    project.mlx(&["verify"]).exits_with(4).prints("is damaged").prints("nothing names it now");
    project.mlx(&["verify"]).success();
    project.mlx(&["gc", "--grace", "0s", "--yes"]).success().prints("Removed 0 objects");

    assert!(directory.join("notes.txt").exists());
}

#[test]
fn hard_links_share_large_files_and_status_knows_them() {
    let large = "large ".repeat(400_000);
    let project =
        Project::with_manifest("").write(".mlx/config.toml", "[store]\nlink = 'hard'\n").write("large", &large);
    project.mlx(&["add", "large"]).success();
    fs::remove_file(project.path("large")).unwrap();

    project.mlx(&["checkout"]).success();

    let inode = |path: &Path| path.metadata().unwrap().ino();
    assert_eq!(inode(&project.path("large")), inode(&object(&project, large.as_bytes())));
    assert_eq!(project.path("large").metadata().unwrap().mode() & 0o777, 0o444);
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    // With the variable it is a file of its own again.
    fs::remove_file(project.path("large")).unwrap();
    project.outcome(project.command(&["checkout"]).env("MLX_STORE_LINK", "copy")).success();
    assert_eq!(project.path("large").metadata().unwrap().nlink(), 1);
    assert_eq!(files_below(&project.path(".mlx/tmp")).len(), 0);
}

#[test]
fn a_file_that_grows_while_it_is_added_is_noticed() {
    let project = Project::with_manifest("").write("log", vec![7; 4 << 20]);
    let (file, is_over) = (project.path("log"), std::sync::atomic::AtomicBool::new(false));

    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = fs::OpenOptions::new().append(true).open(&file).unwrap();
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                std::io::Write::write_all(&mut log, b"a line\n").unwrap();
            }
        });
        let outcome = project.mlx(&["add", "log"]);
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        outcome.exits_with(1).says("keeps changing while it is read");
    });

    assert!(!project.exists("mlx.lock"));
    project.mlx(&["add", "log"]).success();
    project.mlx(&["verify"]).success();
}

#[test]
fn a_large_sparse_file_keeps_its_holes() {
    let project = Project::with_manifest("");
    let file = fs::File::create(project.path("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 40 << 20).unwrap();

    project.mlx(&["add", "sparse"]).success();
    let stored = files_below(&project.path(".mlx/store/objects")).remove(0);
    fs::remove_file(project.path("sparse")).unwrap();
    project.mlx(&["checkout"]).success();

    let back = project.path("sparse");
    for path in [&stored, &back] {
        let metadata = path.metadata().unwrap();
        assert!(metadata.len() == 64 << 20 && metadata.blocks() * 512 < 4 << 20, "{path:?}: {}", metadata.blocks());
    }
    let mut middle = [0; 13];
    std::os::unix::fs::FileExt::read_exact_at(&fs::File::open(&back).unwrap(), &mut middle, 40 << 20).unwrap();
    assert_eq!(&middle, b"in the middle");
    project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
}

/// The commands of one user wait for those of another only where they must.
#[test]
fn a_collection_waits_for_who_writes_and_not_for_who_reads() {
    let shared = Shared::new();
    let project = shared.project();
    write_many(&project, "data", "first");
    project.mlx(&["add", "data"]).success();
    let lock = fs::File::open(shared.path("locks/gc")).unwrap();
    lock.lock_shared().unwrap();

    let mut gc: Command = project.command(&["gc", "--yes"]);
    let mut child = gc.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    project.mlx(&["status"]).success();
    project.mlx(&["gc"]).success();
    lock.unlock().unwrap();

    assert!(line.contains("waiting for"), "{line}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_store_among_the_files_of_the_project_is_refused() {
    let project = Project::with_manifest("").write("a", "a");

    for place in ["rel", "./data/../rel/store"] {
        let refused = project.outcome(project.command(&["add", "a"]).env("MLX_STORE_PATH", place)).exits_with(2);
        refused.says("would lie among the files of the project").says("such as `../store`");
    }
    assert!(!project.exists("rel"));
    for place in ["../store", ".mlx/other"] {
        project.outcome(project.command(&["add", "a"]).env("MLX_STORE_PATH", place)).success();
    }
}

/// How many objects `mlx cache` says that nothing needs, and how many `mlx gc` would remove.
fn unneeded(project: &Project) -> (u64, u64) {
    let cache = project.mlx(&["cache", "--json"]).success().json();
    let needs = cache["needed_for"].as_array().unwrap();
    let nothing =
        needs.iter().find(|need| need["purpose"] == "nothing").map_or(0, |need| need["count"].as_u64().unwrap());
    let garbage = project.mlx(&["gc", "--grace", "0s", "--json"]).success().json();
    (nothing, garbage["objects"].as_u64().unwrap())
}

#[test]
fn what_the_cache_says_that_nothing_needs_is_what_gc_removes() {
    let manifest = "[step.fit]\ncmd = 'mkdir -p model; cat data/a.csv fit.sh > model/w.bin'\ndeps = ['fit.sh', 'data']\n\
                    outs = ['model']\n[model.m]\npath = 'model'\n";
    let project = Project::with_manifest(manifest).write("fit.sh", "# fits").write("data/a.csv", "1");
    project.mlx(&["add", "data"]).success();
    project.mlx(&["train"]).success();
    project.mlx(&["model", "register", "m"]).success();
    project.mlx(&["package", "m"]).success();
    assert_eq!(unneeded(&project), (0, 0));

    let run = project.mlx(&["model", "show", "m", "--json"]).success().json()["run"].clone();
    project.set("data/a.csv", "2");
    project.mlx(&["add", "data"]).success();
    project.mlx(&["train"]).success();
    assert_eq!(unneeded(&project), (0, 0));

    // With the version go its bundle's documents, with the run what it was made from and made; results of steps are a cache.
    project.mlx(&["model", "rm", "m:1", "--why", "personal data"]).success();
    let (nothing, documents) = unneeded(&project);
    assert!(nothing == documents && documents > 5, "{nothing} {documents}");
    project.mlx(&["runs", "rm", run.as_str().unwrap()]).success();
    let (nothing, garbage) = unneeded(&project);
    assert!(nothing == garbage && garbage > documents, "{nothing} {garbage}");
    project.mlx(&["gc", "--grace", "0s", "--yes"]).success();
    assert_eq!(unneeded(&project), (0, 0));
    project.mlx(&["verify"]).success();
    project.mlx(&["bundle", "verify", "dist/m-1.tar"]).success();
}
