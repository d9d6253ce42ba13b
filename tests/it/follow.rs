//! Servers that follow a target: new releases, bad ones, and requests that are split between two.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mlx::Digest;
use serde_json::{Value, json};

use crate::bundles::register;
use crate::deploy::live;
use crate::deployed::{linear_with_bias, tampered, with_onnx};
use crate::harness::Project;
use crate::server::{Answer, Server, rows};

const FOLLOWING: [&str; 4] = ["production", "--follow", "--every", "0.05"];

/// What the model answers to a row of zeros: its constant term.
fn constant(answer: &Answer) -> f64 {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["outputs"][0]["data"][0].as_f64().unwrap()
}

fn ask(server: &Server) -> Answer {
    server.infer(&rows("[[0, 0, 0]]"))
}

/// The release that gave the answer, as its header says.
pub fn release_of(answer: &Answer) -> String {
    let header = answer.head.lines().find_map(|line| line.strip_prefix("mlx-bundle: "));
    header.unwrap_or_else(|| panic!("no release in {}", answer.head)).trim().to_owned()
}

/// Asks for the status until it is as wanted.
#[track_caller]
pub fn await_status(server: &Server, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let status = server.get("/status").json();
        if is_wanted(&status) {
            return status;
        }
        assert!(Instant::now() < until, "{status:#}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The release of the followed target that answers.
pub fn is_live(release: &str) -> impl Fn(&Value) -> bool {
    move |status| status["followed"][0]["live"] == release
}

/// The digest of the release that is live on the target.
fn current(project: &Project) -> String {
    format!("sha256:{}", live(project).file_name().unwrap().to_str().unwrap())
}

/// Asks from so many sides again and again while `act` is at it, and once more from each when it is done; what it returns, and
/// the answers of each side.
pub fn while_asked<T, A: Send>(sides: usize, ask: impl Fn() -> A + Sync, act: impl FnOnce() -> T) -> (T, Vec<Vec<A>>) {
    let is_over = AtomicBool::new(false);
    let client = || {
        let mut answers = Vec::new();
        loop {
            // Looked at before it is asked, so that the last request begins after the end.
            let is_last = is_over.load(Ordering::Acquire);
            answers.push(ask());
            if is_last {
                return answers;
            }
        }
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..sides).map(|_| scope.spawn(client)).collect();
        // A failure in it must not leave them asking for ever.
        let done = catch_unwind(AssertUnwindSafe(act));
        is_over.store(true, Ordering::Release);
        let answers = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (done.unwrap_or_else(|panic| resume_unwind(panic)), answers)
    })
}

/// Another version of the model, whose constant term is this.
fn retrain(project: &Project, bias: f32) {
    register(project, &[("linear.onnx", &linear_with_bias(bias))]);
}

/// Points the target at a release as somebody would who does not ask whether it answers.
fn point_at(project: &Project, release: &str) {
    let target = project.path("deploy/production");
    let hex = release.strip_prefix("sha256:").unwrap();
    let link = target.join("tmp-link");
    std::os::unix::fs::symlink(Path::new("releases").join(hex), &link).unwrap();
    fs::rename(link, target.join("current")).unwrap();
}

#[test]
fn a_new_release_takes_over_without_losing_a_request() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    let first = current(&project);
    let server = Server::start(&project, &FOLLOWING);
    retrain(&project, 1.5);

    let told = || {
        let answer = ask(&server);
        (constant(&answer), release_of(&answer))
    };
    let (second, answers) = while_asked(4, told, || {
        project.mlx(&["deploy", "production"]).success();
        let second = current(&project);
        await_status(&server, is_live(&second));
        // What is asked from now on is answered by the new one.
        assert_eq!(constant(&ask(&server)), 1.5);
        second
    });

    assert_ne!(first, second);
    for answers in answers {
        let by_second = answers.iter().position(|(_, release)| *release == second).expect("some were asked after it");
        assert!(answers[..by_second].iter().all(|answer| *answer == (0.5, first.clone())), "{answers:?}");
        assert!(answers[by_second..].iter().all(|answer| *answer == (1.5, second.clone())), "{answers:?}");
    }
    project.mlx(&["rollback", "production"]).success();
    let status = await_status(&server, is_live(&first));
    assert_eq!(constant(&ask(&server)), 0.5);
    assert_eq!(status["models"].as_array().unwrap().len(), 1, "{status:#}");
    let metrics = server.get("/metrics").body;
    assert!(metrics.contains("mlx_follow_switches_total{target=\"production\"} 2\n"), "{metrics}");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(said.iter().any(|line| line.contains("`production`: m 2 (")), "{said:?}");
}

