//! Bundles written, read back, and damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::event::{Interrupt, Silent, Watch};
use crate::store::Store;
use crate::{Digest, Kind};

/// A directory with a store and a bundle `model.tar` of two weight files with one content, code and a runtime.
struct Fixture {
    dir: tempfile::TempDir,
    digest: Digest,
}

fn watched<T>(run: impl FnOnce(Watch<'_>) -> T) -> T {
    run(Watch { events: &Silent, interrupt: &Interrupt::default() })
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let assembly = assembly(&store);
        let mut bytes = Vec::new();
        let size = watched(|watch| assembly.write(&store, &mut bytes, watch)).unwrap();
        assert_eq!(size, bytes.len() as u64);
        fs::write(dir.path().join("model.tar"), bytes).unwrap();
        Self { dir, digest: assembly.digest() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Bundle {
        Bundle::open(&self.path("model.tar")).unwrap()
    }

    fn unpack(&self, into: &str, known: &dyn Fn(&Digest) -> Option<PathBuf>) -> crate::Result<Unpacked> {
        watched(|watch| unpack(&self.open(), &self.path(into), known, watch))
    }
}

fn assembly(store: &Store) -> Assembly {
    let weight = |path: &str, executable| {
        let digest = store.put_bytes(b"weights").unwrap();
        let file = File { path: path.into(), digest, size: 7, executable };
        PlannedLayer::weight(Content { file, source: Source::Store })
    };
    let code = vec![Content::from_bytes("code/train.py", b"print()".to_vec())];
    let layers = vec![
        weight("model/a.onnx", false),
        weight("model/b", true),
        weight("model/c", false),
        PlannedLayer::tar("application/vnd.cncf.model.code.v1.tar", "code", code, store).unwrap(),
    ];
    let lineage = serde_json::json!({ "params": {}, "metrics": {}, "data": [] });
    let description = Description {
        format: 1,
        model: ModelName { name: "m".into(), version: 3, description: None },
        serve: Some(Serve::Onnx("model/a.onnx".into())),
        signature: None,
        runtimes: Vec::new(),
        lineage: serde_json::from_value(lineage).unwrap(),
        smoke: None,
        files: Vec::new(),
    };
    Assembly::new(description, layers, store).unwrap()
}

#[test]
fn a_bundle_reads_back() {
    let fixture = Fixture::new();

    let bundle = fixture.open();

    assert_eq!(bundle.digest(), fixture.digest);
    assert_eq!(bundle.description().model.version, 3);
    let paths: Vec<_> = bundle.description().files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["code/train.py", "model/a.onnx", "model/b", "model/c"]);
    let checked = watched(|watch| verify(&fixture.path("model.tar"), None, watch)).unwrap();
    assert_eq!((checked.problems, checked.files, checked.blobs), (vec![], 4, 5));
}

#[test]
fn unpacked_files_are_read_only_and_one_content_lies_there_once() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new();

    let unpacked = fixture.unpack("release", &|_| None).unwrap();

    assert_eq!((unpacked.files, unpacked.bytes, unpacked.linked_bytes), (5, 28, 7));
    let metadata = |path: &str| fs::metadata(fixture.path("release").join(path)).unwrap();
    let mode = |path: &str| metadata(path).permissions().mode() & 0o7777;
    assert_eq!([mode("model/a.onnx"), mode("model/b"), mode("mlx.bundle.json")], [0o444, 0o555, 0o444]);
    assert_eq!(metadata("model/a.onnx").ino(), metadata("model/c").ino());
    assert_eq!(fs::read(fixture.path("release/code/train.py")).unwrap(), b"print()");
    assert_eq!(fs::read(fixture.path("release/mlx.bundle.json")).unwrap(), fixture.open().description_bytes());
}

#[test]
fn known_files_are_linked_unless_they_are_something_else() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new();
    let (good, long) = (fixture.path("good"), fixture.path("long"));
    fs::write(&good, "weights").unwrap();
    fs::write(&long, "weights and more").unwrap();
    fs::set_permissions(&good, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(&long, fs::Permissions::from_mode(0o444)).unwrap();
    let weights = Digest::of(b"weights");

    let linked = fixture.unpack("one", &|digest| (*digest == weights).then(|| good.clone())).unwrap();
    fixture.unpack("two", &|_| Some(long.clone())).unwrap();

    assert_eq!(linked.linked_bytes, 14);
    assert_eq!(fs::metadata(&good).unwrap().ino(), fs::metadata(fixture.path("one/model/a.onnx")).unwrap().ino());
    assert_eq!(fs::read(fixture.path("two/model/a.onnx")).unwrap(), b"weights");
}

#[test]
fn only_an_empty_directory_is_filled() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.path("full/x")).unwrap();
    fs::create_dir(fixture.path("empty")).unwrap();
    std::os::unix::fs::symlink("nowhere", fixture.path("link")).unwrap();

    for into in ["full", "model.tar", "link"] {
        assert_eq!(fixture.unpack(into, &|_| None).unwrap_err().kind(), Kind::Usage, "{into}");
    }
    fixture.unpack("empty", &|_| None).unwrap();
}

#[test]
fn every_changed_byte_is_found_before_it_is_used() {
    let fixture = Fixture::new();
    let good = fs::read(fixture.path("model.tar")).unwrap();
    let path = fixture.path("model.tar");

    // One byte in each block of the archive but the padding, which nobody reads.
    for index in (0..good.len() - 1024).step_by(97).filter(|index| good[*index] != 0) {
        let mut bytes = good.clone();
        bytes[index] ^= 0x01;
        fs::write(&path, &bytes).unwrap();

        let sound = watched(|watch| verify(&path, None, watch)).unwrap().is_sound;

        // Names of tar owners and the like mean nothing; what is unpacked is the same.
        assert!(!sound || Bundle::open(&path).unwrap().digest() == fixture.digest, "byte {index}");
    }
}

#[test]
fn a_cut_off_archive_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.path("model.tar");
    let good = fs::read(&path).unwrap();

    // The end is two blocks of zeros, of which one is enough.
    for length in (0..good.len() - 512).step_by(512) {
        fs::write(&path, &good[..length]).unwrap();

        let error = Bundle::open(&path).unwrap_err();

        assert!(error.downcast_ref::<BadBundle>().is_some(), "{length}: {error}");
    }
}

#[test]
fn equal_inputs_give_equal_bytes() {
    let (one, two) = (Fixture::new(), Fixture::new());

    assert_eq!(fs::read(one.path("model.tar")).unwrap(), fs::read(two.path("model.tar")).unwrap());
}
