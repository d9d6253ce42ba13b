//! What every target does, and what deploying does with one: on a directory, and on a fake whose answers are set.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::TempDir;

use super::fake::Fake;
use super::objects::Objects;
use super::*;
use crate::Kind;
use crate::bundle::{Assembly, Content, Lineage, ModelName, PlannedLayer, Source};
use crate::event::{Interrupt, Recorder, Silent};
use crate::fs::quote;
use crate::project::Project;
use crate::remote::{self, Access, Body, Remote, RemoteError, State};
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
    let check = Check { program: Path::new("/nonexistent"), health };
    Order { name: "production", who: "tester", check, hooks: Hooks::none(), token: None, keep: None }
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

/// Files in memory.
#[derive(Debug, Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap()
    }
}

impl Remote for Memory {
    fn url(&self) -> &str {
        "memory"
    }

    fn list(&self, directory: &str) -> Result<Vec<remote::Entry>> {
        let files = self.files();
        let direct = files.iter().filter(|(name, _)| name.rsplit_once('/').map(|(above, _)| above) == Some(directory));
        let entry = |(name, bytes): (&String, &Vec<u8>)| remote::Entry {
            name: name.clone(),
            size: bytes.len() as u64,
            // Another for each time it is written, as a service that counts has it.
            version: format!("{:p}", bytes.as_ptr()),
        };
        Ok(direct.map(entry).collect())
    }

    fn find(&self, name: &str) -> Result<Option<remote::Entry>> {
        let above = name.rsplit_once('/').map_or("", |(above, _)| above);
        Ok(self.list(above)?.into_iter().find(|entry| entry.name == name))
    }

    fn read(&self, name: &str, range: Option<Range<u64>>, sink: &mut dyn Write) -> Result<u64> {
        let files = self.files();
        let bytes = files.get(name).ok_or_else(|| RemoteError::Missing { name: name.into() })?;
        let range = range.map_or(0..bytes.len(), |range| range.start as usize..range.end as usize);
        let part = bytes.get(range).ok_or_else(|| Error::failed("it ends before"))?;
        sink.write_all(part).unwrap();
        Ok(part.len() as u64)
    }

    fn write(&self, name: &str, body: &Body<'_>) -> Result<()> {
        let mut bytes = Vec::new();
        body.content.open().unwrap().read_to_end(&mut bytes).unwrap();
        self.files().insert(name.into(), bytes);
        Ok(())
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let is_free = !self.files().contains_key(name);
        if is_free {
            self.files().insert(name.into(), bytes.to_vec());
        }
        Ok(is_free)
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.files().remove(name);
        Ok(())
    }

    fn read_state(&self, name: &str) -> Result<Option<State>> {
        Ok(self.files().get(name).map(|bytes| State { bytes: bytes.clone(), tag: Digest::of(bytes).hex() }))
    }

    fn swap(&self, name: &str, seen: Option<&State>, bytes: &[u8]) -> Result<bool> {
        let is_seen = self.read_state(name)?.as_ref() == seen;
        if is_seen {
            self.files().insert(name.into(), bytes.to_vec());
        }
        Ok(is_seen)
    }
}

/// An object store in memory as a target, and its files.
fn stored(workshop: &Workshop) -> (Stored, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    let cache = Cache::new(workshop.dir.path().join("own cache"));
    let place = Arc::new(Objects::new(memory.clone()));
    (Stored::new(place, cache, Arc::new(Silent), Interrupt::default()), memory)
}

/// Runs a claim on every kind of target; those that need a server are among the tests of the program.
fn on_each(claim: impl Fn(&dyn Target, &Workshop)) {
    let workshop = Workshop::new();
    claim(&Fake::default(), &workshop);
    claim(&Directory::open(&workshop.root()).unwrap(), &workshop);
    claim(&stored(&workshop).0, &workshop);
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

        let plan = plan(target, &Candidate::from(&second)).unwrap();

        let weights: Vec<&File> = plan.upload.iter().filter(|file| file.path.starts_with("model/")).collect();
        assert_eq!(weights.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["model/weights"]);
        assert_eq!((weights[0].size, plan.total_files), (3, 2));
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
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("cache"));

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

    watched(|watch| cache.forget(&bundle.digest(), watch)).unwrap();
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
fn what_somebody_changed_in_a_bucket_is_sent_again() {
    let workshop = Workshop::new();
    let (target, memory) = stored(&workshop);
    let (first, second) = (workshop.bundle(1, "one"), workshop.bundle(2, "two"));
    deploy_to(&target, &first).unwrap();
    deploy_to(&target, &second).unwrap();
    // As long as before.
    let blob = format!("blobs/sha256/{}", Digest::of("one").hex());
    memory.files().insert(blob.clone(), b"ONE".to_vec());

    let error = rollback_on(&target).unwrap_err();
    deploy_to(&target, &first).unwrap();

    assert!(error.to_string().contains("its file `model/weights` is missing or damaged"), "{error}");
    assert_eq!(memory.files()[&blob], b"one");
    assert_eq!(target.live().unwrap(), Some(first.digest()));
}