#[test]
fn a_release_that_does_not_answer_as_it_should_leaves_the_old_one() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    let good = current(&project);
    let server = Server::start(&project, &FOLLOWING);
    retrain(&project, 1.5);
    let bundle = tampered(&project);
    let unpacked = project.path("deploy/production/releases/tmp-unpacked");
    project.mlx(&["bundle", "unpack", bundle.to_str().unwrap(), unpacked.to_str().unwrap()]).success();
    let bad = mlx::bundle::Bundle::open(&bundle).unwrap().digest();
    fs::rename(&unpacked, unpacked.with_file_name(bad.hex())).unwrap();

    point_at(&project, &bad.to_string());

    let status = await_status(&server, |status| status["followed"][0]["refused"]["release"] == bad.to_string());
    let refused = &status["followed"][0]["refused"];
    assert!(refused["why"].as_str().unwrap().contains("does not answer as it did"), "{status:#}");
    assert!(!status.to_string().contains(project.root().to_str().unwrap()), "{status:#}");
    assert_eq!((&status["followed"][0]["live"], &status["ready"]), (&json!(good), &json!(true)));
    assert_eq!(constant(&ask(&server)), 0.5);
    assert!(server.get("/metrics").body.contains("mlx_follow_refused{target=\"production\"} 1\n"));

    let gone = Digest::of("gone").to_string();
    point_at(&project, &gone);
    await_status(&server, |status| status["followed"][0]["refused"]["release"] == gone);
    assert_eq!(constant(&ask(&server)), 0.5);

    point_at(&project, &good);
    await_status(&server, |status| status["followed"][0]["refused"].is_null());
    assert!(server.get("/metrics").body.contains("mlx_follow_refused{target=\"production\"} 0\n"));
    let (_, said) = server.stop();
    let told: Vec<_> = said.iter().filter(|line| line.contains("is not served")).collect();
    assert_eq!(told.len(), 2, "each is told of once: {said:?}");
    assert!(told[0].contains("m 1 (") && told[0].contains("answers"), "{told:?}");
}

#[test]
fn a_target_that_cannot_be_asked_is_told_of_and_the_release_stays() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    let good = current(&project);
    let server = Server::start(&project, &FOLLOWING);
    let link = project.path("deploy/production/current");

    fs::remove_file(&link).unwrap();
    fs::write(&link, "no link").unwrap();
    let status = await_status(&server, |status| !status["followed"][0]["trouble"].is_null());
    assert_eq!((constant(&ask(&server)), &status["followed"][0]["live"]), (0.5, &json!(good)));

    fs::remove_file(&link).unwrap();
    await_status(&server, |status| status["followed"][0]["trouble"] == "nothing is live there any more");
    assert_eq!(constant(&ask(&server)), 0.5, "what answers goes on");
    point_at(&project, &good);
    await_status(&server, |status| status["followed"][0]["trouble"].is_null());
}

/// How many of a hundred requests each release answers.
fn shares(server: &Server, path: &str) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for _ in 0..100 {
        let answer = server.post(path, &rows("[[0, 0, 0]]"));
        constant(&answer);
        *shares.entry(release_of(&answer)).or_default() += 1;
    }
    shares
}

#[test]
fn a_canary_answers_its_part_until_it_is_promoted() {
    let project = with_onnx();
    project.mlx(&["deploy", "production", "--canary", "10%"]).exits_with(2).says("nothing is live on `production`");
    project.mlx(&["deploy", "production"]).success();
    let first = current(&project);
    let server = Server::start(&project, &FOLLOWING);
    retrain(&project, 1.5);

    let deployed = project.mlx(&["deploy", "production", "--canary", "10%"]).success();
    let deployed = deployed.prints("answers 10 % of the requests on `production` now");
    assert!(deployed.stderr.contains("--promote"), "{}", deployed.stderr);
    let status = await_status(&server, |status| !status["followed"][0]["canary"].is_null());
    let canary = status["followed"][0]["canary"]["release"].as_str().unwrap().to_owned();
    let all = |release: &str, count| BTreeMap::from([(release.to_owned(), count)]);

    assert_eq!((current(&project), &status["followed"][0]["canary"]["percent"]), (first.clone(), &json!(10)));
    let mut expected = all(&first, 90);
    expected.extend(all(&canary, 10));
    assert_eq!(shares(&server, "/v2/models/m/infer"), expected);
    assert_eq!(shares(&server, "/v2/models/m/versions/2/infer"), all(&canary, 100));
    let metrics = server.get("/metrics").body;
    project.mlx(&["model", "rm", "m:2"]).exits_with(2).says("`m` 2 is the canary on `production` and can't be removed");
    let short = canary.strip_prefix("sha256:").unwrap()[..12].to_owned();
    let info = format!("mlx_release_info{{model=\"m\",version=\"2\",release=\"{short}\",share=\"canary\"}} 1");
    assert!(metrics.lines().any(|line| line == info), "{metrics}");
    let releases = project.mlx(&["releases", "production"]).success().stdout;
    assert!(releases.contains("canary 10 %") && releases.contains("live"), "{releases}");

    project.mlx(&["deploy", "production", "--canary", "50"]).success().prints("answers 50 % of the requests");
    await_status(&server, |status| status["followed"][0]["canary"]["percent"] == 50);
    assert_eq!(shares(&server, "/v2/models/m/infer")[&canary], 50);

    project.mlx(&["deploy", "production", "--promote"]).success().prints("`m` 2 (");
    await_status(&server, |status| is_live(&canary)(status) && status["followed"][0]["canary"].is_null());
    assert_eq!(shares(&server, "/v2/models/m/infer"), all(&canary, 100));
    assert_eq!(current(&project), canary);
    project.mlx(&["deploy", "production", "--promote"]).exits_with(2).says("`production` has no canary");
    project.mlx(&["rollback", "production"]).success();
    assert_eq!(current(&project), first);
}

