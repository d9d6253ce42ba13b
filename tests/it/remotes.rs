//! What every back-end of remotes keeps, through the public API: one suite, over every kind of place.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mlx::remote::retry::Patience;
use mlx::remote::{Access, Body, Content, Entry, Remote, RemoteError};

use crate::harness::noise;
use crate::services;

/// A remote that is empty, and what must live as long as it.
struct Place {
    remote: Arc<dyn Remote>,
    _alive: Box<dyn std::any::Any>,
}

fn directory() -> Option<Place> {
    let dir = tempfile::tempdir().unwrap();
    let url = dir.path().join("not/there yet").to_str().unwrap().to_owned();
    let remote = mlx::remote::open(&url, dir.path(), &Access::default()).unwrap();
    Some(Place { remote, _alive: Box::new(dir) })
}

fn s3() -> Option<Place> {
    let server = services::s3()?;
    let remote = mlx::remote::open("s3://mlx-test/a/prefix", Path::new("/"), &s3_access(server.port, services::SECRET));
    Some(Place { remote: remote.unwrap(), _alive: Box::new(server) })
}

fn s3_access(port: u16, secret: &str) -> Access {
    access(&[
        ("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", services::KEY),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
    ])
}

fn azure() -> Option<Place> {
    let server = services::azure()?;
    let variables = [
        ("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{}/{}", server.port, services::ACCOUNT)),
        ("AZURE_STORAGE_ACCOUNT_NAME", services::ACCOUNT.into()),
        ("AZURE_STORAGE_ACCOUNT_KEY", services::ACCOUNT_KEY.into()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let url = format!("az://{}/a/prefix", services::CONTAINER);
    let remote = mlx::remote::open(&url, Path::new("/"), &access(&variables)).unwrap();
    Some(Place { remote, _alive: Box::new(server) })
}

fn webdav() -> Option<Place> {
    let server = services::webdav("http://127.0.0.1:9/")?;
    let url = format!("http://127.0.0.1:{}/auth/a/prefix", server.port);
    let variables = [("MLX_REMOTE_WEB_USER", services::USER), ("MLX_REMOTE_WEB_PASSWORD", services::PASSWORD)];
    let remote = mlx::remote::open(&url, Path::new("/"), &access(&variables).named("web")).unwrap();
    Some(Place { remote, _alive: Box::new(server) })
}

fn ssh() -> Option<Place> {
    let server = services::ssh()?;
    // What a shell could find in a name is in the path of the remote, too.
    let remote = open_ssh(&server, "a dir's/$HOME");
    Some(Place { remote, _alive: Box::new(server) })
}

/// A remote in this directory beside the server's own files.
fn open_ssh(server: &services::Server, directory: &str) -> Arc<dyn Remote> {
    let url = format!("ssh://{}{}/{directory}", services::HOST, server.dir.path().display());
    let access = Access { path: server.dir.path().join("bin").into(), ..access(&[]) };
    mlx::remote::open(&url, Path::new("/"), &access).unwrap()
}

/// With these variables, and little patience.
pub fn access(variables: &[(&str, &str)]) -> Access {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let patience = Patience { attempts: 3, first: Duration::from_millis(20), ..Patience::default() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    Access { variables: Arc::new(variables), path, patience, ..Access::default() }
}

/// Each rule for each back-end, so that a failure names both.
macro_rules! suite {
    ($($place:ident),*; $rules:tt) => {
        $(suite! { @place $place $rules })*
    };
    (@place $place:ident ($($rule:ident),* $(,)?)) => {
        mod $place {
            $(
                #[test]
                fn $rule() {
                    super::super::remotes::run(super::$place, super::rules::$rule);
                }
            )*
        }
    };
}

fn run(place: fn() -> Option<Place>, rule: fn(&dyn Remote)) {
    if let Some(place) = place() {
        rule(&*place.remote);
    }
}

suite! {
    directory, s3, azure, webdav, ssh;
    (
        what_is_written_reads_back,
        a_range_is_read_alone,
        a_range_beyond_the_end_is_an_error,
        what_is_missing_is_said_to_be,
        a_listing_names_files_and_no_directories,
        a_version_changes_when_the_file_does,
        the_second_creates_nothing,
        a_large_file_is_counted_and_whole,
        who_stops_an_upload_leaves_nothing,
        odd_names_are_kept,
        empty_files_are_files,
        many_threads_share_it,
    )
}

/// Not asked of the S3 server of the tests, which looks first and writes then; the services themselves are atomic.
#[test]
fn exactly_one_of_many_creates_in_a_directory() {
    run(directory, rules::exactly_one_creates);
}

#[test]
fn exactly_one_of_many_creates_on_a_web_server() {
    run(webdav, rules::exactly_one_creates);
}

#[test]
fn exactly_one_of_many_creates_over_ssh() {
    run(ssh, rules::exactly_one_creates);
}

fn write(remote: &dyn Remote, name: &str, bytes: &[u8]) {
    remote.write(name, &Body { content: Content::Bytes(bytes), sent: &|_| Ok(()) }).unwrap();
}

fn read(remote: &dyn Remote, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert_eq!(remote.read(name, None, &mut bytes).unwrap(), bytes.len() as u64);
    bytes
}

fn names(remote: &dyn Remote, directory: &str) -> Vec<String> {
    let mut names: Vec<_> = remote.list(directory).unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

mod rules {
    use super::*;

    pub fn what_is_written_reads_back(remote: &dyn Remote) {
        write(remote, "packs/a", b"first");
        write(remote, "packs/a", b"second, longer");
        write(remote, "packs/a", b"third");

        assert_eq!(read(remote, "packs/a"), b"third");
        assert_eq!(remote.find("packs/a").unwrap().unwrap().size, 5);
    }

    pub fn a_range_is_read_alone(remote: &dyn Remote) {
        let content = noise(100_000, 1);
        write(remote, "a", &content);

        for range in [0..1, 10..20, 99_990..100_000, 0..100_000, 5..5] {
            let mut bytes = Vec::new();
            let count = remote.read("a", Some(range.clone()), &mut bytes).unwrap();
            assert_eq!(count, range.end - range.start);
            assert!(bytes == content[range.start as usize..range.end as usize], "{range:?}");
        }
    }

    pub fn a_range_beyond_the_end_is_an_error(remote: &dyn Remote) {
        write(remote, "a", b"12345");

        remote.read("a", Some(3..9), &mut io::sink()).unwrap_err();
        remote.read("a", Some(7..9), &mut io::sink()).unwrap_err();
    }

    pub fn what_is_missing_is_said_to_be(remote: &dyn Remote) {
        assert_eq!(remote.list("").unwrap(), []);
        assert_eq!(remote.list("packs").unwrap(), []);
        write(remote, "packs/a", b"");

        for name in ["b", "packs/b", "packs/a/b"] {
            assert_eq!(remote.find(name).unwrap(), None, "{name}");
        }
        for range in [None, Some(0..1)] {
            let error = remote.read("packs/b", range, &mut io::sink()).unwrap_err();
            let missing = RemoteError::Missing { name: "packs/b".into() };
            assert_eq!(error.downcast_ref::<RemoteError>(), Some(&missing), "{error}");
        }
        remote.delete("packs/b").unwrap();
        remote.delete("packs/a").unwrap();
        remote.delete("packs/a").unwrap();
        assert_eq!(remote.find("packs/a").unwrap(), None);
    }

    pub fn a_listing_names_files_and_no_directories(remote: &dyn Remote) {
        for name in ["top", "packs/b", "packs/a", "packs/deep/c", "packs2/x"] {
            write(remote, name, name.as_bytes());
        }

        assert_eq!(names(remote, "packs"), ["packs/a", "packs/b"]);
        assert_eq!(names(remote, "packs/deep"), ["packs/deep/c"]);
        assert_eq!(names(remote, "nowhere"), [""; 0]);
        assert_eq!(names(remote, ""), ["top"]);
        let listed = remote.list("packs").unwrap().into_iter().find(|entry| entry.name == "packs/a").unwrap();
        let found = remote.find("packs/a").unwrap().unwrap();
        assert_eq!((listed.name, listed.size), (found.name, found.size));
        let twice = [remote.list("top").unwrap(), remote.list("top").unwrap()];
        assert_eq!(twice[0], twice[1]);
    }

    pub fn a_version_changes_when_the_file_does(remote: &dyn Remote) {
        write(remote, "a", b"one");
        let first = remote.find("a").unwrap().unwrap();
        let again = remote.find("a").unwrap().unwrap();
        write(remote, "a", b"one, and more");
        let second = remote.find("a").unwrap().unwrap();

        assert_eq!(first, again);
        assert_ne!((first.version, first.size), (second.version, second.size));
    }

    pub fn the_second_creates_nothing(remote: &dyn Remote) {
        assert!(remote.create("records/a", b"first").unwrap());
        assert!(!remote.create("records/a", b"second").unwrap());

        assert_eq!(read(remote, "records/a"), b"first");
    }

    pub fn exactly_one_creates(remote: &dyn Remote) {
        let winners = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let winners = &winners;
                scope.spawn(move || {
                    let created = remote.create("records/a", format!("writer {number}").as_bytes()).unwrap();
                    winners.fetch_add(u64::from(created), Ordering::Relaxed);
                });
            }
        });

        assert_eq!(winners.into_inner(), 1);
        let winner = read(remote, "records/a");
        assert!(!remote.create("records/a", b"late").unwrap());
        assert_eq!(read(remote, "records/a"), winner);
        assert_eq!(names(remote, "records"), ["records/a"]);
    }

    pub fn a_large_file_is_counted_and_whole(remote: &dyn Remote) {
        let content = noise((20 << 20) + 12_345, 1);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &content).unwrap();
        let counted = AtomicU64::new(0);
        let sent = |bytes| {
            counted.fetch_add(bytes, Ordering::Relaxed);
            Ok(())
        };

        remote.write("packs/large", &Body { content: Content::File(file.path()), sent: &sent }).unwrap();

        assert_eq!(counted.into_inner(), content.len() as u64);
        assert!(read(remote, "packs/large") == content);
        assert_eq!(names(remote, "packs"), ["packs/large"]);
    }

    pub fn who_stops_an_upload_leaves_nothing(remote: &dyn Remote) {
        let content = noise(20 << 20, 1);
        let counted = AtomicU64::new(0);
        let sent = |bytes| match counted.fetch_add(bytes, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(io::Error::other("enough")),
        };

        let error = remote.write("packs/half", &Body { content: Content::Bytes(&content), sent: &sent }).unwrap_err();

        assert_eq!(error.to_string(), "enough");
        assert_eq!((remote.find("packs/half").unwrap(), remote.list("packs").unwrap()), (None, Vec::<Entry>::new()));
    }

    pub fn odd_names_are_kept(remote: &dyn Remote) {
        let odd = ["a b", "it's", "q\"uote", "$HOME", "`id`", "per%20cent", "plus+", "größe", "-rf", "a*b", "#?&;|"];
        for name in odd {
            write(remote, &format!("odd/{name}"), name.as_bytes());
        }

        let mut expected: Vec<_> = odd.iter().map(|name| format!("odd/{name}")).collect();
        expected.sort();
        assert_eq!(names(remote, "odd"), expected);
        for name in odd {
            assert_eq!(read(remote, &format!("odd/{name}")), name.as_bytes());
            remote.delete(&format!("odd/{name}")).unwrap();
        }
        assert_eq!(names(remote, "odd"), [""; 0]);
    }

    pub fn empty_files_are_files(remote: &dyn Remote) {
        write(remote, "empty", b"");

        assert_eq!(remote.find("empty").unwrap().unwrap().size, 0);
        assert_eq!(read(remote, "empty"), b"");
        assert!(remote.create("empty too", b"").unwrap() && !remote.create("empty too", b"").unwrap());
    }

    pub fn many_threads_share_it(remote: &dyn Remote) {
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || {
                    let content = noise(50_000 + number, 1);
                    write(remote, &format!("shared/{number}"), &content);
                    assert!(read(remote, &format!("shared/{number}")) == content);
                });
            }
        });

        assert_eq!(remote.list("shared").unwrap().len(), 8);
    }
}

