//! What every target does, and what deploying does with one: on a directory, and on a fake whose answers are set.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::fake::Fake;
use super::*;
use crate::Kind;
use crate::bundle::{Assembly, Content, Lineage, ModelName, PlannedLayer, Source};
use crate::event::{Interrupt, Recorder, Silent};
use crate::fs::quote;
use crate::store::Store;

fn watched<T>(run: impl FnOnce(Watch<'_>) -> T) -> T {
    run(Watch { events: &Silent, interrupt: &Interrupt::default() })
}

/// Where bundles are made.
struct Workshop {
    dir: TempDir,
}

impl Workshop {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A bundle of `churn` in this version, with a weight file of this text and one that all versions share.
    fn bundle(&self, version: u64, weights: &str) -> Bundle {
        let store = Store::open(&self.dir.path().join("store")).unwrap();
        let layer = |path: &str, text: &str| {
            let digest = store.put_bytes(text.as_bytes()).unwrap();
            let file = File { path: path.into(), digest, size: text.len() as u64, executable: false };
            PlannedLayer::weight(Content { file, source: Source::Store })
        };
        let lineage = Lineage {
            run: format!("{version:012}").parse().ok(),
            step: None,
            commit: None,
            params: [("trees".to_owned(), version.into())].into(),
            metrics: BTreeMap::new(),
            data: Vec::new(),
            environment: None,
        };
        let description = Description {
            format: 1,
            model: ModelName { name: "churn".into(), version, description: None },
            serve: None,
            signature: None,
            runtimes: Vec::new(),
            lineage,
            smoke: None,
            files: Vec::new(),
        };
        let layers = vec![layer("model/weights", weights), layer("model/shared", "the same in all")];
        let assembly = Assembly::new(description, layers, &store).unwrap();
        let mut bytes = Vec::new();
        watched(|watch| assembly.write(&store, &mut bytes, watch)).unwrap();
        let path = self.dir.path().join(format!("{version}-{weights}.tar"));
        fs::write(&path, bytes).unwrap();
        Bundle::open(&path).unwrap()
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("target")
    }
}

fn order(health: &Health) -> Order<'_> {
    Order { name: "production", who: "tester", check: Check { program: Path::new("/nonexistent"), health } }
}

fn deploy_to(target: &dyn Target, bundle: &Bundle) -> Result<Deployed> {
    watched(|watch| deploy(target, bundle, &order(&Health::default()), watch))
}

fn rollback_on(target: &dyn Target) -> Result<RolledBack> {
    watched(|watch| rollback(target, None, &order(&Health::default()), watch))
}

fn outcomes(target: &dyn Target) -> Vec<(Action, Outcome)> {
    target.history(&Silent).unwrap().iter().map(|entry| (entry.action, entry.outcome)).collect()
}

/// Runs a claim on every kind of target.
fn on_each(claim: impl Fn(&dyn Target, &Workshop)) {
    let workshop = Workshop::new();
    claim(&Fake::default(), &workshop);
    claim(&Directory::open(&workshop.root()).unwrap(), &workshop);
}

#[test]
fn a_deploy_makes_the_bundle_the_live_release() {
    on_each(|target, workshop| {
        let bundle = workshop.bundle(1, "one");

        let deployed = deploy_to(target, &bundle).unwrap();

        assert!(deployed.changed && deployed.plan.live.is_none());
        assert_eq!(target.live().unwrap(), Some(bundle.digest()));
        assert_eq!(target.description(&bundle.digest()).unwrap().as_ref(), Some(bundle.description()));
        assert_eq!(outcomes(target), [(Action::Deploy, Outcome::Live)]);
    });
}

#[test]
fn only_what_is_missing_is_planned() {
    on_each(|target, workshop| {
        deploy_to(target, &workshop.bundle(1, "one")).unwrap();
        let second = workshop.bundle(2, "two");

        let plan = plan(target, second.digest(), second.description()).unwrap();

        let paths = |files: &[File]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&plan.upload), ["model/weights"]);
        assert_eq!((plan.upload_bytes, plan.total_files), (3, 2));
        assert_eq!(plan.files.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["model/weights"]);
        assert_eq!(plan.live.as_ref().map(|live| live.version), Some(1));
        assert_eq!(plan.params, [Change { name: "trees".into(), live: Some(1.into()), new: Some(2.into()) }]);
    });
}

