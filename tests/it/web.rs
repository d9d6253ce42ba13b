//! `mlx import`, `update` and `get` from web servers: a small one that answers as the test wants.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::harness::{Outcome, Project};

/// How the server answers.
#[derive(Clone)]
pub enum Manner {
    Whole,
    /// Half of the body, then the connection ends: so many times.
    Cut(u32),
    /// In pieces, without saying how long it is.
    Chunked,
    /// Half of the body; then nothing, until the other side has enough.
    Stalls,
    /// Elsewhere on the same server.
    Redirects,
}

struct State {
    body: Vec<u8>,
    etag: Option<&'static str>,
    manner: Manner,
    /// Request lines.
    asked: Vec<String>,
}

pub struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
    /// Rings when half of a body is out and no more comes.
    stalled: Receiver<()>,
}

impl Server {
    pub fn start(body: &str, etag: Option<&'static str>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { body: body.into(), etag, manner, asked: Vec::new() };
        let (state, is_over) = (Arc::new(Mutex::new(state)), Arc::<AtomicBool>::default());
        let (sender, stalled) = channel();
        let (shared, over) = (state.clone(), is_over.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, sender) = (shared.clone(), sender.clone());
                std::thread::spawn(move || {
                    // Who asked may be gone.
                    let _ = answer(connection, &shared, &sender);
                });
            }
        });
        Self { address, state, is_over, stalled }
    }

    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    pub fn set(&self, body: &str, etag: Option<&'static str>) {
        let mut state = self.state.lock().unwrap();
        (state.body, state.etag) = (body.into(), etag);
    }

    pub fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut connection: TcpStream, state: &Mutex<State>, stalled: &Sender<()>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let (body, etag, manner) = {
        let mut state = state.lock().unwrap();
        state.asked.push(request.trim().to_owned());
        let manner = state.manner.clone();
        if let (Manner::Cut(times), true) = (&mut state.manner, request.starts_with("GET")) {
            *times -= 1;
            if *times == 0 {
                state.manner = Manner::Whole;
            }
        }
        (state.body.clone(), state.etag, manner)
    };
    if matches!(manner, Manner::Redirects) && !request.contains("/elsewhere/") {
        let name = request.split(' ').nth(1).unwrap_or_default();
        return write!(
            connection,
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere{name}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    write!(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n")?;
    if let Some(etag) = etag {
        write!(connection, "ETag: {etag}\r\n")?;
    }
    match manner {
        Manner::Chunked => write!(connection, "Transfer-Encoding: chunked\r\n\r\n")?,
        _ => write!(connection, "Content-Length: {}\r\n\r\n", body.len())?,
    }
    if request.starts_with("HEAD") {
        return Ok(());
    }
    let half = &body[..body.len() / 2];
    match manner {
        Manner::Whole | Manner::Redirects => connection.write_all(&body),
        Manner::Cut(_) => connection.write_all(half),
        Manner::Chunked => {
            for piece in body.chunks(1000) {
                write!(connection, "{:x}\r\n", piece.len())?;
                connection.write_all(piece)?;
                connection.write_all(b"\r\n")?;
            }
            connection.write_all(b"0\r\n\r\n")
        }
        Manner::Stalls => {
            connection.write_all(half)?;
            connection.flush()?;
            let _ = stalled.send(());
            reader.read(&mut [0]).map(drop)
        }
    }
}

fn mlx(project: &Project, arguments: &[&str]) -> Outcome {
    project.outcome(&mut project.command(arguments))
}

fn body(seed: &str) -> String {
    seed.repeat(100_000)
}

#[test]
fn a_file_at_a_url_is_tracked_with_its_version() {
    let server = Server::start("a,b\n1,2\n", Some("\"one\""), Manner::Whole);
    let project = Project::with_manifest("");

    mlx(&project, &["import", &server.url("data/prices%20now.csv"), "-o", "data/"]).success();

    assert_eq!(project.read("data/prices now.csv"), "a,b\n1,2\n");
    let lock = project.read("mlx.lock");
    assert!(
        lock.contains(&format!("origin = {{ url = \"{}\", version = ", server.url("data/prices%20now.csv"))),
        "{lock}"
    );
    let before = server.asked().len();
    mlx(&project, &["update"]).success().prints("current");
    assert!(server.asked()[before..].iter().all(|line| line.starts_with("HEAD ")), "{:?}", server.asked());

    server.set("a,b\n3,4\n", Some("\"two\""));
    mlx(&project, &["update", "--check"]).exits_with(4).prints("newer");
    mlx(&project, &["update"]).success().prints("updated");
    assert_eq!(project.read("data/prices now.csv"), "a,b\n3,4\n");
    server.set("a,b\n3,4\n", Some("\"three\""));
    mlx(&project, &["update"]).success().prints("current");
}

#[test]
fn a_server_that_says_little_is_read_all_the_same() {
    let server = Server::start(&body("x"), None, Manner::Chunked);
    let project = Project::with_manifest("");

    mlx(&project, &["import", &server.url("x.bin")]).success();

    assert_eq!(project.read("x.bin"), body("x"));
    mlx(&project, &["update", "-n"]).success().prints("unknown  x.bin");
    mlx(&project, &["update"]).success().prints("Updated 0 paths; 1 as before");
    server.set(&body("y"), None);
    mlx(&project, &["update"]).success().prints("Updated 1 path");
}

#[test]
fn a_query_goes_with_the_file_unless_it_holds_a_secret() {
    let server = Server::start("1", Some("\"one\""), Manner::Redirects);
    let project = Project::with_manifest("");

    mlx(&project, &["import", &server.url("x.csv?download=1&v=2")]).success();

    assert_eq!(project.read("x.csv"), "1");
    assert!(
        server.asked().iter().any(|line| line.starts_with("GET /elsewhere/x.csv?download=1&v=2 ")),
        "{:?}",
        server.asked()
    );
    mlx(&project, &["update"]).success().prints("current");
    let secret = server.url("y.csv?X-Amz-Signature=hunter2");
    let refused = mlx(&project, &["import", &secret]).exits_with(2).says("may hold a secret").says("mlx get");
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    let got = mlx(&project, &["get", &secret]).success();
    assert!(!got.stdout.contains("hunter2") && project.read("y.csv") == "1");
}

#[test]
fn a_cut_connection_is_no_file() {
    let server = Server::start(&body("x"), Some("\"one\""), Manner::Cut(1));
    let project = Project::with_manifest("");

    mlx(&project, &["import", &server.url("x.bin")]).success();
    assert_eq!(project.read("x.bin"), body("x"), "it goes on where it was cut off");

    let broken = Server::start(&body("y"), Some("\"one\""), Manner::Cut(u32::MAX));
    mlx(&project, &["import", &broken.url("y.bin")]).exits_with(1).says("y.bin");
    assert!(!project.exists("y.bin") && !project.read("mlx.lock").contains("y.bin"));
    assert!(!project.read("mlx.toml").contains("y.bin"));
    assert_eq!(left(&project), 0);
    project.mlx(&["verify"]).success();
}

#[test]
fn ctrl_c_leaves_nothing() {
    let server = Server::start(&body("x"), Some("\"one\""), Manner::Stalls);
    let project = Project::with_manifest("");
    let child = project.command(&["import", &server.url("x.bin")]).spawn().unwrap();

    server.stalled.recv().unwrap();
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();

    assert!(killed.success());
    assert_eq!(output.status.code(), Some(130));
    assert!(!project.exists("x.bin") && !project.exists("mlx.lock"));
    assert_eq!(left(&project), 0);
    let place = project.command(&["get", &server.url("y.bin")]).spawn().unwrap();
    server.stalled.recv().unwrap();
    std::process::Command::new("kill").args(["-INT", &place.id().to_string()]).status().unwrap();
    assert_eq!(place.wait_with_output().unwrap().status.code(), Some(130));
    let names: Vec<_> = fs::read_dir(project.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "mlx.toml" || name == ".mlx"), "{names:?}");
}

/// How many temporary files lie in the store.
fn left(project: &Project) -> usize {
    fs::read_dir(project.path(".mlx/store/tmp")).map_or(0, Iterator::count)
}

#[test]
fn what_is_not_there_is_named() {
    let place = Project::empty();

    mlx(&place, &["get", "http://127.0.0.1:9/"]).exits_with(2).says("names a directory or a server, not a file");
    mlx(&place, &["get", "gopher://127.0.0.1/x.csv"]).exits_with(2).says("names no place that mlx knows");
}
