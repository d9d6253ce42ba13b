//! What every kind of target does; those that need a server are among the tests of the program.

use super::*;

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