#[test]
fn what_is_live_is_not_deployed_again() {
    on_each(|target, workshop| {
        let bundle = workshop.bundle(1, "one");
        deploy_to(target, &bundle).unwrap();

        let again = deploy_to(target, &bundle).unwrap();

        assert!(!again.changed);
        assert_eq!(outcomes(target).len(), 1);
    });
}

#[test]
fn rollback_goes_back_release_by_release() {
    on_each(|target, workshop| {
        let bundles = [1, 2, 3].map(|version| workshop.bundle(version, &version.to_string()));
        bundles.iter().for_each(|bundle| drop(deploy_to(target, bundle).unwrap()));

        let versions = [(); 2].map(|()| rollback_on(target).unwrap().version);
        let last = rollback_on(target).unwrap_err();

        assert_eq!(versions, [2, 1]);
        assert_eq!(target.live().unwrap(), Some(bundles[0].digest()));
        assert!(last.to_string().contains("`production` has no release to go back to"), "{last}");
        assert_eq!(target.releases().unwrap().len(), 3);
    });
}

#[test]
fn releases_are_found_by_the_first_digits() {
    on_each(|target, workshop| {
        let bundles = [1, 2].map(|version| workshop.bundle(version, &version.to_string()));
        bundles.iter().for_each(|bundle| drop(deploy_to(target, bundle).unwrap()));

        let listed = releases(target, &Silent).unwrap();
        let found = find_release(target, "production", &bundles[0].digest().short()).unwrap();

        let listed: Vec<_> =
            listed.iter().map(|release| (release.version, release.live, release.by.as_deref())).collect();
        assert_eq!(listed, [(2, true, Some("tester")), (1, false, Some("tester"))]);
        assert_eq!(found, bundles[0].digest());
        assert_eq!(find_release(target, "production", "xyz").unwrap_err().kind(), Kind::Usage);
    });
}

#[test]
fn two_at_once_do_not_meet() {
    on_each(|target, workshop| {
        let bundle = workshop.bundle(1, "one");
        let held = target.lock("somebody").unwrap();

        let error = deploy_to(target, &bundle).unwrap_err();
        drop(held);

        assert!(error.to_string().contains("is being changed"), "{error}");
        assert_eq!(target.live().unwrap(), None);
        deploy_to(target, &bundle).unwrap();
    });
}

#[test]
fn a_release_is_fetched_whole_and_each_content_once() {
    on_each(|target, workshop| {
        let bundles = [1, 2].map(|version| workshop.bundle(version, &version.to_string()));
        bundles.iter().for_each(|bundle| drop(deploy_to(target, bundle).unwrap()));
        let cache = Cache::new(workshop.dir.path().join("cache"));

        let fetched =
            bundles.each_ref().map(|bundle| watched(|watch| target.fetch(&bundle.digest(), &cache, watch)).unwrap());
        let again = watched(|watch| target.fetch(&bundles[0].digest(), &cache, watch)).unwrap();

        let read = |directory: &Path, path: &str| fs::read_to_string(directory.join(path)).unwrap();
        assert_eq!(fetched.each_ref().map(|directory| read(directory, "model/weights")), ["1", "2"]);
        assert_eq!(again, fetched[0]);
        assert_eq!(read(&fetched[1], crate::bundle::DESCRIPTION_FILE).as_bytes(), bundles[1].description_bytes());
        let shared = fetched
            .map(|directory| std::os::unix::fs::MetadataExt::ino(&directory.join("model/shared").metadata().unwrap()));
        assert_eq!(shared[0], shared[1], "one file under two names");
        watched(|watch| target.fetch(&Digest::of("nothing"), &cache, watch)).unwrap_err();
    });
}

#[test]
fn a_release_that_is_damaged_here_is_brought_again() {
    let (target, workshop) = (Fake::default(), Workshop::new());
    let bundle = workshop.bundle(1, "good");
    deploy_to(&target, &bundle).unwrap();
    let cache = Cache::new(workshop.dir.path().join("cache"));
    let fetch = || watched(|watch| target.fetch(&bundle.digest(), &cache, watch)).unwrap();
    let weights = fetch().join("model/weights");
    fs::set_permissions(&weights, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&weights, "evil").unwrap();

    cache.forget(&bundle.digest()).unwrap();
    fetch();

    assert_eq!(fs::read_to_string(&weights).unwrap(), "good");
}

