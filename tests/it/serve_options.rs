//! What `mlx serve` does where it is told: tokens, TLS, the access log, requests put together, the page and its document.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::clients::run_client;
use crate::serve_python::unpackaged;
use crate::server::{Server, packaged, rows, unpacked};
use crate::services::program;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn only_who_has_a_token_may_ask() {
    let project = unpacked().write("rows.json", "[[1, 2, 3]]").write("tokens", format!("# of the team\n{TOKEN}\n"));
    let mut command = project.command(&["serve", "release", "--port", "0"]);
    command.env("MLX_SERVE_TOKEN", TOKEN);
    let by_variable = Server::of(command);
    let by_file = Server::start(&project, &["release", "--token-file", "tokens"]);

    for server in [by_variable, by_file] {
        let body = rows("[[1, 2, 3]]");
        for wrong in ["", "Authorization: Bearer 0123456789abcdef0123456789abcdeF\r\n", "Authorization: Basic x\r\n"] {
            let refused = server.send("/v2/models/m/infer", wrong, body.as_bytes());
            assert_eq!((refused.status, refused.json()["error"].is_string()), (401, true));
            assert!(refused.head.contains("\r\nwww-authenticate: bearer\r\n"), "{}", refused.head);
        }
        let header = format!("Authorization: Bearer {TOKEN}\r\n");
        assert_eq!(server.send("/v2/models/m/infer", &header, body.as_bytes()).status, 200);
        for closed in ["/v2", "/v2/models/m", "/metrics", "/openapi.json", "/nowhere"] {
            assert_eq!(server.get(closed).status, 401, "{closed}");
        }
        for open in ["/", "/v2/health/live", "/v2/health/ready", "/ping"] {
            assert_eq!(server.get(open).status, 200, "{open}");
        }
        let url = format!("http://{}", server.address);
        project.mlx(&["predict", &url, "-i", "rows.json"]).exits_with(1).says("this server wants a token");
        let mut predict = project.command(&["predict", &url, "-i", "rows.json"]);
        project.outcome(predict.env("MLX_SERVE_TOKEN", TOKEN)).success().prints("2.5");
    }
    project.set("short", "secret\n");
    let outcome = project.mlx(&["serve", "release", "--token-file", "short"]).exits_with(2);
    outcome.says("hint: make one with `openssl rand -hex 32`");
}

#[test]
fn a_server_with_a_certificate_speaks_tls_only() {
    let Some(openssl) = program("openssl") else { return };
    let settings = "[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n[name]\nCN = localhost\n\
        [more]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";
    let project = unpacked().write("rows.json", "[[1, 2, 3]]").write("openssl.cnf", settings);
    let mut make = Command::new(&openssl);
    make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    make.arg("-config")
        .arg(project.path("openssl.cnf"))
        .arg("-keyout")
        .arg(project.path("key.pem"))
        .arg("-out")
        .arg(project.path("cert.pem"));
    assert!(make.output().unwrap().status.success());
    let server = Server::start(&project, &["release", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]);

    let url = format!("https://{}", server.address);
    let mut predict = project.command(&["predict", &url, "-i", "rows.json"]);
    project.outcome(predict.env("SSL_CERT_FILE", project.path("cert.pem"))).success().prints("2.5");
    let stranger = project.path("stranger.pem");
    std::fs::write(&stranger, "").unwrap();
    let mut predict = project.command(&["predict", &url, "-i", "rows.json"]);
    project.outcome(predict.env("SSL_CERT_FILE", &stranger)).exits_with(1);
    assert_eq!(server.get("/v2").status, 0);

    let outcome = project.mlx(&["serve", "release", "--tls-cert", "rows.json", "--tls-key", "key.pem"]).exits_with(1);
    outcome.says("cannot use `[root]/project/rows.json` for TLS");
    let other = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "other.pem"];
    assert!(project.other(&openssl.to_string_lossy(), &other).output().unwrap().status.success());
    for (key, why) in [("other.pem", "it is not the key of the first certificate in"), ("cert.pem", "no private key")] {
        project.mlx(&["serve", "release", "--tls-cert", "cert.pem", "--tls-key", key]).exits_with(1).says(why);
    }
    project.mlx(&["serve", "release", "--tls-cert", "cert.pem"]).exits_with(2);
}

