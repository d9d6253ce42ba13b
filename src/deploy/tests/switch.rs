//! What is done when a release does not answer, or something else fails on the way.

use super::*;

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