#[test]
fn nothing_of_a_bucket_is_believed() {
    let workshop = Workshop::new();
    let (target, memory) = stored(&workshop);
    let bundle = workshop.bundle(1, "one");
    deploy_to(&target, &bundle).unwrap();
    let cache = Cache::new(workshop.dir.path().join("cache"));
    let fetch = || {
        let target =
            Stored::new(Arc::new(Objects::new(memory.clone())), cache.clone(), Arc::new(Silent), Interrupt::default());
        watched(|watch| target.fetch(&bundle.digest(), &cache, watch))
    };
    let name = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let names = [name(&Digest::of("one")), name(&bundle.digest()), name(&bundle.layers().last().unwrap().digest)];
    for name in names {
        let good = memory.files()[&name].clone();
        let mut bad = good.clone();
        bad[0] ^= 1;
        memory.files().insert(name.clone(), bad);

        let error = fetch().unwrap_err();

        assert!(error.to_string().contains("damaged") || error.to_string().contains("hashes to"), "{name}: {error}");
        memory.files().insert(name, good);
    }
    assert_eq!(fs::read_to_string(fetch().unwrap().join("model/weights")).unwrap(), "one");
}

#[test]
fn the_history_of_a_bucket_is_read_page_by_page() {
    let workshop = Workshop::new();
    let (target, memory) = stored(&workshop);
    let entry = |version: u64| Entry {
        when: jiff::Timestamp::UNIX_EPOCH,
        who: "tester".into(),
        action: Action::Deploy,
        release: Digest::of("x"),
        model: "churn".into(),
        version,
        run: None,
        before: None,
        outcome: Outcome::Live,
        why: None,
    };

    (1..=250).for_each(|version| target.append(&entry(version)).unwrap());

    let versions: Vec<u64> = target.history(&Silent).unwrap().iter().map(|entry| entry.version).collect();
    assert_eq!(versions, (1..=250).collect::<Vec<u64>>());
    assert!(memory.files().values().all(|page| page.len() < 60_000));
}