#[test]
fn refused_keys_are_a_refusal_and_no_secret_is_shown() {
    let Some(server) = services::s3() else { return };
    let remote = mlx::remote::open("s3://mlx-test", Path::new("/"), &s3_access(server.port, "wrong-secret")).unwrap();

    let error = remote.list("packs").unwrap_err();

    assert!(matches!(error.downcast_ref(), Some(RemoteError::Denied(_))), "{error}");
    assert!(error.hint().unwrap().contains("AWS_PROFILE"), "{error:?}");
    assert!(!format!("{error:?}").contains("wrong-secret"));
}

#[test]
fn a_missing_bucket_is_not_an_empty_one() {
    let Some(server) = services::s3() else { return };
    let remote = mlx::remote::open("s3://other", Path::new("/"), &s3_access(server.port, services::SECRET)).unwrap();

    let error = remote.list("packs").unwrap_err();

    assert!(error.to_string().contains("NoSuchBucket") && error.hint().is_some(), "{error:?}");
}

#[test]
fn a_machine_without_credentials_says_so_soon() {
    let variables = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_METADATA_ENDPOINT", "http://169.254.0.1:9")];
    let remote = mlx::remote::open("s3://bucket", Path::new("/"), &access(&variables)).unwrap();

    let error = remote.find("a").unwrap_err();

    assert!(matches!(error.downcast_ref(), Some(RemoteError::Denied(_))), "{error:?}");
    assert!(error.hint().unwrap().contains("AWS_ACCESS_KEY_ID"), "{error:?}");
}