#[test]
fn a_bundle_beside_a_target_stays_as_it_is() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    retrain(&project, 1.5);
    project.mlx(&["package", "m"]).success();
    let server = Server::start(&project, &[FOLLOWING.as_slice(), &["dist/m-2.tar"]].concat());
    assert_eq!(constant(&ask(&server)), 1.5, "the newest version answers");

    retrain(&project, 2.5);
    project.mlx(&["deploy", "production"]).success();
    await_status(&server, is_live(&current(&project)));

    let versions = server.get("/v2/models/m").json()["versions"].clone();
    assert_eq!((versions, constant(&ask(&server))), (json!(["2", "3"]), 2.5));
    // One version in two releases, of which nobody could tell which is meant.
    project.mlx(&["deploy", "production", "--bundle", "dist/m-2.tar"]).success();
    let status = await_status(&server, |status| !status["followed"][0]["refused"].is_null());
    assert_eq!(status["models"].as_array().unwrap().len(), 2, "{status:#}");
    assert_eq!(constant(&ask(&server)), 2.5);
}

#[test]
fn rollback_ends_a_canary_and_leaves_the_live_release() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    let first = current(&project);
    retrain(&project, 1.5);
    project.mlx(&["deploy", "production", "--canary", "25%"]).success();
    let server = Server::start(&project, &FOLLOWING);
    assert_eq!(shares(&server, "/v2/models/m/infer").len(), 2, "a server that starts splits, too");

    let ended = project.mlx(&["rollback", "production"]).success();

    ended.prints("`m` 1 (").prints("answers all requests on `production` again");
    await_status(&server, |status| status["followed"][0]["canary"].is_null());
    assert_eq!((shares(&server, "/v2/models/m/infer").len(), current(&project)), (1, first));
    let history = project.mlx(&["releases", "production", "--history"]).success().stdout;
    assert!(history.contains("canary: 25 % of the requests") && history.contains("the canary was ended"), "{history}");
    for wrong in ["0%", "100%", "x", "-1"] {
        project.mlx(&["deploy", "production", &format!("--canary={wrong}")]).exits_with(2).says("1% to 99%");
    }
    fs::write(project.path("deploy/production/split.json"), "{").unwrap();
    project.mlx(&["releases", "production"]).exits_with(1).says("`split.json` on the target").says("mlx rollback");
    project.mlx(&["rollback", "production"]).success();
    project.mlx(&["releases", "production"]).success();
}

#[test]
fn what_is_no_target_cannot_be_followed() {
    let project = with_onnx();
    project
        .mlx(&["serve", "nowhere", "--follow"])
        .exits_with(2)
        .says("there is no bundle, directory or target `nowhere`");
    project.mlx(&["serve", "production", "--follow"]).exits_with(2).says("nothing is live on `production` yet");
    project.mlx(&["package", "m"]).success();
    project.mlx(&["serve", "dist/m-1.tar", "--follow"]).exits_with(2).says("none of these is a target");
    project.mlx(&["serve", "production", "--every", "1"]).exits_with(2);
    project.mlx(&["serve", "production", "--follow", "--every", "0"]).exits_with(2).says("0.05 to 86400");
}

#[test]
fn a_release_whose_server_stops_answering_while_it_is_watched_is_taken_back() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    let first = current(&project);
    let server = Server::start(&project, &FOLLOWING);
    let manifest = project.read("mlx.toml");
    let watched = |window: &str| {
        let health = format!("timeout = \"60s\", url = \"http://{}\", watch = \"{window}\"", server.address);
        project.set("mlx.toml", manifest.replace("timeout = \"60s\"", &health));
    };

    watched("1s");
    retrain(&project, 1.5);
    project.mlx(&["deploy", "production"]).success();
    let second = current(&project);
    watched("60s");
    retrain(&project, 2.5);
    let mut deploy = project.command(&["deploy", "production"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(deploy.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("watching `m` 3 on http://") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    drop(server);
    stderr.read_to_string(&mut said).unwrap();

    assert_eq!(deploy.wait().unwrap().code(), Some(4), "{said}");
    assert!(
        said.contains("`m` 3 on `production` was watched and does not do well") && said.contains("`m` 2 ("),
        "{said}"
    );
    assert_eq!(current(&project), second);
    let history = project.mlx(&["releases", "production", "--history"]).success().stdout;
    assert!(history.contains("the next one was watched"), "{history}");
    project.set("mlx.toml", &manifest);
    project.mlx(&["rollback", "production"]).success();
    assert_eq!(current(&project), first, "the one that was taken back is passed over");
}