#[test]
fn documents_are_kept_beside_the_releases() {
    on_each(|target, workshop| {
        deploy_to(target, &workshop.bundle(1, "one")).unwrap();

        let before = target.document("split.json").unwrap();
        target.set_document("split.json", Some(b"first")).unwrap();
        target.set_document("split.json", Some(b"second")).unwrap();

        assert_eq!((before, target.document("split.json").unwrap()), (None, Some(b"second".to_vec())));
        target.set_document("split.json", None).unwrap();
        target.set_document("split.json", None).unwrap();
        assert_eq!(target.document("split.json").unwrap(), None);
    });
}

#[test]
fn a_release_that_does_not_answer_leaves_the_live_one() {
    let (target, workshop) = (Fake::default(), Workshop::new());
    let (good, bad) = (workshop.bundle(1, "good"), workshop.bundle(2, "bad"));
    target.bad.borrow_mut().push(bad.digest());
    deploy_to(&target, &good).unwrap();

    let error = deploy_to(&target, &bad).unwrap_err();

    assert_eq!(error.kind(), Kind::Check);
    let said = error.to_string();
    for text in ["`churn` 2", "it crashed", "panic at line 7", "`production` serves `churn` 1"] {
        assert!(said.contains(text), "{said}");
    }
    assert_eq!(target.live.get(), Some(good.digest()));
    assert_eq!(target.releases().unwrap(), [good.digest()]);
    assert_eq!(outcomes(&target)[1], (Action::Deploy, Outcome::Refused));
}

#[test]
fn a_rollback_to_what_does_not_answer_changes_nothing() {
    let (target, workshop) = (Fake::default(), Workshop::new());
    let (first, second) = (workshop.bundle(1, "one"), workshop.bundle(2, "two"));
    deploy_to(&target, &first).unwrap();
    deploy_to(&target, &second).unwrap();
    target.bad.borrow_mut().push(first.digest());

    let error = rollback_on(&target).unwrap_err();

    assert_eq!(error.kind(), Kind::Check);
    assert_eq!(target.live.get(), Some(second.digest()));
    assert_eq!(target.releases().unwrap().len(), 2, "an old release stays");
}

#[test]
fn a_silent_server_brings_the_old_release_back() {
    let (target, workshop) = (Fake::default(), Workshop::new());
    let (good, bad) = (workshop.bundle(1, "good"), workshop.bundle(2, "bad"));
    target.silent.borrow_mut().push(bad.digest());
    let health = Health { url: Some("http://127.0.0.1:1".into()), ..Health::default() };
    watched(|watch| deploy(&target, &good, &order(&health), watch)).unwrap();

    let error = watched(|watch| deploy(&target, &bad, &order(&health), watch)).unwrap_err();

    assert_eq!(error.kind(), Kind::Check);
    assert!(error.to_string().contains("is live again"), "{error}");
    assert_eq!(target.live.get(), Some(good.digest()));
    assert_eq!(outcomes(&target)[1], (Action::Deploy, Outcome::Returned));
}

#[test]
fn the_first_release_stays_where_no_server_answers_for_it_yet() {
    let (target, workshop) = (Fake::default(), Workshop::new());
    let first = workshop.bundle(1, "first");
    target.silent.borrow_mut().push(first.digest());
    let health = Health { url: Some("http://127.0.0.1:1".into()), ..Health::default() };

    let error = watched(|watch| deploy(&target, &first, &order(&health), watch)).unwrap_err();

    assert_eq!(error.kind(), Kind::Check);
    assert!(error.to_string().contains("it stays live: there is no release to return to"), "{error}");
    assert_eq!(target.live.get(), Some(first.digest()));
    assert_eq!(outcomes(&target), [(Action::Deploy, Outcome::Unanswered)]);
}

#[test]
fn a_failed_upload_is_in_the_history() {
    let (target, workshop) = (Fake::default(), Workshop::new());
    let first = workshop.bundle(1, "one");
    deploy_to(&target, &first).unwrap();
    target.is_full.set(true);

    let error = deploy_to(&target, &workshop.bundle(2, "two")).unwrap_err();

    assert_eq!(error.kind(), Kind::Failed);
    assert_eq!(target.live.get(), Some(first.digest()));
    assert_eq!(outcomes(&target)[1], (Action::Deploy, Outcome::Failed));
}