/// The remote at a path of the web server, reached with these variables.
fn web(server: &services::Server, path: &str, variables: &[(&str, &str)]) -> Arc<dyn Remote> {
    let url = format!("http://127.0.0.1:{}/{path}", server.port);
    mlx::remote::open(&url, Path::new("/"), &access(variables).named("web")).unwrap()
}

#[test]
fn a_web_server_for_reading_is_read_and_refuses_the_rest() {
    let Some(server) = services::webdav("http://127.0.0.1:9/") else { return };
    write(&*web(&server, "open", &[]), "packs/a", b"content");
    let remote = web(&server, "read", &[]);

    assert_eq!(read(&*remote, "packs/a"), b"content");
    let refusals = [
        remote.list("packs").unwrap_err(),
        remote.create("packs/b", b"").unwrap_err(),
        remote.delete("packs/a").unwrap_err(),
    ];
    for error in refusals {
        assert!(matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))), "{error:?}");
    }
}

#[test]
fn the_password_comes_from_netrc_and_a_wrong_one_is_not_shown() {
    let Some(server) = services::webdav("http://127.0.0.1:9/") else { return };
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".netrc"), "machine 127.0.0.1 login mlx password throwaway").unwrap();
    let url = format!("http://127.0.0.1:{}/auth/", server.port);
    let known = Access { home: Some(home.path().into()), ..access(&[]) };
    let known = mlx::remote::open(&url, Path::new("/"), &known).unwrap();
    let wrong = web(&server, "auth", &[("MLX_REMOTE_WEB_USER", "mlx"), ("MLX_REMOTE_WEB_PASSWORD", "hunter2")]);

    write(&*known, "a", b"x");
    let error = wrong.find("a").unwrap_err();

    assert!(matches!(error.downcast_ref(), Some(RemoteError::Denied(_))), "{error:?}");
    assert!(error.hint().unwrap().contains("MLX_REMOTE_WEB_PASSWORD"));
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn a_redirect_does_not_carry_the_password_elsewhere() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = listener.local_addr().unwrap();
    let Some(server) = services::webdav(&format!("http://{elsewhere}/file")) else { return };
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = io::Read::read(&mut stream, &mut request).unwrap();
        io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere").unwrap();
        String::from_utf8_lossy(&request[..length]).to_lowercase()
    });
    let remote = web(&server, "away", &[("MLX_REMOTE_WEB_USER", "mlx"), ("MLX_REMOTE_WEB_PASSWORD", "throwaway")]);

    assert_eq!(read(&*remote, "x"), b"there");
    let request = heard.join().unwrap();
    assert!(request.starts_with("get /file") && !request.contains("authorization"), "{request}");
}

