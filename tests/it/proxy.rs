//! Remotes behind a network that breaks: a proxy cuts, garbles, delays and refuses, and nothing wrong comes of it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mlx::remote::retry::Patience;
use mlx::remote::{Access, Body, Content, Remote, RemoteError};

use crate::harness::{Project, noise};
use crate::remotes::access;
use crate::services::{self, Server};

/// What happens to one connection; those behind the last fault are left alone.
#[derive(Debug, Clone)]
enum Fault {
    /// Cut after so many bytes from the server.
    CutAnswer(usize),
    /// Cut after so many bytes to the server.
    CutRequest(usize),
    /// This is said instead of an answer, and the connection closed.
    Say(&'static str),
    /// As `Say`, and then this forever.
    SayForever(&'static str, &'static str),
    /// Nothing is said.
    Silence,
}

struct Proxy {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// Stands before the server on this port.
    fn before(server: u16, faults: impl Into<VecDeque<Fault>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (faults, connections) = (Mutex::new(faults.into()), Arc::new(AtomicUsize::new(0)));
        let counted = connections.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let fault = faults.lock().unwrap().pop_front();
                std::thread::spawn(move || serve(client, server, fault));
            }
        });
        Self { port, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Stands before a server on this port and lets it answer one request after another; returns the port to ask. The S3 server of
/// the tests looks whether a name is free and then writes: so it keeps the promise that Amazon's makes, of two who create a
/// name at once.
pub fn one_at_a_time(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let turn = Arc::new(Mutex::new(()));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let turn = turn.clone();
            std::thread::spawn(move || answer_in_turn(client, server, &turn));
        }
    });
    port
}

/// One request with its answer; the connection is over then.
fn answer_in_turn(mut client: TcpStream, server: u16, turn: &Mutex<()>) -> io::Result<()> {
    let mut request = BufReader::new(client.try_clone()?);
    let (mut head, mut body_length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if request.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => body_length = value.trim().parse().map_err(io::Error::other)?,
            "connection" => continue,
            _ => {}
        }
        if line == "\r\n" {
            head.push_str("Connection: close\r\n\r\n");
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; body_length];
    request.read_exact(&mut body)?;
    let mut answer = Vec::new();
    {
        let _turn = turn.lock().unwrap();
        let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
        upstream.write_all(&[head.as_bytes(), &body].concat())?;
        upstream.read_to_end(&mut answer)?;
    }
    client.write_all(&answer)
}

fn serve(mut client: TcpStream, server: u16, fault: Option<Fault>) {
    let limits = match fault {
        None => (usize::MAX, usize::MAX),
        Some(Fault::CutRequest(most)) => (most, usize::MAX),
        Some(Fault::CutAnswer(most)) => (usize::MAX, most),
        Some(Fault::Silence) => return drop(io::copy(&mut client, &mut io::sink())),
        Some(Fault::Say(text)) => {
            let _ = client.read(&mut [0; 64 << 10]);
            let _ = client.write_all(text.as_bytes());
            // The rest of a request is taken, so that the answer is not lost to a reset.
            let _ = client.shutdown(Shutdown::Write);
            return drop(io::copy(&mut client, &mut io::sink()));
        }
        Some(Fault::SayForever(text, forever)) => {
            let _ = client.read(&mut [0; 64 << 10]);
            let mut said = client.write_all(text.as_bytes());
            while said.is_ok() {
                said = client.write_all(forever.as_bytes());
            }
            return;
        }
    };
    let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else { return };
    let (up, down) = ((client.try_clone().unwrap(), upstream.try_clone().unwrap()), (upstream, client));
    let sending = std::thread::spawn(move || pump(up.0, up.1, limits.0));
    pump(down.0, down.1, limits.1);
    let _ = sending.join();
}

