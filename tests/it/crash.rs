//! Each call that changes the disk, in turn: the program is killed at it, or it fails. What was there before is there
//! after, `mlx verify` says so, and the same command completes. And the order of these calls is what a power cut asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Project;
use crate::trace::{self, Call, End, Fate, Follower, Nth, What};

/// So many of the calls are tried, evenly among all.
const POINTS: usize = 36;
const FILES: usize = 24;

fn content(round: &str, number: usize) -> String {
    format!("the content of file {number} in {round}")
}

fn write_files(project: &Project, round: &str) {
    (0..FILES).for_each(|number| project.set(format!("data/d{}/{number}", number % 3), content(round, number)));
    project.set("data/large", format!("{round} ").repeat(200_000));
}

fn assert_files(project: &Project, round: &str) {
    for number in 0..FILES {
        assert_eq!(project.read(format!("data/d{}/{number}", number % 3)), content(round, number));
    }
    assert!(project.read("data/large").starts_with(round));
}

/// Lets each of the calls of a command have a fate, as `prepare` left the project; then `check` looks at what it left.
fn step_through(
    project: &Project,
    arguments: &[&str],
    fates: &[Fate],
    prepare: impl Fn(&str),
    check: impl Fn(&str, End, &Call),
) {
    prepare("round 0");
    let mut all = Nth::default();
    assert_eq!(trace::follow(project.command(arguments), &project.root(), &mut all), End::Exited(0));
    let points = POINTS.min(all.count);
    let mut hits = 0;
    for point in 0..points {
        let round = format!("round {}", point + 1);
        prepare(&round);
        let mut nth =
            Nth { fate: Some((1 + point * all.count / points, fates[point % fates.len()])), ..Nth::default() };

        let end = trace::follow(project.command(arguments), &project.root(), &mut nth);

        // Which thread comes first differs from run to run, so that the last calls may not be there.
        let Some(call) = nth.hit else { continue };
        hits += 1;
        project.mlx(&["verify"]).success();
        check(&round, end, &call);
        project.mlx(arguments).success();
        project.mlx(&["verify"]).success();
        fs::remove_dir_all(project.path("data")).unwrap();
        project.mlx(&["checkout"]).success();
        assert_files(project, &round);
    }
    assert!(hits > points / 2, "only {hits} of {points} calls were met");
}

fn add(fates: &[Fate]) {
    let project = Project::with_manifest("");
    let prepare = |round: &str| write_files(&project, round);
    step_through(&project, &["add", "data"], fates, prepare, |round, end, call| {
        assert!(!matches!(end, End::Exited(0)) || is_added(&project, round), "acknowledged, but lost: {call:?}");
        // What may not be durable must not be acknowledged.
        let is_failed_sync = call.what == What::Sync && end != End::Killed;
        assert!(!is_failed_sync || end == End::Exited(1), "{end:?} after {call:?}");
    });
}

/// Whether the store gives back what this round wrote.
fn is_added(project: &Project, round: &str) -> bool {
    fs::remove_dir_all(project.path("data")).unwrap();
    project.mlx(&["checkout"]).success();
    let is_right = project.read("data/d0/0") == content(round, 0);
    write_files(project, round);
    is_right
}

fn collect(fates: &[Fate]) {
    let project = Project::with_manifest("");
    let prepare = |round: &str| {
        // Half of a pack becomes garbage, and so does a large file; some small objects lie loose.
        write_files(&project, "garbage");
        project.mlx(&["add", "data"]).success();
        write_files(&project, round);
        project.mlx(&["add", "data"]).success();
    };
    let arguments = ["gc", "--grace", "0s", "--yes"];
    step_through(&project, &arguments, fates, prepare, |round, _, _| assert_files(&project, round));

    let left = project.mlx(&["gc", "--grace", "0s", "--json"]).success().json();
    assert_eq!((&left["objects"], &left["kept"]), (&0.into(), &(FILES + 5).into()));
}

const FAILURES: [Fate; 2] = [Fate::Fails(libc::EIO), Fate::Fails(libc::ENOSPC)];

#[test]
fn an_add_that_is_killed_completes_later() {
    add(&[Fate::Kills]);
}

#[test]
fn a_collection_that_is_killed_loses_nothing() {
    collect(&[Fate::Kills]);
}

#[test]
fn an_add_whose_disk_fails_says_so_and_completes_later() {
    if trace::CAN_FAIL {
        add(&FAILURES);
    }
}

#[test]
fn a_collection_whose_disk_fails_loses_nothing() {
    if trace::CAN_FAIL {
        collect(&FAILURES);
    }
}

#[test]
fn a_checkout_that_is_killed_completes_later() {
    let project = Project::with_manifest("");
    write_files(&project, "old");
    project.mlx(&["add", "data"]).success();
    project.commit("old");
    let prepare = |round: &str| {
        write_files(&project, round);
        project.mlx(&["add", "data"]).success();
        let lock = project.read("mlx.lock");
        project.mlx(&["checkout", "--rev", "HEAD"]).success();
        assert_files(&project, "old");
        project.set("mlx.lock", lock);
    };
    step_through(&project, &["checkout"], &[Fate::Kills], prepare, |_, _, _| {});
}

