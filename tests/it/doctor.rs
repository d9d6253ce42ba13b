//! `mlx doctor`: what it finds, and when it says that something is missing.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use serde_json::Value;

use crate::harness::{Outcome, Project};

/// Answers each request with this status until the test ends.
fn server(status: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    address
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check `{name}` in {report:#}"))
}

fn verdict<'a>(report: &'a Value, name: &str) -> &'a str {
    check(report, name)["verdict"].as_str().unwrap()
}

fn with_path(project: &Project, path: &Path, arguments: &[&str]) -> Outcome {
    project.outcome(project.command(arguments).env("PATH", path))
}

#[test]
fn outside_a_project_it_looks_at_the_machine() {
    let project = Project::empty();

    let report = project.mlx(&["doctor", "--json"]).success().json();

    assert_eq!(verdict(&report, "git"), "good");
    assert_eq!(verdict(&report, "python"), "good");
    assert_eq!(check(&report, "project")["remedy"], "start one with `mlx init`");
}

#[test]
fn executors_that_do_not_answer_are_no_need_of_this_machine() {
    let executors = format!(
        "[executor.ray]\nkind = 'ray'\naddress = 'http://{}'\n[executor.up]\nkind = 'ray'\naddress = 'http://{}'\n\
         [executor.secret]\nkind = 'ray'\ntoken_variable = 'NOT_SET'\n[executor.k8s]\nkind = 'kubernetes'\nimage = 'x'\n",
        nobody(),
        server(403)
    );
    let project = Project::with_manifest(&executors);
    let empty = project.home().join("empty");

    let report = with_path(&project, &empty, &["doctor", "--json"]).json();

    for name in ["executor ray", "executor up", "executor secret", "executor k8s"] {
        assert_eq!(verdict(&report, name), "notice", "{report:#}");
    }
    let found = |name: &str| check(&report, name)["found"].as_str().unwrap().to_owned();
    assert!(found("executor ray").contains("Connection refused"), "{report:#}");
    assert!(found("executor up").contains("answers 403"), "{report:#}");
    assert!(found("executor secret").contains("`NOT_SET`"), "{report:#}");
    assert!(found("executor k8s").contains("cannot start `kubectl`"), "{report:#}");
}

#[test]
fn a_project_is_left_as_it_is() {
    let project = Project::with_manifest("");

    let report = project.mlx(&["doctor", "--json"]).success().json();

    for name in ["project", "store", "runs", "file system"] {
        assert_eq!(verdict(&report, name), "good", "{name}");
    }
    let names: Vec<_> = std::fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mlx.toml"]);
}

#[test]
fn a_broken_manifest_is_shown_with_its_place() {
    let project = Project::with_manifest("[step.a]\ncmd = ");

    project
        .mlx(&["doctor"])
        .exits_with(4)
        .prints("mlx.toml, line 2, column 7")
        .says("one thing that is needed is missing");
}

#[test]
fn places_that_answer_are_good_and_others_are_missing() {
    let (alive, refusing, broken, dead) = (server(200), server(403), server(503), nobody());
    let manifest = format!(
        "remote.alive.url = 'http://{alive}/x'\n\
         remote.refusing.url = 'http://{refusing}/x'\n\
         remote.secret.url = 'http://me:hunter2@{alive}/x'\n\
         remote.broken.url = 'http://{broken}/x'\n\
         remote.dead.url = 'http://{dead}/x'\n\
         remote.new.url = '../remote'\n\
         target.file.url = 'mlx.toml'\n"
    );
    let project = Project::with_manifest(&manifest);

    let outcome = project.mlx(&["doctor", "--json"]).exits_with(4).says("5 things that are needed are missing");

    let report = outcome.json();
    for name in ["remote alive", "remote new"] {
        assert_eq!(verdict(&report, name), "good", "{name}");
    }
    for name in ["remote refusing", "remote secret", "remote broken", "remote dead", "target file"] {
        assert_eq!(verdict(&report, name), "missing", "{name}");
    }
    assert!(!outcome.stdout.contains("hunter2"));
}

