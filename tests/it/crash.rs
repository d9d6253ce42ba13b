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

/// Looks at the order of calls.
#[derive(Default)]
struct Order {
    /// Files that were written, and not synced since.
    written: BTreeSet<PathBuf>,
    /// Directories in which names appeared, and which were not synced since.
    touched: BTreeSet<PathBuf>,
    /// What would be lost or torn by a power cut.
    faults: Vec<String>,
    renames: BTreeMap<String, usize>,
}

impl Order {
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
            // The project itself was there before.
            What::MakeDirectory if is_lasting(path) && !path.ends_with("project") => {
                self.touched.insert(parent(path));
            }
            What::Rename | What::Link if is_lasting(to) => {
                if self.written.contains(path) {
                    self.fault(format!("{to:?} got its name before its content was synced"));
                }
                if to.ends_with("mlx.lock") {
                    // Its own directory is synced after it, as is that of other files there.
                    let open: Vec<PathBuf> =
                        self.touched.iter().filter(|place| **place != parent(to)).cloned().collect();
                    if !open.is_empty() {
                        self.fault(format!("the lock names what lies in {open:?}, which was not synced"));
                    }
                }
                self.touched.insert(parent(to));
                let kind = ["objects", "packs", "records", "mlx.lock"]
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
    let mut order = Order::default();
    assert_eq!(trace::follow(project.command(arguments), &project.root(), &mut order), End::Exited(0));
    assert!(order.faults.is_empty(), "{arguments:?}: {:#?}", order.faults);
    assert!(order.touched.is_empty(), "{arguments:?} ended before {:?} was synced", order.touched);
    order.renames
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
fn a_program_that_syncs_too_late_is_found_out() {
    let project = Project::empty().write("mlx.lock", "");
    let script = "echo text > a.tmp; mkdir -p .mlx/store/objects/aa; mv a.tmp .mlx/store/objects/aa/bb; \
                  echo lock > l.tmp; sync l.tmp; mv l.tmp mlx.lock; sync .mlx/store/objects/aa";
    let mut order = Order::default();

    let end = trace::follow(project.other("sh", &["-c", script]), &project.root(), &mut order);

    assert_eq!(end, End::Exited(0));
    // `mv` tries to rename in more ways than one.
    order.faults.dedup();
    assert_eq!(order.faults.len(), 2, "{:#?}", order.faults);
    assert!(order.faults[0].contains("before its content was synced") && order.faults[1].contains("the lock names"));
}