/// A project whose remote lies beside it, with data that is not there yet.
fn with_remote() -> Project {
    let project = Project::empty();
    let remote = project.home().join("remote");
    project.set("mlx.toml", format!("remote.origin.url = '{}'\n", remote.display()));
    write_files(&project, "first");
    project.set("data/huge", crate::harness::noise(18 << 20, 1));
    project.mlx(&["add", "data"]).success();
    project
}

/// Of the calls that a command makes, kills it at each of some, and then gives it to `check`. `prepare` begins anew.
fn kill_at_some(project: &Project, arguments: &[&str], prepare: impl Fn(), check: impl Fn()) {
    let above = project.root().parent().unwrap().to_path_buf();
    prepare();
    let mut all = Nth::default();
    assert_eq!(trace::follow(project.command(arguments), &above, &mut all), End::Exited(0));
    let points = 14.min(all.count);
    let mut kills = 0;
    for point in 0..points {
        prepare();
        let number = 1 + point * all.count / points;
        let mut nth = Nth { fate: Some((number, Fate::Kills)), ..Nth::default() };
        kills += usize::from(trace::follow(project.command(arguments), &above, &mut nth) == End::Killed);
        check();
    }
    assert!(kills > points / 2, "{kills} of {points}");
}

#[test]
fn a_push_that_is_killed_shows_nothing_that_is_not_whole_and_completes_later() {
    let project = with_remote();
    let remote = project.home().join("remote");
    let prepare = || {
        let _ = fs::remove_dir_all(&remote);
        let _ = fs::remove_dir_all(project.path(".mlx/remotes"));
    };
    kill_at_some(&project, &["push"], prepare, || {
        let verified = project.mlx(&["verify", "--remote", "--json"]).json();
        assert_eq!(verified["damaged"], serde_json::json!([]), "{verified}");
        project.mlx(&["verify"]).success();
        project.mlx(&["push"]).success();
        project.mlx(&["verify", "--remote"]).success().prints("Sound");
    });
}

#[test]
fn a_pull_that_is_killed_leaves_a_sound_project_and_completes_later() {
    let project = with_remote();
    project.mlx(&["push"]).success();
    let prepare = || {
        let _ = fs::remove_dir_all(project.path(".mlx"));
        let _ = fs::remove_dir_all(project.path("data"));
    };
    kill_at_some(&project, &["pull"], prepare, || {
        // What has not come is on the remote; nothing here is damaged.
        let verified = project.mlx(&["verify", "--json"]).json();
        let problems = verified["problems"].as_array().unwrap();
        assert!(problems.iter().all(|problem| problem["what"].as_str().unwrap().contains("missing")), "{verified}");
        project.mlx(&["pull"]).success();
        project.mlx(&["verify"]).success();
        assert_files(&project, "first");
        project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    });
}

/// Looks at the order of calls.
struct Order {
    /// What must be durable when the program says that it is done.
    is_lasting: fn(&Path) -> bool,
    /// Files that were written, and not synced since.
    written: BTreeSet<PathBuf>,
    /// Directories in which names appeared, and which were not synced since.
    touched: BTreeSet<PathBuf>,
    /// What would be lost or torn by a power cut.
    faults: Vec<String>,
    renames: BTreeMap<String, usize>,
}

impl Order {
    fn of(is_lasting: fn(&Path) -> bool) -> Self {
        let (written, touched, faults, renames) = Default::default();
        Self { is_lasting, written, touched, faults, renames }
    }

    fn fault(&mut self, what: String) {
        self.faults.push(what);
    }
}

/// What must be durable: objects, packs, records, the way to them, and the files of the project itself.
fn is_lasting(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let is_in_store = ["/store/objects", "/store/packs", "/store/records"].iter().any(|part| text.contains(part));
    is_in_store || text.ends_with("/.mlx") || text.ends_with("/.mlx/store") || !text.contains("/.mlx/")
}

/// What a fetch leaves: the working tree can be had from it again.
fn is_stored(path: &Path) -> bool {
    path.to_string_lossy().contains("/.mlx/") && is_lasting(path)
}

/// What lies on a remote beside the project.
fn is_on_remote(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/home/remote") && !text.contains("/home/remote/tmp/")
}

fn is_object(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/store/objects/") || text.contains("/store/packs/")
}

