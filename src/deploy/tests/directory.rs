//! What is damaged, missing or in the way in a directory, and in what was brought from elsewhere.

use super::*;

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
    let stranger = cache.release(&bundle.digest()).join("code/json.py");
    fs::create_dir(stranger.parent().unwrap()).unwrap();
    fs::write(&stranger, "evil").unwrap();
    watched(|watch| cache.forget(&bundle.digest(), watch)).unwrap();
    fetch();
    assert!(!stranger.exists(), "what the bundle did not bring is damage, too");
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