#[test]
fn every_request_has_a_line_in_the_access_log() {
    let project = unpacked();
    let server = Server::start(&project, &["release", "--access-log", "log.jsonl"]);

    server.infer(&rows("[[1, 2, 3]]").replacen('{', r#"{"id": "seven", "#, 1));
    server.get("/v2/models/other");
    server.stop();

    let log = project.read("log.jsonl");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = lines.as_slice() else { panic!("{log}") };
    assert_eq!((&first["method"], &first["path"]), (&json!("POST"), &json!("/v2/models/m/infer")));
    assert_eq!((&first["status"], &first["model"], &first["id"]), (&json!(200), &json!("m"), &json!("seven")));
    assert!(first["seconds"].as_f64().unwrap() > 0.0 && first["response_bytes"].as_u64().unwrap() > 100);
    assert!(first["client"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!((&second["status"], &second["model"]), (&json!(404), &Value::Null));
}

#[test]
fn requests_that_come_at_once_are_put_together_and_get_their_own_answers() {
    let (project, _) = packaged();
    let options = ["dist/m-1.tar", "--workers", "1", "--max-batch", "16", "--max-delay", "20"];
    let server = &Server::start(&project, &options);
    let answered = AtomicUsize::new(0);

    std::thread::scope(|scope| {
        for client in 0..16 {
            let answered = &answered;
            scope.spawn(move || {
                for row in 0..10 {
                    // One of them asks what the model does not take, and costs the others nothing.
                    if client == 7 {
                        assert_eq!(server.infer(&rows("[[1, 2]]")).status, 400);
                        continue;
                    }
                    let answer = server.infer(&rows(&format!("[[{client}, {row}, 0], [0, {row}, 0]]"))).json();
                    let (a, b) = (f64::from(client), f64::from(row));
                    assert_eq!(answer["outputs"][0]["data"], json!([a + 2.0 * b + 0.5, 2.0 * b + 0.5]));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });

    assert_eq!(answered.into_inner(), 150);
}

#[test]
fn a_model_whose_rows_depend_on_each_other_is_not_asked_together() {
    let class = "class Model:\n    def predict(self, inputs):\n        rows = inputs['input']\n        return [len(rows)] * len(rows)\n";
    let counting = unpackaged(class, "examples = \"rows.csv\"\n");
    counting.mlx(&["package", "m"]).success();
    let class = "class Model:\n    def predict(self, inputs):\n        return 7\n";
    let single = unpackaged(class, "examples = \"rows.csv\"\n");
    single.mlx(&["package", "m"]).success();

    let outcome = counting.mlx(&["serve", "dist/m-1.tar", "--max-batch", "8"]).exits_with(2);
    outcome.says("row 0 alone gets another answer").says("hint: serve it without `--max-batch`");
    let outcome = single.mlx(&["serve", "dist/m-1.tar", "--max-batch", "8"]).exits_with(2);
    outcome.says("the first dimension of `output` is not of any length");
}

#[test]
fn the_document_is_valid_and_its_examples_can_be_sent() {
    let (project, _) = packaged();
    let server = Server::start(&project, &["dist/m-1.tar"]);

    let document = server.get("/openapi.json").json();
    let example =
        &document["paths"]["/v2/models/m/infer"]["post"]["requestBody"]["content"]["application/json"]["example"];
    assert_eq!(example["inputs"][0]["data"], json!([1.0, 2.0, 3.0]));
    assert_eq!(server.infer(&example.to_string()).json()["outputs"][0]["data"], json!([2.5]));

    let program = include_str!("clients/openapi.py");
    run_client(&["openapi-spec-validator==0.7.2", "requests==2.34.2"], program, &server.address.to_string());
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let project = unpacked();
    let server = Server::start(&project, &["release"]);

    let page = server.get("/");

    assert_eq!(page.status, 200);
    assert!(
        page.head.contains("content-type: text/html")
            && page.head.contains("content-security-policy: default-src 'none'")
    );
    assert!(page.body.contains("<!doctype html>") && !page.body.contains("://"), "it names another place");
    assert_eq!(server.get("/v2/health/ready").status, 200);
}

#[test]
fn the_page_is_used_in_a_browser_without_a_mouse() {
    let Some(chromium) = program("chromium") else { return };
    let (project, _) = packaged();
    let server = Server::start(&project, &["dist/m-1.tar"]);
    let mut command = project.command(&["serve", "dist/m-1.tar", "--port", "0"]);
    command.env("MLX_SERVE_TOKEN", TOKEN);
    let locked = Server::of(command);

    let (address, locked) = (server.address, locked.address);
    let arguments = format!("{address} '{}' {locked} {TOKEN}", chromium.display());
    run_client(&["axe-core-python==0.1.0"], include_str!("clients/page.py"), &arguments);
}