#[test]
fn damaged_contents_and_releases_are_brought_again() {
    let workshop = Workshop::new();
    let target = Directory::open(&workshop.root()).unwrap();
    let (first, second) = (workshop.bundle(1, "one"), workshop.bundle(2, "two"));
    deploy_to(&target, &first).unwrap();
    deploy_to(&target, &second).unwrap();
    let file = workshop.root().join("releases").join(first.digest().hex()).join("model/weights");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&file, "ONE").unwrap();

    let error = rollback_on(&target).unwrap_err();
    deploy_to(&target, &first).unwrap();

    assert!(error.to_string().contains("its file"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "one");
    assert_eq!(target.live().unwrap(), Some(first.digest()));
}

#[test]
fn what_lies_in_the_way_is_named_and_the_live_release_stays() {
    let workshop = Workshop::new();
    let target = Directory::open(&workshop.root()).unwrap();
    let (first, second) = (workshop.bundle(1, "one"), workshop.bundle(2, "two"));
    deploy_to(&target, &first).unwrap();
    let blob = workshop.root().join("blobs/sha256").join(Digest::of("two").hex());
    fs::create_dir(&blob).unwrap();

    let error = deploy_to(&target, &second).unwrap_err();

    assert!(error.to_string().contains(&quote(&blob)), "{error}");
    assert_eq!(target.live().unwrap(), Some(first.digest()));
    assert_eq!(fs::read_dir(workshop.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_damaged_history_is_read_as_far_as_it_goes() {
    let workshop = Workshop::new();
    let target = Directory::open(&workshop.root()).unwrap();
    let path = workshop.root().join("history.jsonl");
    deploy_to(&target, &workshop.bundle(1, "one")).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], b"garbage\n", &whole[..whole.len() / 2]].concat()).unwrap();

    deploy_to(&target, &workshop.bundle(2, "two")).unwrap();

    let events = Recorder::default();
    let versions: Vec<u64> = target.history(&events).unwrap().iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [1, 2]);
    assert!(format!("{:?}", events.events()).contains("2 line(s)"), "{:?}", events.events());
}

#[test]
fn a_current_that_is_not_ours_or_leads_nowhere_is_said() {
    let workshop = Workshop::new();
    let target = Directory::open(&workshop.root()).unwrap();
    let bundle = workshop.bundle(1, "one");
    let current = workshop.root().join("current");
    fs::create_dir_all(&current).unwrap();
    let error = deploy_to(&target, &bundle).unwrap_err();
    assert!(error.to_string().contains("which mlx did not make"), "{error}");
    fs::remove_dir(&current).unwrap();
    std::os::unix::fs::symlink("/etc", &current).unwrap();
    assert!(deploy_to(&target, &bundle).unwrap_err().to_string().contains("a link to `/etc`"));
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink(format!("releases/{}", Digest::of("x").hex()), &current).unwrap();

    deploy_to(&target, &bundle).unwrap();

    assert_eq!(target.live().unwrap(), Some(bundle.digest()));
    assert!(current.join("model/weights").is_file());
}

#[test]
fn only_directories_are_targets() {
    let project = tempfile::tempdir().unwrap();
    let manifest =
        "[target]\na.url = 'dir'\nb.url = 'file:///srv/x'\nc.url = 's3://bucket'\nd.url = 'file://host/x'\ne.url = ''
        f.url = '.'\ng.url = 'dir/..'\nh.url = '..'\ni.url = '.mlx/deploy'\nj.url = 'dir/../.git'";
    fs::write(project.path().join("mlx.toml"), manifest).unwrap();
    let project = Project::open(project.path()).unwrap();
    let place = |name: &str| directory_of(&project, project.manifest.target(name).unwrap());

    assert_eq!(place("a").unwrap(), project.root().join("dir"));
    assert_eq!(place("b").unwrap(), Path::new("/srv/x"));
    for name in ["c", "d", "e"] {
        assert_eq!(place(name).unwrap_err().kind(), Kind::Usage, "{name}");
    }
    for name in ["f", "g", "h", "i", "j"] {
        let error = place(name).unwrap_err();
        assert!(error.to_string().contains("holds the project") == (name < "i"), "{name}: {error}");
        assert_eq!(error.kind(), Kind::Usage, "{name}");
    }
    assert!(place("c").unwrap_err().to_string().contains("`s3://` are not supported (mlx.toml, line 4)"));
}
