//! Serving and asking: `mlx serve` and `mlx predict`, over real connections.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Stdio;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::server::{Answer, Server, packaged, post, replace, rows, unpacked};

#[test]
fn from_an_answer_one_can_name_the_run_the_bundle_and_the_data() {
    let (project, packaged) = packaged();
    let server = Server::start(&project, &["dist/m-1.tar"]);

    let answer = server.infer(&rows("[[1, 2, 3], [0, 0, 0]]"));
    let metadata = server.get("/v2/models/m").json();

    let body = answer.json();
    assert_eq!((&body["model_name"], &body["model_version"]), (&json!("m"), &json!("1")));
    assert_eq!(body["outputs"], json!([{"name": "y", "datatype": "FP32", "shape": [2, 1], "data": [2.5, 0.5]}]));
    assert_eq!(body["parameters"], json!({"run": "0123456789ab", "bundle": packaged["manifest"]}));
    assert!(answer.head.contains("\r\nmlx-run: 0123456789ab\r\n"), "{}", answer.head);
    let bundle = packaged["manifest"].as_str().unwrap();
    assert!(answer.head.contains(&format!("\r\nmlx-bundle: {bundle}\r\n")), "{}", answer.head);
    let lineage = &metadata["lineage"];
    assert_eq!((&lineage["run"], &lineage["bundle"]), (&json!("0123456789ab"), &packaged["manifest"]));
    assert_eq!(lineage["data"][0]["path"], "raw.csv");
    assert_eq!(lineage["data"][0]["digest"], mlx::Digest::of(b"1,2").to_string());
    assert_eq!(metadata["inputs"][0]["shape"], json!([-1, 3]));
    assert_eq!(metadata["inputs"][0]["columns"], json!(["height", "width", "depth"]));
}

#[test]
fn clients_that_send_garbage_or_nothing_keep_nobody_waiting() {
    let project = unpacked();
    let server = Server::start(&project, &["release"]);

    let mut waiting = Vec::new();
    for start in ["", "GET", "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{"] {
        for _ in 0..40 {
            let mut stream = server.connect();
            stream.write_all(start.as_bytes()).unwrap();
            waiting.push(stream);
        }
    }
    for garbage in ["\x16\x03\x01\x02\x00\x01", "NONSENSE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        assert_ne!(server.exchange(garbage.as_bytes()).status, 200);
    }

    server.assert_answers();
    drop(waiting);
    server.assert_answers();
}