#[test]
fn a_machine_that_shows_another_key_is_refused() {
    let Some(server) = services::ssh() else { return };
    let known = server.dir.path().join("known_hosts");
    let key = std::fs::read_to_string(server.dir.path().join("wrong_key.pub")).unwrap();
    std::fs::write(&known, format!("{} {key}", services::HOST)).unwrap();

    let changed = open_ssh(&server, "x").find("a").unwrap_err();
    std::fs::write(&known, "").unwrap();
    let unknown = open_ssh(&server, "x").find("a").unwrap_err();

    assert!(changed.to_string().contains("another host key"), "{changed:?}");
    assert!(unknown.to_string().contains("is not known"), "{unknown:?}");
    for error in [changed, unknown] {
        assert!(matches!(error.downcast_ref(), Some(RemoteError::Denied(_))), "{error:?}");
    }
}

#[test]
fn a_key_that_the_machine_does_not_know_is_refused_with_a_remedy() {
    let Some(server) = services::ssh() else { return };
    let [client, wrong] = ["client_key", "wrong_key"].map(|key| server.dir.path().join(key));
    std::fs::rename(wrong, client).unwrap();

    let error = open_ssh(&server, "x").list("packs").unwrap_err();

    assert!(matches!(error.downcast_ref(), Some(RemoteError::Denied(_))), "{error:?}");
    assert!(error.hint().unwrap().contains("`ssh mlx-test` work without a question"), "{error:?}");
}

#[test]
fn a_lost_machine_is_tried_again() {
    let Some(mut server) = services::ssh() else { return };
    let remote = open_ssh(&server, "x");
    server.stop();

    let error = remote.write("b", &Body { content: Content::Bytes(b"x"), sent: &|_| Ok(()) }).unwrap_err();

    assert!(error.to_string().contains("(tried 3 times)"), "{error:?}");
}
