//! An object store whose contents are changed by others.

use super::*;

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