#[test]
fn a_bucket_is_asked_at_the_endpoint_of_the_user() {
    let project = Project::with_manifest("remote.a.url = 's3://bucket/x'");
    let endpoint = format!("http://{}", server(403));
    let mut command = project.command(&["doctor"]);
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "key");

    let outcome = project.outcome(&mut command);

    outcome.exits_with(4).prints("s3://bucket/x: access denied: 403 Forbidden").prints("AWS_PROFILE");
}

#[test]
fn refused_credentials_are_named_by_where_they_came_from() {
    let bucket = Project::with_manifest("remote.a.url = 's3://bucket/x'");
    let web = Project::with_manifest(&format!("remote.a.url = 'http://{}/x'", server(401)));
    let ask = |project: &Project, variables: &[(&str, &str)]| {
        let outcome = project.outcome(project.command(&["pull"]).envs(variables.iter().copied())).exits_with(1);
        assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        outcome
    };

    let endpoint = format!("http://{}", server(403));
    let keys = [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "hunter2"), ("AWS_ENDPOINT_URL", &*endpoint)];
    ask(&bucket, &keys).says("credentials were sent, from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    fs::create_dir(bucket.home().join(".aws")).unwrap();
    let profile = "[work]\naws_access_key_id = me\naws_secret_access_key = hunter2\n";
    fs::write(bucket.home().join(".aws/credentials"), profile).unwrap();
    ask(&bucket, &[("AWS_ENDPOINT_URL", &endpoint), ("MLX_REMOTE_A_PROFILE", "work")])
        .says("from profile `work`, which MLX_REMOTE_A_PROFILE names");
    ask(&web, &[("MLX_REMOTE_A_USER", "me"), ("MLX_REMOTE_A_PASSWORD", "hunter2")])
        .says("credentials were sent, from MLX_REMOTE_A_PASSWORD");
    fs::write(web.home().join(".netrc"), "machine 127.0.0.1 login me password hunter2\n").unwrap();
    ask(&web, &[]).says("credentials were sent, from ~/.netrc");
    fs::remove_file(web.home().join(".netrc")).unwrap();
    let outcome = ask(&web, &[]);
    assert!(!outcome.stderr.contains("were sent"), "{}", outcome.stderr);
}

#[test]
fn ssh_is_asked_without_a_question() {
    let project =
        Project::with_manifest("remote.a.url = 'ssh://me@good:22/srv'\nremote.b.url = 'ssh://-oProxyCommand=x/y'");
    // The first call makes the connection that is shared, the second runs a script over there, the third ends it.
    let script = "[ \"$1\" != -V ] || { echo OpenSSH_test >&2; exit 0; }\n\
        case \"$*\" in\n\
        *'BatchMode=yes'*' -N -f '*'-p22 -l me -- good') exit 0;;\n\
        *'BatchMode=yes'*'-p22 -l me -- good sh -c '*) exit 44;;\n\
        *'-O exit'*) exit 0;;\n\
        *) echo \"unexpected: $*\" >&2; exit 1;; esac\n";
    let programs = project.home().join("bin");
    project.program(&programs.join("ssh"), script);

    let report = with_path(&project, &programs, &["doctor", "--json"]).exits_with(4).json();

    assert_eq!(check(&report, "ssh")["found"], "OpenSSH_test");
    assert_eq!(check(&report, "remote a")["found"], "ssh://me@good:22/srv: answers; nothing was pushed there yet");
    let refused = check(&report, "remote b")["found"].as_str().unwrap();
    assert!(refused.contains("has a user or a host that can't be one"), "{refused}");
}

#[test]
fn what_is_missing_counts_only_where_it_is_needed() {
    let nothing = Path::new("/nonexistent");

    let free = Project::with_manifest("");
    let report = with_path(&free, nothing, &["doctor", "--json"]).success().json();
    assert_eq!([verdict(&report, "git"), verdict(&report, "python"), verdict(&report, "ssh")], ["notice"; 3]);

    let needy = Project::with_manifest("env.python = { requirements = [] }\ntarget.a.url = 'ssh://host/x'");
    let report = with_path(&needy, nothing, &["doctor", "--json"]).exits_with(4).json();
    assert_eq!([verdict(&report, "python"), verdict(&report, "ssh")], ["missing"; 2]);
    assert!(check(&report, "python")["remedy"].as_str().unwrap().starts_with("install Python"));
}