impl Follower for Order {
    fn before(&mut self, Call { what, path, to }: &Call) -> Fate {
        let parent = |path: &Path| path.parent().unwrap().to_path_buf();
        match what {
            What::Write | What::Change => {
                self.written.insert(path.clone());
            }
            // One that is there already is not made.
            What::MakeDirectory if (self.is_lasting)(path) && !path.exists() => {
                self.touched.insert(parent(path));
            }
            What::Rename | What::Link if (self.is_lasting)(to) => {
                if self.written.contains(path) {
                    self.fault(format!("{to:?} got its name before its content was synced"));
                }
                if to.ends_with("mlx.lock") || to.ends_with("catalog") {
                    // Its own directory is synced after it, as is that of other files there.
                    let open: Vec<PathBuf> =
                        self.touched.iter().filter(|place| **place != parent(to)).cloned().collect();
                    if !open.is_empty() {
                        self.fault(format!("{to:?} names what lies in {open:?}, which was not synced"));
                    }
                }
                self.touched.insert(parent(to));
                let kind = ["objects", "packs", "records", "mlx.lock", "catalog"]
                    .iter()
                    .find(|kind| to.to_string_lossy().contains(**kind));
                *self.renames.entry(kind.copied().unwrap_or("other").to_owned()).or_default() += 1;
            }
            What::Remove if is_object(path) && !self.touched.is_empty() => {
                self.fault(format!("{path:?} went before what replaces it was durable: {:?}", self.touched));
            }
            _ => {}
        }
        Fate::Happens
    }

    fn synced(&mut self, call: &Call) {
        self.written.remove(&call.path);
        self.touched.remove(&call.path);
    }
}

/// Follows a command; returns how many names of each kind appeared.
fn follow(project: &Project, arguments: &[&str]) -> BTreeMap<String, usize> {
    follow_below(&project.root(), project, arguments, is_lasting)
}

/// As [`follow`], of what lies below `root` and is to last.
fn follow_below(
    root: &Path,
    project: &Project,
    arguments: &[&str],
    is_lasting: fn(&Path) -> bool,
) -> BTreeMap<String, usize> {
    let mut order = Order::of(is_lasting);
    assert_eq!(trace::follow(project.command(arguments), root, &mut order), End::Exited(0));
    assert!(order.faults.is_empty(), "{arguments:?}: {:#?}", order.faults);
    assert!(order.touched.is_empty(), "{arguments:?} ended before {:?} was synced", order.touched);
    order.renames
}

#[test]
fn an_import_that_is_killed_completes_later() {
    let source = Project::with_manifest("");
    write_files(&source, "first");
    source.mlx(&["add", "data"]).success();
    source.commit("data");
    let project = Project::empty();
    let argument = format!("{}#data", source.root().display());
    let prepare = || {
        for entry in fs::read_dir(project.root()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        project.set("mlx.toml", "");
    };
    kill_at_some(&project, &["import", &argument], prepare, || {
        project.mlx(&["status"]).success();
        project.mlx(&["verify"]).success();
        project.mlx(&["import", &argument]).success();
        assert_files(&project, "first");
        project.mlx(&["status"]).success().prints("Everything is as mlx.lock says");
    });
}

#[test]
fn names_come_after_contents_and_the_lock_comes_last() {
    let step = "[step.copy]\ncmd = 'cp few/a copy'\ndeps = ['few/a']\nouts = ['copy']\n";
    let project = Project::with_manifest(step).write("few/a", "alpha").write("few/b", "beta");
    write_files(&project, "first");

    let trained = follow(&project, &["train"]);
    let few = follow(&project, &["add", "few"]);
    let many = follow(&project, &["add", "data"]);
    project.set("data/d0/0", "changed, so that a pack is written anew without what it was");
    project.mlx(&["add", "data"]).success();
    let collected = follow(&project, &["gc", "--grace", "0s", "--yes"]);

    assert!(trained["records"] > 1, "{trained:?}");
    assert_eq!((few["objects"], few["mlx.lock"]), (2, 1));
    assert_eq!((many["objects"], many["packs"], many["mlx.lock"]), (1, 1, 1));
    assert!(collected["packs"] > 0, "{collected:?}");
}

#[test]
fn what_was_pushed_and_what_was_pulled_is_durable() {
    let project = with_remote();
    let above = project.root().parent().unwrap().to_path_buf();

    let pushed = follow_below(&above, &project, &["push"], is_on_remote);
    assert!(pushed["packs"] > 2 && pushed["catalog"] > 0, "{pushed:?}");

    fs::remove_dir_all(project.path(".mlx")).unwrap();
    fs::remove_dir_all(project.path("data")).unwrap();
    let pulled = follow_below(&above, &project, &["pull"], is_stored);
    assert!(pulled.values().sum::<usize>() > 2, "{pulled:?}");
    assert_files(&project, "first");
}

#[test]
fn a_program_that_syncs_too_late_is_found_out() {
    let project = Project::empty().write("mlx.lock", "");
    let script = "echo text > a.tmp; mkdir -p .mlx/store/objects/aa; mv a.tmp .mlx/store/objects/aa/bb; \
                  echo lock > l.tmp; sync l.tmp; mv l.tmp mlx.lock; sync .mlx/store/objects/aa";
    let mut order = Order::of(is_lasting);

    let end = trace::follow(project.other("sh", &["-c", script]), &project.root(), &mut order);

    assert_eq!(end, End::Exited(0));
    // `mv` tries to rename in more ways than one.
    order.faults.dedup();
    assert_eq!(order.faults.len(), 2, "{:#?}", order.faults);
    assert!(
        order.faults[0].contains("before its content was synced") && order.faults[1].contains("names what lies in")
    );
}
