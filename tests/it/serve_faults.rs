//! Servers when things around them go wrong: files that are replaced, and more clients than anybody expects.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::{Server, post, replace, rows, unpacked};

/// So many clients hold a connection at once, in the test and in the server.
const CLIENTS: u64 = 10_000;

#[test]
fn a_model_whose_files_are_replaced_answers_as_before() {
    let project = unpacked();
    let server = Server::start(&project, &["release"]);
    server.assert_answers();

    replace(&project.path("release/model/linear.onnx"), b"something else");
    server.assert_answers();
    for file in ["model/linear.onnx", "mlx.bundle.json"] {
        fs::remove_file(project.path("release").join(file)).unwrap();
    }

    server.assert_answers();
    assert_eq!(server.get("/v2/health/ready").status, 200);
}

#[test]
fn ten_thousand_connections_keep_nobody_out() {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|maximum| maximum < CLIENTS + 500) {
        eprintln!("SKIPPED: this process may not have {CLIENTS} connections");
        return;
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let project = unpacked();
    let server = Server::start(&project, &["release"]);
    let request = post("/v2/models/m/infer", &rows("[[1, 2, 3]]"));
    let (head, rest) = request.as_bytes().split_at(40);

    // Some say nothing, some begin and do not go on.
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|number| {
            let mut client = server.connect();
            if number % 2 == 1 {
                client.write_all(head).unwrap();
            }
            client
        })
        .collect();

    server.assert_answers();
    // Those that came last have the most time left to go on.
    for mut client in clients.into_iter().skip(1).step_by(2).skip(CLIENTS as usize / 2 - 20) {
        client.write_all(rest).unwrap();
        assert_eq!(crate::server::Answer::read(client).status, 200);
    }
    server.assert_answers();
}
