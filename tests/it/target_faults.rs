//! Releases that hang, tags that others move and disks that fill up, on targets beyond a directory: what is live stays, and the same command goes on.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use mlx::Digest;
use serde_json::json;

use crate::bundles::register;
use crate::harness::{Project, noise};
use crate::server::Answer;
use crate::targets::{self, Place};

/// Hangs while it is loaded where `HANG` names a file, in which it leaves the number of its process.
pub const HANGING: &str = r#"
import os, time

class Model:
    def load(self, path):
        if os.environ.get("HANG"):
            with open(os.environ["HANG"], "w") as file:
                file.write(str(os.getpid()))
            print("waiting for the licence server", flush=True)
            time.sleep(600)

    def predict(self, inputs):
        return {"y": [float(sum(row)) for row in inputs["input"]]}
"#;

/// A model in Python, and the rows that are recorded; `more` goes on in its target.
pub fn in_python(place: &Place, class: &str, more: &str) {
    let model = "[model.m]\npath = \"model\"\nserve = { python = \"serve.py:Model\" }\nexamples = \"rows.csv\"\n";
    let target = format!("[target.production]\nurl = \"{}\"\nmodel = \"m\"\n{more}\n", place.url);
    place.project.set("mlx.toml", format!("{model}{target}"));
    place.project.set("rows.csv", "a,b\n1,2\n");
    place.project.set("serve.py", class);
}

/// Waits until the process has ended whose number stands in this file.
pub fn await_end(file: &Path) {
    let process = Path::new("/proc").join(fs::read_to_string(file).unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    while process.exists() {
        assert!(Instant::now() < until, "{} is left over", process.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_release_that_hangs_is_given_up(place: Option<Place>) {
    let Some(place) = place else { return };
    in_python(&place, HANGING, "health = { timeout = \"60s\" }");
    register(&place.project, &[("a.bin", b"first")]);
    place.mlx(&["deploy", "production"]).success();
    register(&place.project, &[("a.bin", b"second")]);
    place.mlx(&["package", "m"]).success();
    in_python(&place, HANGING, "health = { timeout = \"3s\" }");
    let mark = place.project.path("process");

    let mut deploy = place.command(&["deploy", "production", "--bundle", "dist/m-2.tar"]);
    let refused = place.project.outcome(deploy.env("HANG", &mark)).exits_with(4);

    refused.says("it was not ready within 3 s").says("waiting for the licence server").says("serves `m` 1 (");
    await_end(&mark);
    assert_eq!(place.releases(), [(1, true)]);
    in_python(&place, HANGING, "health = { timeout = \"60s\" }");
    place.mlx(&["deploy", "production"]).success();
    // And the way back to one that hangs now is not taken.
    in_python(&place, HANGING, "health = { timeout = \"3s\" }");
    let mut rollback = place.command(&["rollback", "production"]);
    place.project.outcome(rollback.env("HANG", &mark)).exits_with(4).says("it was not ready within 3 s");
    await_end(&mark);
    assert_eq!(place.releases(), [(2, true), (1, false)]);
}

mod a_release_that_hangs_is_given_up {
    use super::targets;

    #[test]
    fn ssh() {
        super::a_release_that_hangs_is_given_up(targets::ssh());
    }

    #[test]
    fn s3() {
        super::a_release_that_hangs_is_given_up(targets::s3());
    }

    #[test]
    fn registry() {
        super::a_release_that_hangs_is_given_up(targets::registry());
    }
}

/// Moves the tag of a registry to what is no bundle, as a tool that builds images would.
fn push_an_image(place: &Place) {
    let config = json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 });
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [] }).to_string();
    let port = place.server.as_ref().unwrap().port;
    let mut registry = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // `mlx:throwaway` in Base64.
    let head = format!(
        "PUT /v2/models/m/manifests/production HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Authorization: Basic bWx4OnRocm93YXdheQ==\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        manifest.len()
    );
    registry.write_all(&[head, manifest].concat().into_bytes()).unwrap();
    assert_eq!(Answer::read(registry).status, 201);
}

#[test]
fn a_tag_that_somebody_else_moved_is_told_of_and_taken_back() {
    let Some(place) = targets::registry() else { return };
    place.version(1);
    place.mlx(&["deploy", "production"]).success();

    push_an_image(&place);
    place.mlx(&["releases", "production"]).success().says("is live on oci://").says("which is none of its releases");
    place.mlx(&["rollback", "production"]).success().says("is no release that can be read").prints("`m` 1 (");
    assert_eq!(place.releases(), [(1, true)]);

    push_an_image(&place);
    place.version(2);
    place.mlx(&["deploy", "production"]).success().says("is no release that can be read");
    assert_eq!(place.releases(), [(2, true), (1, false)]);
}

#[test]
fn a_disk_that_is_full_on_the_other_machine_leaves_the_old_release_and_what_was_brought() {
    let Some(place) = targets::ssh() else { return };
    let version = |project: &Project, seed| {
        register(project, &[("a.bin", &noise(200_000, seed)), ("big.bin", &noise(4_000_000, seed))]);
    };
    version(&place.project, 1);
    place.mlx(&["deploy", "production"]).success();
    version(&place.project, 2);
    let allowed = place.server.as_ref().unwrap().dir.path().join("client_key.pub");
    let key = fs::read_to_string(&allowed).unwrap();
    // No file may become larger than two megabytes over there.
    let limit = "trap '' XFSZ; ulimit -f 2000; exec sh -c \\\"$SSH_ORIGINAL_COMMAND\\\"";
    fs::write(&allowed, format!("command=\"{limit}\" {key}")).unwrap();

    place.mlx(&["deploy", "production"]).exits_with(1).says("File too large");

    assert_eq!(place.releases(), [(1, true)]);
    fs::write(&allowed, key).unwrap();
    place.mlx(&["releases", "production", "--history"]).success().prints("failed");
    let before = place.sent();
    place.mlx(&["deploy", "production"]).success();
    assert!(place.sent() - before < 4_150_000, "{} bytes were sent: all of them anew", place.sent() - before);
    assert_eq!(place.releases(), [(2, true), (1, false)]);
}