#[test]
fn who_closes_its_side_after_the_request_gets_the_answer() {
    let project = unpacked();
    let server = Server::start(&project, &["release"]);
    let small = rows("[[1, 2, 3]]");
    let large = rows(&format!("[{}]", vec!["[1, 2, 3]"; 20_000].join(",")));

    for body in [&small, &large] {
        let mut client = server.connect();
        client.write_all(post("/v2/models/m/infer", body).replace("Connection: close\r\n", "").as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let answer = Answer::read(client);
        assert_eq!((answer.status, &answer.json()["outputs"][0]["data"][0]), (200, &json!(2.5)));
    }
    // Of a request that is cut short there is nothing to answer but that.
    let mut client = server.connect();
    client.write_all(post("/v2/models/m/infer", &small).split_at(150).0.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(Answer::read(client).status, 400);
}

#[test]
fn more_idle_connections_than_the_usual_limit_of_files_keep_nobody_out() {
    let project = unpacked();
    let program = env!("CARGO_BIN_EXE_mlx");
    let mut limited = project.other("sh", &["-c", &format!("ulimit -Sn 64; exec '{program}' serve --port 0 release")]);
    let environment = project.command(&[]);
    limited.envs(environment.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let server = Server::of(limited);

    let idle: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();

    server.assert_answers();
    drop(idle);
}

#[test]
fn many_clients_at_once_get_their_own_answers() {
    let project = unpacked();
    let server = &Server::start(&project, &["release"]);

    std::thread::scope(|scope| {
        for client in 0..8 {
            scope.spawn(move || {
                for row in 0..25 {
                    let (a, b) = (client, row);
                    let answer = server.infer(&rows(&format!("[[{a}, {b}, 0]]"))).json();
                    let expected = f64::from(a) + 2.0 * f64::from(b) + 0.5;
                    assert_eq!(answer["outputs"][0]["data"], json!([expected]));
                }
            });
        }
    });
}

#[test]
fn a_request_that_has_begun_is_answered_before_the_server_ends() {
    let project = unpacked();
    let server = Server::start(&project, &["release"]);
    let request = post("/v2/models/m/infer", &rows("[[1, 2, 3]]"));
    let (first, rest) = request.split_at(request.len() - 5);
    let mut stream = server.connect();
    stream.write_all(first.as_bytes()).unwrap();
    // An answer on a later connection shows that the earlier one was taken.
    server.assert_answers();

    kill_process(Pid::from_child(&server.child), Signal::TERM).unwrap();
    while TcpStream::connect(server.address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(rest.as_bytes()).unwrap();

    assert_eq!(Answer::read(stream).json()["outputs"][0]["data"], json!([2.5]));
    let (code, lines) = server.stop();
    assert_eq!(code, Some(0), "{lines:?}");
    assert_eq!(lines, ["stopped after 2 requests for inference"]);
}

#[test]
fn rows_get_the_same_answer_from_a_server_and_from_a_bundle() {
    let (project, _) = packaged();
    project.set("new.csv", "id,depth,height,width\na,3,1,2\nb,0,10,0\n");
    project.set("new.json", r#"[{"height": 1, "width": 2, "depth": 3}, {"height": 10, "width": 0, "depth": 0}]"#);
    let server = Server::start(&project, &["dist/m-1.tar"]);
    let url = format!("http://{}", server.address);

    let expected = "   y\n 2.5\n10.5\nAnswered by `m` 1. Where it comes from: `mlx runs show [id]`\n";
    for whom in [&url, &format!("{url}/v2/models/m"), "dist/m-1.tar"] {
        for input in ["new.csv", "new.json"] {
            let outcome = project.mlx(&["predict", whom, "--input", input]).success();
            assert_eq!(outcome.text(), expected, "{whom} {input}");
        }
    }
    let remote = project.mlx(&["predict", &url, "-i", "new.csv", "--json"]).success().json();
    let local = project.mlx(&["predict", "dist/m-1.tar", "-i", "new.csv", "--json"]).success().json();
    assert_eq!(remote, local);
}

#[test]
fn rows_come_from_standard_input_in_either_format() {
    let project = unpacked();
    let ask = |arguments: &[&str], input: &str| {
        let arguments = [&["predict", "release", "--input", "-", "--quiet"], arguments].concat();
        let mut command = project.command(&arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };

    assert_eq!(ask(&[], "[[1, 2, 3]]"), "  y\n2.5\n");
    assert_eq!(ask(&[], "height,width,depth\n1,2,3\n"), "  y\n2.5\n");
    assert_eq!(ask(&[], "\u{feff}[[1, 2, 3]]"), "  y\n2.5\n");
    assert_eq!(ask(&[], "\u{feff}height,width,depth\r\n1,2,3\r\n"), "  y\n2.5\n");
    assert_snapshot!(ask(&["--format", "json"], "height,width,depth\n1,2,3\n"), @"error: cannot make a request of standard input: the JSON can't be read: expected value at line 1 column 1");
    assert_snapshot!(ask(&[], "height,width\n1,2\n"), @"error: cannot make a request of standard input: column `depth` is missing: there are: `height`, `width`");
    assert_snapshot!(ask(&[], "height,width,depth\n1,2,3\n4,tall,6\n"), @r#"error: cannot make a request of standard input: line 3, column `width` is "tall", which FP32 can't hold"#);
}

#[test]
fn a_server_that_refuses_or_is_not_there_is_an_error() {
    let project = unpacked().write("rows.json", "[[1, 2, 3]]");
    let server = Server::start(&project, &["release"]);
    let url = format!("http://{}", server.address);

    project
        .mlx(&["predict", &url, "--model", "other", "-i", "rows.json"])
        .exits_with(1)
        .says("gave 404 Not Found: unknown model `other`; `m` is served");
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
    project.mlx(&["predict", &url, "-i", "rows.json"]).exits_with(1).says("Connection refused");
}

#[test]
fn a_model_that_answers_otherwise_than_when_it_was_packaged_is_not_served() {
    let project = unpacked();
    let path = project.path("release/mlx.bundle.json");
    let mut description: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    description["smoke"]["response"]["outputs"][0]["data"][1] = json!(7.0);
    replace(&path, description.to_string().as_bytes());

    project
        .mlx(&["serve", "release", "--port", "0"])
        .exits_with(4)
        .says("the model does not answer as it did when it was packaged: output `y`, element 1: -0.5 instead of 7");
}

#[test]
fn a_damaged_release_is_not_served_and_a_damaged_cache_is_mended() {
    let (project, _) = packaged();
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "release"]).success();
    let damaged = |path: &Path| {
        let mut content = fs::read(path).unwrap();
        let last = content.len() - 1;
        content[last] ^= 1;
        replace(path, &content);
    };
    let cache = project.home().join("cache");
    let predict = |whom: &str| {
        let mut command = project.command(&["predict", whom, "--input", "rows.csv", "--quiet"]);
        let output = command.env("MLX_CACHE_DIR", &cache).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let answers = (Some(0), "   y\n 2.5\n-0.5\n".to_owned());

    assert_eq!(predict("dist/m-1.tar"), answers);
    let bundles = fs::read_dir(cache.join("bundles/releases")).unwrap().map(|entry| entry.unwrap().path());
    let cached: Vec<_> = bundles.collect();
    assert_eq!(cached.len(), 1);
    damaged(&cached[0].join("model/linear.onnx"));
    // What is left of one that was killed while it unpacked a bundle.
    let left = cache.join("bundles/tmp/tmp-killed");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half"), "of a file").unwrap();
    assert_eq!(predict("dist/m-1.tar"), answers);
    assert!(!left.exists());

    damaged(&project.path("release/model/linear.onnx"));
    let outcome = project.mlx(&["serve", "release", "--port", "0"]).exits_with(1);
    outcome.says("file `model/linear.onnx` of the release is damaged: it should be sha256:[digest]");
}

#[test]
fn what_cannot_be_served_is_said_with_a_remedy() {
    let project = unpacked();
    project.set("empty/file", "");
    let manifest = project.read("mlx.toml");
    project.set("mlx.toml", format!("{manifest}[target.staging]\nurl = \"deployed\"\n"));

    project.mlx(&["serve", "stagin"]).exits_with(2).says("hint: did you mean `staging`?");
    project.mlx(&["serve", "staging"]).exits_with(2).says("hint: deploy one with `mlx deploy`");
    project.mlx(&["serve", "empty"]).exits_with(2).says("there is no release in `[root]/project/empty`");
    project.mlx(&["serve", "mlx.toml"]).exits_with(1).says("cannot use `[root]/project/mlx.toml` as a bundle");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    project.mlx(&["serve", "release", "--port", &port]).exits_with(1).says("hint: choose another port with `--port`");
    let elsewhere = project.mlx(&["serve", "release", "--host", "nowhere.invalid", "--port", "0"]).exits_with(1);
    elsewhere.says("hint: name an address of this machine with `--host`");
    project.mlx(&["serve", "release", "--max-body", "0"]).exits_with(2);
    // An address as it stands in a URL, where this machine has one.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        Server::start(&project, &["release", "--host", "[::1]"]).assert_answers();
    }
}

#[test]
fn the_live_release_of_a_target_is_served_by_its_name() {
    let (project, packaged) = packaged();
    let manifest = project.read("mlx.toml");
    project.set("mlx.toml", format!("{manifest}[target.staging]\nurl = \"deployed\"\nmodel = \"m\"\n"));
    let hex = packaged["manifest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let release = format!("deployed/releases/{hex}");
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", &release]).success();
    std::os::unix::fs::symlink(format!("releases/{hex}"), project.path("deployed/current")).unwrap();

    for what in ["staging", "deployed"] {
        let server = Server::start(&project, &[what]);
        assert_eq!(server.infer(&rows("[[1, 2, 3]]")).json()["parameters"]["bundle"], packaged["manifest"]);
    }
}