/// Copies until the end, or until so many bytes went through: then both directions are over.
fn pump(mut from: TcpStream, mut to: TcpStream, most: usize) {
    let mut piece = vec![0; 16 << 10];
    let mut left = most;
    while left > 0 {
        let room = left.min(piece.len());
        match from.read(&mut piece[..room]) {
            Ok(length) if length > 0 && to.write_all(&piece[..length]).is_ok() => left -= length,
            _ => break,
        }
    }
    if left == 0 {
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    } else {
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// A real server, and a way to open a remote there through any port.
struct Place {
    server: Server,
    open: fn(&Server, u16) -> Arc<dyn Remote>,
}

impl Place {
    fn directly(&self) -> Arc<dyn Remote> {
        (self.open)(&self.server, self.server.port)
    }

    fn through(&self, proxy: &Proxy) -> Arc<dyn Remote> {
        (self.open)(&self.server, proxy.port)
    }
}

fn s3() -> Option<Place> {
    let open = |_: &Server, port: u16| {
        let variables = [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", services::KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", services::SECRET.into()),
        ];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        mlx::remote::open("s3://mlx-test/p", Path::new("/"), &access(&variables)).unwrap()
    };
    Some(Place { server: services::s3()?, open })
}

fn webdav() -> Option<Place> {
    let open = |_: &Server, port: u16| {
        mlx::remote::open(&format!("http://127.0.0.1:{port}/open"), Path::new("/"), &access(&[])).unwrap()
    };
    Some(Place { server: services::webdav("http://127.0.0.1:9/")?, open })
}

fn ssh() -> Option<Place> {
    let open = |server: &Server, port: u16| {
        let dir = server.dir.path();
        let access = Access { path: dir.join("bin").into(), ..access(&[]) };
        let url = format!("ssh://{}:{port}{}/remote", services::HOST, dir.display());
        mlx::remote::open(&url, Path::new("/"), &access).unwrap()
    };
    Some(Place { server: services::ssh()?, open })
}

const MIB: usize = 1 << 20;

fn write(remote: &dyn Remote, name: &str, bytes: &[u8]) -> mlx::Result<()> {
    remote.write(name, &Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) })
}

fn read(remote: &dyn Remote, name: &str, range: Option<std::ops::Range<u64>>) -> mlx::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    remote.read(name, range, &mut bytes).map(|_| bytes)
}

fn a_broken_read_goes_on(place: fn() -> Option<Place>) {
    let Some(place) = place() else { return };
    let content = noise(6 * MIB, 1);
    write(&*place.directly(), "packs/a", &content).unwrap();

    for range in [None, Some(100..(6 * MIB) as u64)] {
        let proxy = Proxy::before(place.server.port, [Fault::CutAnswer(3 * MIB), Fault::CutAnswer(MIB)]);
        let found = read(&*place.through(&proxy), "packs/a", range.clone()).unwrap();

        assert!(found == content[range.map_or(0, |range| range.start as usize)..]);
        assert!(proxy.connections() >= 3, "{} connections", proxy.connections());
    }
}

fn a_broken_upload_is_not_seen(place: fn() -> Option<Place>) {
    let Some(place) = place() else { return };
    let content = noise(12 * MIB, 1);
    let all = vec![Fault::CutRequest(5 * MIB); 40];
    let proxy = Proxy::before(place.server.port, all);

    write(&*place.through(&proxy), "packs/a", &content).unwrap_err();
    let direct = place.directly();
    let seen = (direct.find("packs/a").unwrap(), direct.list("packs").unwrap());
    let once = Proxy::before(place.server.port, [Fault::CutRequest(5 * MIB)]);
    write(&*place.through(&once), "packs/a", &content).unwrap();

    assert_eq!(seen, (None, Vec::new()));
    assert!(read(&*direct, "packs/a", None).unwrap() == content);
}

macro_rules! each {
    ($($rule:ident),*) => { $(
        mod $rule {
            #[test]
            fn s3() { super::$rule(super::s3); }
            #[test]
            fn webdav() { super::$rule(super::webdav); }
            #[test]
            fn ssh() { super::$rule(super::ssh); }
        }
    )* };
}

each!(a_broken_read_goes_on, a_broken_upload_is_not_seen);

const BUSY: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const BROKEN: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn an_overloaded_server_is_asked_again_when_it_says() {
    for place in [s3, webdav] {
        let Some(place) = place() else { return };
        write(&*place.directly(), "a", b"content").unwrap();
        let proxy = Proxy::before(place.server.port, [Fault::Say(BROKEN), Fault::Say(BUSY)]);
        let started = Instant::now();

        let found = read(&*place.through(&proxy), "a", None).unwrap();

        assert_eq!((found.as_slice(), proxy.connections()), (&b"content"[..], 3));
        assert!(started.elapsed() >= Duration::from_secs(1), "it waited as long as it was told");
    }
}