#[test]
fn who_lost_the_lock_switches_nothing() {
    let workshop = Workshop::new();
    let (target, memory) = stored(&workshop);
    let bundle = workshop.bundle(1, "one");
    let lock = target.lock("somebody").unwrap();
    watched(|watch| target.upload(&bundle, watch)).unwrap();
    let held = String::from_utf8(memory.files()["lock.json"].clone()).unwrap();

    memory
        .files()
        .insert("lock.json".into(), held.replace("somebody", "another").replace("token\": \"", "token\": \"x").into());
    let error = target.activate(&bundle.digest()).unwrap_err();
    drop(lock);

    assert!(error.to_string().contains("the lock of memory was lost"), "{error}");
    assert_eq!(target.live().unwrap(), None);
    assert!(memory.files().contains_key("lock.json"), "it is another's");
    // That one is a process of this machine that is gone.
    let dead = held.replace(&format!("\"number\": {}", std::process::id()), "\"number\": 4194304");
    memory.files().insert("lock.json".into(), dead.into());
    deploy_to(&target, &bundle).unwrap();
    assert!(!memory.files().contains_key("lock.json"));
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
fn releases_that_are_too_many_go_and_their_contents_with_them() {
    on_each(|target, workshop| {
        let bundles = [1, 2, 3].map(|version| workshop.bundle(version, &version.to_string()));
        let health = Health::default();
        let order = Order { keep: Some(2), ..order(&health) };

        bundles.iter().for_each(|bundle| drop(watched(|watch| deploy(target, bundle, &order, watch)).unwrap()));

        let mut left = target.releases().unwrap();
        left.sort();
        let mut expected = [bundles[1].digest(), bundles[2].digest()];
        expected.sort();
        assert_eq!(left, expected);
        let missing = target.missing(&Candidate::from(&bundles[0])).unwrap();
        let weights = missing.iter().map(|file| file.path.as_str()).filter(|path| path.starts_with("model/"));
        assert_eq!(weights.collect::<Vec<_>>(), ["model/weights"]);
        rollback_on(target).unwrap();
    });
}

#[test]
fn a_command_that_fails_before_leaves_everything_as_it_is() {
    let (target, workshop) = (Fake::default(), Workshop::new());
    let (health, seen) = (Health::default(), workshop.dir.path().join("seen"));
    let before = ["test \"$MLX_VERSION\" = 1".to_owned()];
    let after = [format!("echo $MLX_ACTION $MLX_TARGET $MLX_MODEL $MLX_VERSION >{}; exit 3", seen.display())];
    let hooks = Hooks { before: &before, after: &after, directory: workshop.dir.path() };
    let order = Order { hooks, ..order(&health) };
    let first = workshop.bundle(1, "one");

    let late = watched(|watch| deploy(&target, &first, &order, watch)).unwrap_err();
    let early = watched(|watch| deploy(&target, &workshop.bundle(2, "two"), &order, watch)).unwrap_err();

    assert_eq!((late.kind(), early.kind()), (Kind::Step, Kind::Step));
    assert!(late.to_string().contains("`churn` 1 is live on `production`"), "{late}");
    assert_eq!(fs::read_to_string(seen).unwrap(), "deploy production churn 1\n");
    assert_eq!(target.live.get(), Some(first.digest()));
    assert_eq!(outcomes(&target), [(Action::Deploy, Outcome::Live), (Action::Deploy, Outcome::Failed)]);
}

#[test]
fn a_target_is_where_its_url_says() {
    let project = tempfile::tempdir().unwrap();
    let manifest =
        "[target]\na.url = 'dir'\nb.url = 'file:///srv/x'\nc.url = 'ssh://host/x'\nd.url = 'file://host/x'\ne.url = ''
        f.url = '.'\ng.url = 'dir/..'\nh.url = '..'\ni.url = '.mlx/deploy'\nj.url = 'dir/../.git'";
    fs::write(project.path().join("mlx.toml"), manifest).unwrap();
    let project = Project::open(project.path()).unwrap();
    let place = |name: &str| directory_of(&project, project.manifest.target(name).unwrap(), &Access::default());

    assert_eq!(place("a").unwrap(), Some(project.root().join("dir")));
    assert_eq!(place("b").unwrap().as_deref(), Some(Path::new("/srv/x")));
    assert_eq!(place("c").unwrap(), None);
    for name in ["d", "e"] {
        let error = place(name).unwrap_err();
        assert!(error.to_string().contains("(mlx.toml, line "), "{name}: {error}");
        assert_eq!(error.kind(), Kind::Usage, "{name}");
    }
    for name in ["f", "g", "h", "i", "j"] {
        let error = place(name).unwrap_err();
        assert!(error.to_string().contains("holds the project") == (name < "i"), "{name}: {error}");
        assert_eq!(error.kind(), Kind::Usage, "{name}");
    }
}

#[test]
fn secrets_are_where_the_manifest_says() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "hunter2\n").unwrap();
    let manifest = "[target]
        a = { url = 'x', auth = { user = 'me', password = { env = 'SECRET' } } }
        b = { url = 'x', auth = { token = { file = 'token' } } }
        c = { base = 'b', auth = { token = { command = 'echo other' } } }
        d = { base = 'a', auth = { password = { env = 'NOWHERE' } } }";
    fs::write(dir.path().join("mlx.toml"), manifest).unwrap();
    let project = Project::open(dir.path()).unwrap();
    let variables = |name: &str| (name == "SECRET").then(|| std::ffi::OsString::from("variable"));
    let auth = |name: &str| auth(&project, name, project.manifest.target(name).unwrap(), &variables);

    let entries = |name: &str| auth(name).unwrap().into_iter().collect::<Vec<_>>();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(entries("a"), [pair("password", "variable"), pair("user", "me")]);
    assert_eq!((entries("b"), entries("c")), (vec![pair("token", "hunter2")], vec![pair("token", "other")]));
    let error = auth("d").unwrap_err();
    assert!(error.to_string().contains("`NOWHERE` is not set") && error.kind() == Kind::Usage, "{error}");
}
