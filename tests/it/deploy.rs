//! `mlx deploy`, `mlx rollback` and `mlx releases` on directory targets.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use insta::assert_snapshot;
use mlx::fs::FileLock;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bundles::register;
use crate::harness::Project;

/// A project with one version of a model without a server, and a target.
fn with_weights() -> Project {
    let project = Project::with_manifest(
        "[model.m]\npath = \"model\"\n[target.production]\nurl = \"deploy/production\"\nmodel = \"m\"\n",
    );
    register(&project, &[("a.bin", b"first"), ("shared.bin", b"in every version")]);
    project
}

/// The next version, of which one file differs.
fn next(project: &Project) {
    register(project, &[("a.bin", b"second"), ("shared.bin", b"in every version")]);
}

/// What `current` leads to.
pub fn live(project: &Project) -> PathBuf {
    project.path("deploy/production/current").canonicalize().unwrap()
}

/// The releases on the target, the live one first.
pub fn releases(project: &Project) -> Vec<Value> {
    let listed = project.mlx(&["releases", "production", "--json"]).success().json();
    listed["releases"].as_array().unwrap().clone()
}

#[test]
fn a_deploy_makes_a_version_live() {
    let project = with_weights();

    let deployed = project.mlx(&["deploy", "production"]).success();
    let again = project.mlx(&["deploy", "production"]).success();

    assert_snapshot!(deployed.text(), @"
    `m` 1 ([id]) is live on `production`; 6 files, 1.5 KiB uploaded
    warning: `m` answers no requests; only its files are checked
    Serve it: `mlx serve production`
    ");
    assert_snapshot!(again.text(), @"`m` 1 ([id]) is live on `production` already; nothing changed");
    assert_eq!(fs::read_to_string(live(&project).join("model/a.bin")).unwrap(), "first");
}

#[test]
fn a_live_release_that_lost_files_or_was_edited_is_made_whole_by_the_same_command() {
    let project = with_weights();
    project.mlx(&["deploy", "production"]).success();
    let lost = live(&project).join("model/a.bin");
    let edited = live(&project).join("model/shared.bin");
    fs::remove_file(&lost).unwrap();
    fs::set_permissions(&edited, fs::Permissions::from_mode(0o644)).unwrap();
    // As long as before, and through the link into the blob.
    fs::write(&edited, "IN EVERY VERSION").unwrap();

    let plan = project.mlx(&["deploy", "production", "--plan"]).success();
    let repaired = project.mlx(&["deploy", "production"]).success();
    let again = project.mlx(&["deploy", "production"]).success();

    plan.prints("Would repair `m` 1");
    repaired.prints("is live on `production`, whole again;");
    again.prints("nothing changed");
    assert_eq!(fs::read_to_string(&lost).unwrap(), "first");
    assert_eq!(fs::read_to_string(&edited).unwrap(), "in every version");
}

#[test]
fn the_plan_shows_what_changed_and_changes_nothing() {
    let project = with_weights();
    project.mlx(&["deploy", "production"]).success();
    next(&project);
    let before = live(&project);

    let plan = project.mlx(&["deploy", "production", "--plan"]).success();
    let json = project.mlx(&["deploy", "production", "-n", "--json"]).success().json();

    assert_snapshot!(plan.text(), @"
    Would replace `m` 1 ([id]) by `m` 2 ([id]) in [root]/project/deploy/production
    Would upload 3 files, 1.2 KiB (of 6 files, 1.5 KiB)

    files
      path                       size
      README.md        changed  457 B
      model/a.bin      changed    6 B
      provenance.json  changed  799 B
    ");
    assert_eq!(json["upload"].as_array().unwrap().len(), 3);
    assert_eq!(json["upload_bytes"], 457 + 6 + 799);
    assert_eq!(json["files"][1]["path"], "model/a.bin");
    assert_eq!(live(&project), before);
    assert_eq!(releases(&project).len(), 1);
}

#[test]
fn the_plan_of_a_canary_says_who_would_answer_which_part() {
    let project = with_weights();
    let canary = |part: &str, more: &[&str]| project.mlx(&[&["deploy", "production", "--canary", part], more].concat());
    canary("10%", &["--plan"]).exits_with(2).says("nothing is live on `production` that a canary could stand beside");
    project.mlx(&["deploy", "production"]).success();
    next(&project);

    let plan = canary("10%", &["--plan"]).success();
    let json = canary("10%", &["--plan", "--json"]).success().json();
    assert_eq!(releases(&project).len(), 1, "a plan changes nothing");
    canary("10%", &[]).success();
    let again = canary("10%", &["-n"]).success();
    let more = canary("25%", &["-n"]).success();

    plan.prints("Would give 10 % of the requests in ")
        .prints(", and leave 90 % to `m` 1 (")
        .prints("Would upload 3 files");
    assert_eq!((&json["canary"], &json["live"]["version"], &json["version"]), (&10.into(), &1.into(), &2.into()));
    again.prints("answers 10 % of the requests in ").prints("nothing would change");
    more.prints("Would give 25 %").prints("It answers 10 % now");
    // What answers a part of the requests has to be whole as well.
    let canary_lies = project.path("deploy/production/releases").join(&json["release"].as_str().unwrap()[7..]);
    fs::write(canary_lies.join("code/json.py"), "raise SystemExit").unwrap();
    canary("10%", &[]).success().prints("on `production` now");
    assert!(!canary_lies.join("code/json.py").exists());
}

#[test]
fn a_way_back_is_named_where_there_is_one() {
    let project = with_weights();
    let has_way_back = || {
        let said = project.mlx(&["deploy", "production"]).success().stderr;
        said.contains("Back: `mlx rollback production`")
    };

    let first = has_way_back();
    fs::remove_file(live(&project).join("model/a.bin")).unwrap();
    let repaired = has_way_back();
    next(&project);
    let second = has_way_back();

    assert_eq!([first, repaired, second], [false, false, true]);
}

#[test]
fn rollback_and_releases_say_what_is_live() {
    let project = with_weights();
    project.mlx(&["deploy", "production", "m:1"]).success();
    next(&project);
    project.mlx(&["deploy", "production", "m:2"]).success();
    let live_versions = |project: &Project| -> Vec<(u64, bool)> {
        let version = |release: &Value| (release["version"].as_u64().unwrap(), release["live"].as_bool().unwrap());
        releases(project).iter().map(version).collect()
    };
    assert_eq!(live_versions(&project), [(2, true), (1, false)]);

    project.mlx(&["rollback", "production"]).success().prints("`m` 1");

    assert_eq!(live_versions(&project), [(1, true), (2, false)]);
    let second = releases(&project)[1]["release"].as_str().unwrap().to_owned();
    project.mlx(&["rollback", "production"]).exits_with(1).says("`production` has no release to go back to");
    project.mlx(&["rollback", "production", "--to", "0123"]).exits_with(2).says("there is no release `0123`");
    project.mlx(&["rollback", "production", "--to", &second[7..15]]).success().prints("`m` 2");
    project.mlx(&["releases", "production", "--history"]).success().prints("rollback");
}

#[test]
fn who_changes_a_target_is_named() {
    let project = with_weights();
    let lock = FileLock::try_exclusive(&project.path("deploy/production/lock"), "mlx deploy by ada").unwrap().unwrap();

    project
        .mlx(&["deploy", "production"])
        .exits_with(1)
        .says("is being changed by mlx deploy by ada (process ")
        .says("hint: wait until it is done");

    drop(lock);
    project.mlx(&["deploy", "production"]).success();
}

#[test]
fn two_deploys_at_once_leave_one_whole_release_live() {
    let project = with_weights();
    next(&project);

    let children = ["m:1", "m:2"].map(|version| {
        project.command(&["deploy", "production", version, "--quiet"]).stderr(Stdio::piped()).spawn().unwrap()
    });
    let ended = children.map(|child| child.wait_with_output().unwrap());

    let ended_well = ended.iter().filter(|output| output.status.success()).count();
    assert!(ended_well > 0, "{ended:?}");
    for output in ended.iter().filter(|output| !output.status.success()) {
        assert!(String::from_utf8_lossy(&output.stderr).contains("is being changed by mlx deploy"), "{output:?}");
    }
    assert!(live(&project).join("mlx.bundle.json").is_file());
    assert_eq!(releases(&project).iter().filter(|release| release["live"] == true).count(), 1);
}

/// A pipe that takes no more: who writes to it waits.
pub fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(b".").is_ok() {}
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

#[test]
fn a_deploy_that_is_killed_before_the_switch_leaves_the_old_release_and_is_done_again() {
    let project = with_weights();
    project.mlx(&["deploy", "production"]).success();
    let before = live(&project);
    next(&project);
    let planned = project.mlx(&["deploy", "production", "-n", "--json"]).success().json();
    let release = planned["release"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let laid_out = project.path("deploy/production/releases").join(release);

    // It can't say its warning, which comes between the upload and the switch.
    let (reader, writer) = full_pipe();
    let mut child = project.command(&["deploy", "production"]).stderr(writer).spawn().unwrap();
    while !laid_out.exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it waits");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(reader);

    assert_eq!(live(&project), before);
    project.mlx(&["deploy", "production"]).success();
    assert_eq!(live(&project), laid_out.canonicalize().unwrap());
}

#[test]
fn a_full_disk_leaves_the_old_release_and_what_was_brought() {
    let project = with_weights();
    project.mlx(&["deploy", "production"]).success();
    let before = live(&project);
    register(&project, &[("a.bin", b"second"), ("big.bin", &[7; 1 << 20])]);
    project.mlx(&["package", "m"]).success();
    // No file may become larger than 64 KiB.
    let script = format!(
        "trap '' XFSZ; ulimit -f 128; exec {} deploy production --bundle dist/m-2.tar",
        env!("CARGO_BIN_EXE_mlx")
    );

    project.outcome(&mut project.other("sh", &["-c", &script])).exits_with(1).says("File too large");

    assert_eq!(live(&project), before);
    assert_eq!(fs::read_dir(project.path("deploy/production/tmp")).unwrap().count(), 0);
    project.mlx(&["releases", "production", "--history"]).success().prints("failed");
    let planned = project.mlx(&["deploy", "production", "-n", "--json"]).success().json();
    // The file that is too large, and the one behind it.
    let missing: Vec<_> =
        planned["upload"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(missing, ["model/big.bin", "provenance.json"]);
    project.mlx(&["deploy", "production"]).success();
    assert_ne!(live(&project), before);
}

#[test]
fn targets_that_cannot_be_used_are_named() {
    let project = Project::with_manifest(
        "[model.m]\npath = \"model\"\n[target]\nfile.url = \"file\"\ncloud.url = \"s4://bucket\"\n\
         none.url = \"none\"\nbad = { url = \"bad\", model = \"m@\" }\nlocked.url = \"/proc/locked\"\n",
    )
    .write("file", "");
    register(&project, &[("a.bin", b"first")]);

    project.mlx(&["deploy", "produktion", "m"]).exits_with(2).says("there is no target `produktion`");
    project.mlx(&["deploy", "file", "m"]).exits_with(2).says("is no directory");
    project.mlx(&["deploy", "cloud", "m"]).exits_with(2).says("names no place that mlx knows").says("mlx.toml, line ");
    project.mlx(&["deploy", "none"]).exits_with(2).says("target `none` names no model (mlx.toml, line ");
    project.mlx(&["deploy", "bad"]).exits_with(2).says("`model` of target `bad`: `m@` names no version of a model");
    project.mlx(&["deploy", "locked", "m"]).exits_with(1).says("/proc/locked");
    project.mlx(&["deploy", "none", "m:7"]).exits_with(2).says("model `m` has no version 7");
    project.mlx(&["releases", "none"]).success().prints("no releases");
    project.mlx(&["rollback", "none"]).exits_with(1).says("has no release to go back to");
}

#[test]
fn a_target_in_the_project_stays_out_of_git() {
    let project = with_weights();
    project.commit("start");

    project.mlx(&["deploy", "production"]).success();
    project.commit("deployed");

    let files = project.git(&["ls-files"]).stdout;
    assert!(!files.contains("deploy/") && !files.contains("dist/"), "{files}");
}

/// The target's server, as its health is asked: answers each request with this status until the test ends.
pub fn answering(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            request.take_while(|line| !line.is_empty()).for_each(drop);
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    url
}

#[test]
fn a_target_whose_server_does_not_answer_gets_the_old_release_back() {
    let project = with_weights();
    project.mlx(&["deploy", "production"]).success();
    let before = live(&project);
    next(&project);
    let manifest = project.read("mlx.toml");
    let health = |status| {
        let line = format!("health = {{ url = \"{}\", timeout = \"1s\" }}\n", answering(status));
        project.set("mlx.toml", format!("{manifest}{line}"));
    };

    health("503 Service Unavailable");
    let refused = project.mlx(&["deploy", "production"]).exits_with(4);
    let after_refusal = live(&project);
    health("200 OK");
    project.mlx(&["deploy", "production"]).success();

    refused
        .says("does not answer for it: GET /v2/health/ready gave 503 Service Unavailable for 1 s")
        .says("`m` 1 (")
        .says("is live again");
    assert_eq!(after_refusal, before);
    assert_ne!(live(&project), before);
    project.mlx(&["releases", "production", "--history"]).success().prints("taken back");
}

#[test]
fn ctrl_c_while_a_release_is_watched_leaves_it_live_and_says_so() {
    let project = with_weights();
    project.mlx(&["deploy", "production"]).success();
    let before = live(&project);
    next(&project);
    let health = format!("health = {{ url = \"{}\", watch = \"60s\" }}\n", answering("200 OK"));
    project.set("mlx.toml", project.read("mlx.toml") + &health);

    let mut deploy = project.command(&["deploy", "production"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(deploy.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.starts_with("watching `m` 2 on http://")).unwrap();
    kill_process(Pid::from_child(&deploy), Signal::INT).unwrap();
    let said: Vec<String> = lines.collect();

    assert_eq!(deploy.wait().unwrap().code(), Some(130), "{said:?}");
    let says = |text: &str| said.iter().any(|line| line.contains(text));
    assert!(
        says("`m` 2 is live on `production`, and was not watched to the end")
            && says("`mlx rollback production` goes back"),
        "{said:?}"
    );
    assert_ne!(live(&project), before);
}