/// A remote of which each connection meets one of these faults.
fn web(faults: Vec<Fault>) -> Arc<dyn Remote> {
    let proxy = Proxy::before(9, faults);
    let patience = Patience { silence: Duration::from_secs(1), ..access(&[]).patience };
    let access = Access { patience, ..access(&[]) };
    mlx::remote::open(&format!("http://127.0.0.1:{}/x", proxy.port), Path::new("/"), &access).unwrap()
}

#[test]
fn bodies_that_are_not_what_was_announced_are_errors() {
    let wrong = [
        (None, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"),
        (None, "HTTP/1.1 200 OK\r\n\r\nno length, so no end"),
        (None, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"),
        (Some(0..10), "HTTP/1.1 206 OK\r\nContent-Range: bytes 5-14/100\r\nContent-Length: 10\r\n\r\n0123456789"),
        (Some(0..10), "HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/100\r\nContent-Length: 12\r\n\r\n0123456789ab"),
        (Some(0..10), "HTTP/1.1 206 OK\r\nContent-Length: 10\r\n\r\n0123456789"),
        (Some(0..10), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n01234"),
    ];

    for (range, answer) in wrong {
        let remote = web(vec![Fault::Say(answer); 5]);
        assert!(read(&*remote, "a", range).is_err(), "{answer}");
    }
}

/// As [`web`], of a bucket.
fn bucket(faults: Vec<Fault>) -> Arc<dyn Remote> {
    let proxy = Proxy::before(9, faults);
    let endpoint = format!("http://127.0.0.1:{}", proxy.port);
    let variables =
        [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let patience = Patience { silence: Duration::from_secs(1), ..access(&[]).patience };
    let access = Access { patience, ..access(&variables) };
    mlx::remote::open("s3://bucket/x", Path::new("/"), &access).unwrap()
}

#[test]
fn bodies_from_a_bucket_that_are_not_what_was_announced_are_errors() {
    macro_rules! answer {
        ($status:literal, $rest:literal) => {
            concat!(
                "HTTP/1.1 ",
                $status,
                "\r\nLast-Modified: Sun, 29 Nov 2026 12:00:00 GMT\r\nETag: \"x\"\r\nConnection: close\r\n",
                $rest
            )
        };
    }
    let right = answer!("200 OK", "Content-Length: 5\r\n\r\n12345");
    let part = answer!("206 OK", "Content-Range: bytes 0-9/100\r\nContent-Length: 10\r\n\r\n0123456789");
    assert_eq!(read(&*bucket(vec![Fault::Say(right)]), "a", None).unwrap(), b"12345");
    assert_eq!(read(&*bucket(vec![Fault::Say(part)]), "a", Some(0..10)).unwrap(), b"0123456789");
    let wrong = [
        (None, answer!("200 OK", "Content-Length: 10\r\n\r\n12345")),
        (None, answer!("200 OK", "\r\nno length, so no end")),
        (None, answer!("200 OK", "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")),
        (Some(0..10), answer!("206 OK", "Content-Range: bytes 5-14/100\r\nContent-Length: 10\r\n\r\n0123456789")),
        (Some(0..10), answer!("206 OK", "Content-Range: bytes 0-9/100\r\nContent-Length: 12\r\n\r\n0123456789ab")),
        (Some(0..10), answer!("206 OK", "Content-Length: 10\r\n\r\n0123456789")),
        (Some(0..10), answer!("200 OK", "Content-Length: 5\r\n\r\n01234")),
    ];
    for (range, answer) in wrong {
        assert!(read(&*bucket(vec![Fault::Say(answer); 5]), "a", range).is_err(), "{answer}");
    }
    // What comes behind the announced end is not taken.
    let forever = Fault::SayForever(answer!("200 OK", "Content-Length: 5\r\n\r\n"), "12345");
    assert_eq!(read(&*bucket(vec![forever]), "a", None).unwrap(), b"12345");
    let chunks = answer!("206 OK", "Content-Range: bytes 0-9/10\r\nTransfer-Encoding: chunked\r\n\r\n");
    read(&*bucket(vec![Fault::SayForever(chunks, "4\r\nabcd\r\n"); 5]), "a", Some(0..10)).unwrap_err();
}

#[test]
fn what_a_bucket_refuses_is_told_at_once_with_what_to_do() {
    macro_rules! refusal {
        ($status:literal, $code:literal) => {
            concat!(
                "HTTP/1.1 ",
                $status,
                "\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n",
                "<?xml version=\"1.0\"?><Error><Code>",
                $code,
                "</Code><Message>You may not</Message></Error>"
            )
        };
    }
    let cases = [
        (refusal!("403 Forbidden", "RequestTimeTooSkewed"), "RequestTimeTooSkewed", "set the clock of this machine"),
        (refusal!("400 Bad Request", "ExpiredToken"), "ExpiredToken", "the credentials have expired: log in again"),
        (refusal!("400 Bad Request", "TokenRefreshRequired"), "TokenRefreshRequired", "have expired: log in again"),
        (refusal!("403 Forbidden", "InvalidAccessKeyId"), "InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        (refusal!("403 Forbidden", "AccessDenied"), "AccessDenied", "AWS_PROFILE"),
    ];
    let project = Project::with_manifest("remote.origin.url = 's3://bucket/x'\n").write("a", "a");
    project.mlx(&["add", "a"]).success();
    for (answer, code, hint) in cases {
        let proxy = Proxy::before(9, vec![Fault::Say(answer); 20]);
        for arguments in [&["push"][..], &["pull"], &["fetch"], &["verify", "--remote"], &["push", "--dry-run"]] {
            let before = proxy.connections();
            let mut command = project.command(arguments);
            command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", proxy.port));
            command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "hunter2");

            let outcome = project.outcome(&mut command).exits_with(1).says(code).says(hint);

            assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
            assert_eq!(proxy.connections() - before, 1, "{arguments:?} tried again: {}", outcome.stderr);
        }
    }
    project.mlx(&["verify"]).success();
}

#[test]
fn a_server_that_knows_no_ranges_is_read_all_the_same() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789abcdefghij";
    let remote = web(vec![Fault::Say(answer)]);

    assert_eq!(read(&*remote, "a", Some(8..12)).unwrap(), b"89ab");
}

#[test]
fn an_endless_body_ends() {
    let forever = Fault::SayForever("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nabcd\r\n");
    let part = read(&*web(vec![forever.clone()]), "a", Some(2..12)).unwrap();
    assert_eq!(part, b"cdabcdabcd");

    let partial = "HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/10\r\nTransfer-Encoding: chunked\r\n\r\n";
    read(&*web(vec![Fault::SayForever(partial, "4\r\nabcd\r\n"); 5]), "a", Some(0..10)).unwrap_err();

    let mut few = [0; 5000];
    let error = web(vec![forever]).read("a", None, &mut &mut few[..]).unwrap_err();
    assert!(error.to_string().contains("failed to write whole buffer"), "{error}");
}

#[test]
fn who_says_nothing_is_not_waited_for_for_ever() {
    let error = web(vec![Fault::Silence; 9]).find("a").unwrap_err();

    let is_transient = matches!(error.downcast_ref(), Some(RemoteError::Transient(_)));
    assert!(is_transient && error.to_string().contains("no answer within 1 s"), "{error}");
}

#[test]
fn no_connection_is_left_behind() {
    let Some(place) = ssh() else { return };
    let content = noise(6 * MIB, 1);
    write(&*place.directly(), "packs/a", &content).unwrap();
    let proxy = Proxy::before(place.server.port, [Fault::CutAnswer(3 * MIB), Fault::CutAnswer(MIB)]);

    let remote = place.through(&proxy);
    assert!(read(&*remote, "packs/a", None).unwrap() == content);
    drop(remote);

    let mark = place.server.dir.path().join("ssh_config");
    let mark = mark.to_str().unwrap();
    let left = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(mark)).count()
    };
    let began = Instant::now();
    while left() > 0 && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(left(), 0, "processes of ssh that nobody ends");
}
