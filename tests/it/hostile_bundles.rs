//! Bundles made to do harm: each is refused with its reason, and nothing is written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};

use mlx::Digest;
use serde_json::{Value, json};

use crate::bundles::with_weights;
use crate::harness::Project;

/// An entry of a tar archive, every field of which a test may set.
#[derive(Clone)]
struct Entry {
    name: Vec<u8>,
    kind: u8,
    mode: &'static [u8],
    link: &'static [u8],
    size: Option<[u8; 12]>,
    content: Vec<u8>,
}

impl Entry {
    fn file(name: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) -> Self {
        let (name, content) = (name.into(), content.into());
        Self { name, kind: b'0', mode: b"0000644", link: b"", size: None, content }
    }

    fn of_kind(kind: u8, name: &str) -> Self {
        Self { kind, ..Self::file(name, "") }
    }

    /// A pax header for the entry behind it.
    fn pax(records: &str) -> Self {
        let record = |text: &str| {
            let mut length = text.len() + 3;
            while length != text.len() + 2 + length.to_string().len() {
                length = text.len() + 2 + length.to_string().len();
            }
            format!("{length} {text}\n")
        };
        Self { kind: b'x', ..Self::file("pax", records.lines().map(record).collect::<String>()) }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut header = [0u8; 512];
        let mut set = |offset: usize, bytes: &[u8]| header[offset..offset + bytes.len()].copy_from_slice(bytes);
        let size = self.size.unwrap_or_else(|| {
            let digits = format!("{:011o}\0", self.content.len());
            digits.into_bytes().try_into().unwrap()
        });
        set(0, &self.name);
        set(100, self.mode);
        set(124, &size);
        set(136, b"00000000000");
        set(148, b"        ");
        set(156, &[self.kind]);
        set(157, self.link);
        set(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = [&header[..], &self.content].concat();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes: Vec<u8> = entries.iter().flat_map(Entry::bytes).collect();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// The files of a good bundle, to be made bad.
#[derive(Clone)]
struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    fn good(project: &Project) -> Self {
        project.mlx(&["package", "m", "-o", "good.tar"]).success();
        let mut archive = tar::Archive::new(fs::File::open(project.path("good.tar")).unwrap());
        let mut files = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        Self { files }
    }

    fn entries(&self) -> Vec<Entry> {
        self.files.iter().map(|(name, content)| Entry::file(name.as_str(), content.clone())).collect()
    }

    fn tar(&self) -> Vec<u8> {
        tar(&self.entries())
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.files[name]).unwrap()
    }

    fn manifest_path(&self) -> String {
        blob(&self.json("index.json")["manifests"][0]["digest"])
    }

    /// Changes the index.
    fn index(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut index = self.json("index.json");
        change(&mut index);
        self.files.insert("index.json".into(), index.to_string().into());
        self
    }

    /// Replaces the manifest by this text; the index names it.
    fn with_manifest(mut self, text: String) -> Self {
        self.files.remove(&self.manifest_path());
        let digest = Digest::of(&text);
        self.files.insert(format!("blobs/sha256/{}", digest.hex()), text.clone().into());
        self.index(|index| {
            index["manifests"][0]["digest"] = json!(digest);
            index["manifests"][0]["size"] = json!(text.len());
        })
    }

    /// Changes the manifest; the index names the new one.
    fn manifest(self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest = self.json(&self.manifest_path());
        change(&mut manifest);
        self.with_manifest(manifest.to_string())
    }

    /// Replaces the content of a layer; the manifest names the new one.
    fn layer(mut self, path: &str, content: Vec<u8>) -> Self {
        let manifest = self.json(&self.manifest_path());
        let layers = manifest["layers"].as_array().unwrap();
        let index = layers.iter().position(|layer| layer["annotations"]["org.cncf.model.filepath"] == path).unwrap();
        self.files.remove(&blob(&layers[index]["digest"]));
        let (digest, size) = (Digest::of(&content), content.len());
        self.files.insert(format!("blobs/sha256/{}", digest.hex()), content);
        self.manifest(|manifest| {
            manifest["layers"][index]["digest"] = json!(digest);
            manifest["layers"][index]["size"] = json!(size);
        })
    }

    /// Changes `mlx.bundle.json`; the manifest names the new one.
    fn description(self, change: impl FnOnce(&mut Value)) -> Self {
        let manifest = self.json(&self.manifest_path());
        let layers = manifest["layers"].as_array().unwrap();
        let layer = layers.iter().find(|layer| layer["annotations"]["org.cncf.model.filepath"] == "mlx.bundle.json");
        let content = &self.files[&blob(&layer.unwrap()["digest"])];
        let size = usize::from_str_radix(std::str::from_utf8(&content[124..135]).unwrap(), 8).unwrap();
        let mut description: Value = serde_json::from_slice(&content[512..512 + size]).unwrap();
        change(&mut description);
        let content = tar(&[Entry::file("mlx.bundle.json", description.to_string())]);
        self.layer("mlx.bundle.json", content)
    }

    /// Brings this entry beside the good ones.
    fn and(&self, more: impl IntoIterator<Item = Entry>) -> Vec<u8> {
        let mut entries = self.entries();
        entries.extend(more);
        tar(&entries)
    }
}

fn blob(digest: &Value) -> String {
    format!("blobs/sha256/{}", digest.as_str().unwrap().trim_start_matches("sha256:"))
}

/// The file is refused by everything that reads bundles, for this reason, and leaves nothing behind.
#[track_caller]
fn refused(project: &Project, what: &str, bytes: &[u8], reason: &str) {
    fs::write(project.path("bad.tar"), bytes).unwrap();
    let before = listing(project);

    let verified = project.mlx(&["bundle", "verify", "bad.tar", "--json"]).exits_with(4);
    let unpacked = project.mlx(&["bundle", "unpack", "bad.tar", "out"]).exits_with(1);
    project.mlx(&["bundle", "inspect", "bad.tar"]);

    let problems = verified.json()["problems"][0].as_str().unwrap_or_default().to_owned();
    assert!(problems.contains(reason), "{what}: verify says {problems}");
    assert!(unpacked.stderr.contains(reason), "{what}: unpack says {}", unpacked.stderr);
    assert_eq!(listing(project), before, "{what}");
}

fn listing(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.root()).unwrap().chain(fs::read_dir(project.home()).unwrap());
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().path().display().to_string()).collect();
    names.extend(fs::read_dir(project.root().join("..")).unwrap().map(|e| e.unwrap().path().display().to_string()));
    names.sort();
    names
}

#[test]
fn entries_that_could_write_elsewhere_are_refused() {
    let project = with_weights();
    let good = Bundle::good(&project);
    let link = |kind, name, link| Entry { link, ..Entry::of_kind(kind, name) };
    let hex = "a".repeat(64);
    let cases = [
        ("absolute", vec![Entry::file("/tmp/evil", "x")], "`/tmp/evil` has no place in a bundle: it is absolute"),
        ("parent", vec![Entry::file("../evil", "x")], "`../evil` has no place in a bundle: it leads upwards"),
        ("hidden parent", vec![Entry::file("blobs/sha256/../../../evil", "x")], "it leads upwards"),
        ("symlink", vec![link(b'2', "blobs/x", b"/etc/passwd")], "`blobs/x` is a symbolic link"),
        (
            "symlink, then write",
            vec![link(b'2', "out", b"/tmp"), Entry::file("out/evil", "x")],
            "`out` is a symbolic link",
        ),
        ("hard link", vec![link(b'1', "blobs/x", b"/etc/passwd")], "`blobs/x` is a hard link"),
        ("character device", vec![Entry::of_kind(b'3', "null")], "`null` is a device"),
        ("block device", vec![Entry::of_kind(b'4', "disk")], "`disk` is a device"),
        ("FIFO", vec![Entry::of_kind(b'6', "pipe")], "`pipe` is a FIFO"),
        ("GNU long name", vec![Entry { kind: b'L', ..Entry::file("x", "../evil\0") }], "`x` is a GNU long name"),
        ("global pax header", vec![Entry { kind: b'g', ..Entry::pax("path=../evil") }], "is a global pax header"),
        ("pax path", vec![Entry::pax("path=../../evil"), Entry::file("blobs/x", "x")], "`../../evil` has no place"),
        ("setuid", vec![Entry { mode: b"0004755", ..Entry::file("blobs/x", "x") }], "rights of another user"),
        ("unknown blob", vec![Entry::file(format!("blobs/sha256/{hex}"), "x")], "nothing in it names its blob"),
        ("other file", vec![Entry::file("evil\u{1b}[31m", "x")], r"`evil\x1b[31m` has no place in a bundle"),
    ];

    for (what, entries, reason) in cases {
        refused(&project, what, &good.and(entries), reason);
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    let project = with_weights();
    let good = Bundle::good(&project);
    let sized = |size: &[u8; 12]| vec![Entry { size: Some(*size), ..Entry::file("blobs/x", "x") }];
    let negative = sized(&[0xff; 12]);
    let mut huge = [0xff; 12];
    huge[0] = 0x80;
    let cases = [
        ("negative", negative, "has a mode or a size that is no number"),
        ("larger than numbers", sized(&huge), "has a mode or a size that is no number"),
        ("larger than the file", sized(b"77777777777\0"), "the archive is cut off within `blobs/x`"),
        ("a pax size beside another", vec![Entry::pax("size=1024"), Entry::file("blobs/x", "x")], "claims two sizes"),
        ("a pax size twice", vec![Entry::pax("size=1\nsize=1"), Entry::file("blobs/x", "x")], "malformed"),
        ("a directory with content", vec![Entry { kind: b'5', ..Entry::file("blobs", "x") }], "the directory `blobs`"),
        ("GNU sparse", vec![Entry { kind: b'S', ..Entry::file("blobs/x", "x") }], "`blobs/x` is a sparse file"),
        (
            "pax sparse",
            vec![Entry::pax("GNU.sparse.realsize=1099511627776"), Entry::file("blobs/x", "x")],
            "`GNU.sparse.realsize` record",
        ),
        ("a pax header for nothing", vec![Entry::pax("path=x")], "belongs to no file"),
        ("two pax headers", vec![Entry::pax("path=x"), Entry::pax("path=y")], "follow one another"),
    ];
    for (what, entries, reason) in cases {
        refused(&project, what, &good.and(entries), reason);
    }

    let whole = good.tar();
    refused(&project, "truncated", &whole[..whole.len() / 2], "cut off");
    refused(&project, "empty", b"", "the archive is cut off");
    refused(&project, "no tar", &b"PK\x03\x04".repeat(1000), "it is no tar archive");
    refused(&project, "compressed", &[&[0x1f, 0x8b, 8, 0], &[7; 2000][..]].concat(), "it is no tar archive");
    refused(&project, "packed by zstd", &[&[0x28, 0xb5, 0x2f, 0xfd][..], &[7; 2000]].concat(), "it is no tar archive");
    refused(&project, "a second archive", &[whole.clone(), whole].concat(), "something lies behind the end");
}

#[test]
fn counts_and_depths_are_bounded() {
    let project = with_weights();
    let good = Bundle::good(&project);

    let many = (0..100_000).map(|index| Entry::file(format!("blobs/{index}"), ""));
    refused(&project, "many entries", &good.and(many), "more than 10000 entries");
    let deep = format!("path={}x", "d/".repeat(3000));
    refused(
        &project,
        "deep",
        &good.and([Entry::pax(&deep), Entry::file("x", "")]),
        "a name in its archive has 6001 bytes",
    );
    let long = Entry { size: Some(*b"00020000000\0"), ..Entry::pax("path=x") };
    refused(&project, "a long pax header", &[good.and([long]), vec![0; 1 << 23]].concat(), "a pax header");
    let nested = good.clone().with_manifest("[".repeat(1_000_000));
    refused(&project, "nested JSON", &nested.tar(), "its manifest is unsound");
    let large = good.with_manifest(" ".repeat(5 << 20));
    refused(&project, "a large manifest", &large.tar(), "its manifest has 5242880 bytes");
}

#[test]
fn documents_that_disagree_are_refused() {
    let project = with_weights();
    let good = Bundle::good(&project);
    let layers = |change: fn(&mut Value)| good.clone().manifest(|manifest| change(&mut manifest["layers"])).tar();
    let described = |change: fn(&mut Value)| good.clone().description(change).tar();
    let indexed = |change: fn(&mut Value)| good.clone().index(change).tar();
    let twice = good.json(&good.manifest_path()).to_string().replacen('{', "{\"schemaVersion\":1,", 1);
    let mut missing = good.clone();
    let weights = format!("blobs/sha256/{}", Digest::of(b"weights").hex());
    missing.files.remove(&weights);
    let mut damaged = good.clone();
    damaged.files.insert(weights, b"WEIGHTS".into());
    let mut described_by = Value::Null;
    let mut undescribed = good.clone().manifest(|m| described_by = m["layers"].as_array_mut().unwrap().pop().unwrap());
    undescribed.files.remove(&blob(&described_by["digest"]));
    let duplicate = good.and([Entry::file("index.json", "{}")]);
    let cases = [
        ("a wrong digest", damaged.tar(), "is damaged: it should be"),
        ("a missing blob", missing.tar(), "is missing"),
        ("an entry twice", duplicate, "`index.json` stands twice"),
        ("a key twice", good.clone().with_manifest(twice).tar(), "the key `schemaVersion` stands twice"),
        ("a digest as a path", layers(|l| l[0]["digest"] = json!("sha256:../../../../etc/passwd")), "is not a digest"),
        (
            "another digest",
            layers(|l| l[0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)))),
            "is not a digest",
        ),
        ("a wrong size", layers(|l| l[0]["size"] = json!(8)), "has 7 bytes; the manifest says 8"),
        ("a negative size", layers(|l| l[0]["size"] = json!(-1)), "its manifest is unsound"),
        ("a foreign URL", layers(|l| l[0]["urls"] = json!(["http://evil.example"])), "fetched from somewhere else"),
        ("a compressed layer", layers(|l| l[2]["mediaType"] = json!("application/x.tar+gzip")), "does not read"),
        ("a zstd layer", layers(|l| l[2]["mediaType"] = json!("application/x.tar+zstd")), "does not read"),
        ("a layer without a path", layers(|l| l[0]["annotations"] = json!({})), "does not say what it is"),
        (
            "a layer outside",
            layers(|l| l[0]["annotations"]["org.cncf.model.filepath"] = json!("../evil")),
            "its layer `../evil` is refused: it leads upwards",
        ),
        (
            "a layer again under another name",
            layers(|l| {
                let mut again = l[2].clone();
                again["annotations"]["org.cncf.model.filepath"] = json!("again");
                l.as_array_mut().unwrap().push(again);
            }),
            "its layer `again` has the content of another one",
        ),
        (
            "a layer in the place of another",
            layers(|l| l[0]["annotations"] = l[1]["annotations"].clone()),
            "two of its layers bring `model/größe 1.bin`",
        ),
        ("a nested index", indexed(|i| i["manifests"][0]["mediaType"] = i["mediaType"].clone()), "another index"),
        ("two manifests", indexed(|i| i["manifests"] = json!([i["manifests"][0], i["manifests"][0]])), "2 manifests"),
        ("no manifest", indexed(|i| i["manifests"] = json!([])), "0 manifests"),
        (
            "an image",
            good.clone()
                .manifest(|m| {
                    m.as_object_mut().unwrap().remove("artifactType");
                    m["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
                })
                .tar(),
            "no packed model: its manifest has no type, and its config is a `application/vnd.oci.image.config.v1+json`",
        ),
        (
            "a model of another program",
            undescribed.tar(),
            "in which `mlx package` says what it is and how it is served",
        ),
        ("another artifact", good.clone().manifest(|m| m["artifactType"] = json!("x/y")).tar(), "no packed model"),
        (
            "a model that is a path",
            described(|d| d["model"]["name"] = json!("../m")),
            "its model can't be called `../m`",
        ),
        ("a model with effects", described(|d| d["model"]["name"] = json!("m\u{1b}[2J")), r"be called `m\x1b[2J`"),
        ("a newer format", described(|d| d["format"] = json!(2)), "has format 2; this mlx knows 1"),
        ("a file outside", described(|d| d["files"][0]["path"] = json!("../evil")), "`../evil` is refused"),
        ("a file missing", described(|d| drop(d["files"].as_array_mut().unwrap().pop())), "is not in mlx.bundle.json"),
        ("a wrong file size", described(|d| d["files"][0]["size"] = json!(1)), "mlx.bundle.json says 1"),
        ("a wrong mode", described(|d| d["files"][0]["executable"] = json!(true)), "disagree in whether"),
        (
            "a wrong file digest",
            described(|d| d["files"][1]["digest"] = d["files"][0]["digest"].clone()),
            "file `code/train.py` is damaged",
        ),
        ("serving nothing", described(|d| d["serve"] = json!({ "onnx": "model/x" })), "serves `model/x`, which"),
    ];

    for (what, bytes, reason) in cases {
        refused(&project, what, &bytes, reason);
    }
    fs::write(project.path("bad.tar"), undescribed.tar()).unwrap();
    let foreign = project.mlx(&["bundle", "verify", "bad.tar"]).exits_with(4);
    foreign.says("`bad.tar` is no bundle that `mlx package` made").says("`mlx add`, `mlx model register`");
}

#[test]
fn what_lies_in_a_layer_is_checked_like_the_archive() {
    let project = with_weights();
    let good = Bundle::good(&project);
    let code = |entries: &[Entry]| good.clone().layer("code", tar(entries)).tar();
    let train = || Entry::file("code/train.py", "print('trained')\n");
    let cases = [
        ("parent", code(&[train(), Entry::file("../evil", "x")]), "`../evil` is not in mlx.bundle.json"),
        ("symlink", code(&[Entry { link: b"/etc", ..Entry::of_kind(b'2', "code") }, train()]), "is a symbolic link"),
        ("twice", code(&[train(), train()]), "`code/train.py` stands twice"),
        ("over a weight", code(&[train(), Entry::file("model/a.bin", "evil")]), "two of its layers bring"),
        ("over the description", code(&[train(), Entry::file("mlx.bundle.json", "{}")]), "two of its layers bring"),
        (
            "a signature in another layer",
            code(&[train(), Entry::file("model.sig", "{}")]),
            "no layer of it is `model.sig`",
        ),
        ("other content", code(&[Entry::file("code/train.py", "print('replaced')")]), "`code/train.py` is damaged"),
    ];
    for (what, bytes, reason) in cases {
        refused(&project, what, &bytes, reason);
    }

    let large = good.clone().layer("provenance.json", tar(&[Entry::file("model.sig", vec![b' '; 5 << 20])]));
    let large = large.manifest(|manifest| {
        let layers = manifest["layers"].as_array_mut().unwrap();
        let layer =
            layers.iter_mut().find(|layer| layer["annotations"]["org.cncf.model.filepath"] == "provenance.json");
        layer.unwrap()["annotations"]["org.cncf.model.filepath"] = json!("model.sig");
    });
    refused(&project, "a large signature", &large.tar(), "its model.sig has 5244416 bytes");

    // On a file system that ignores case, one of the two would replace the other.
    let twins = code(&[train(), Entry::file("CODE/train.py", "print('trained')\n")]);
    let mut bundle = good.clone().layer("code", tar(&[Entry::file("CODE/train.py", "x"), train()]));
    bundle = bundle.description(|description| {
        let twin = json!({ "path": "CODE/train.py", "digest": Digest::of(b"x"), "size": 1, "executable": false });
        description["files"].as_array_mut().unwrap().insert(0, twin);
    });
    refused(&project, "twins, one unknown", &twins, "`CODE/train.py` is not in mlx.bundle.json");
    refused(&project, "twins", &bundle.tar(), "where case does not count, it is also `CODE/train.py`");
}

#[test]
fn every_command_that_takes_a_bundle_refuses_a_bad_one() {
    let project = with_weights();
    let good = Bundle::good(&project);
    let link = Entry { link: b"/etc", ..Entry::of_kind(b'2', "blobs/x") };
    let mut damaged = good.clone();
    damaged.files.insert(format!("blobs/sha256/{}", Digest::of(b"weights").hex()), b"WEIGHTS".into());
    let keys = [&["ecparam", "-name", "prime256v1", "-genkey", "-out", "key.pem"][..]];
    let has_keys = crate::services::program("openssl")
        .is_some_and(|_| keys.iter().all(|arguments| project.other("openssl", arguments).status().unwrap().success()));
    project.set("rows.json", "[[1]]");
    project.set("mlx.toml", project.read("mlx.toml") + "[target.here]\nurl = \"deployed\"\nmodel = \"m\"\n");
    let commands: [&[&str]; 7] = [
        &["serve", "bad.tar", "--port", "0"],
        &["predict", "bad.tar", "--input", "rows.json"],
        &["bundle", "diff", "bad.tar", "good.tar"],
        &["bundle", "diff", "good.tar", "bad.tar"],
        &["bundle", "sign", "bad.tar", "--key", "key.pem"],
        &["bundle", "scan", "bad.tar"],
        &["deploy", "here", "--bundle", "bad.tar"],
    ];

    for (what, bytes, reason) in
        [("a link", good.and([link]), "symbolic link"), ("a damaged file", damaged.tar(), "is damaged")]
    {
        fs::write(project.path("bad.tar"), bytes).unwrap();
        for command in commands {
            // What reads documents alone finds nothing wrong with the contents.
            let reads_documents = matches!(command, ["bundle", "diff", ..]);
            if (what == "a damaged file" && reads_documents) || (command[1] == "sign" && !has_keys) {
                continue;
            }
            // A sound one of the same digest, which another test has unpacked, would be served instead.
            let mut mlx = project.command(command);
            let outcome = project.outcome(mlx.env("MLX_CACHE_DIR", project.path("cache")));
            assert!(outcome.stderr.contains(reason), "{what}, {command:?}: {}{}", outcome.stdout, outcome.stderr);
            assert!(!project.exists("deployed/current"), "{what}, {command:?}");
        }
    }
}

/// Whatever text stands in a bundle is shown as text: nothing in it moves the cursor or changes a title.
#[test]
fn what_a_bundle_says_has_no_effect_on_the_terminal() {
    let project = with_weights();
    let good = Bundle::good(&project);
    let evil = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    let bad = good.description(|description| {
        description["model"]["description"] = json!(evil);
        let lineage = &mut description["lineage"];
        for key in ["step", "commit"] {
            lineage[key] = json!(evil);
        }
        lineage["params"] = json!({ evil: evil });
        lineage["metrics"] = json!({ evil: 1.5 });
        description["signature"] =
            json!({ "inputs": [{ "name": evil, "datatype": "FP32", "shape": [1], "columns": [evil] }], "outputs": [] });
    });
    fs::write(project.path("bad.tar"), bad.tar()).unwrap();

    for command in [
        &["bundle", "inspect", "bad.tar"][..],
        &["bundle", "verify", "bad.tar"],
        &["bundle", "diff", "good.tar", "bad.tar"],
        &["bundle", "unpack", "bad.tar", "out"],
        &["predict", "bad.tar", "--input", "mlx.toml"],
    ] {
        let outcome = project.mlx(command);
        let said = [outcome.stdout, outcome.stderr].concat();
        let harmful = said.chars().find(
            |character| matches!(character, '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{202e}'),
        );
        assert_eq!(harmful, None, "{command:?}: {said:?}");
    }
}

#[test]
fn files_that_are_no_files_are_refused_at_once() {
    let project = with_weights();
    let made = project.other("mkfifo", &["pipe"]).status().unwrap();
    assert!(made.success());

    for (file, reason) in [("pipe", "it is no regular file"), (".", "it is a directory"), ("none", "No such file")] {
        let outcome = project.mlx(&["bundle", "verify", file]);
        assert!(outcome.stderr.contains(reason), "{file}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn an_archive_of_another_program_is_read_all_the_same() {
    let project = with_weights();
    project.mlx(&["package", "m", "-o", "good.tar"]).success();
    fs::create_dir(project.path("layout")).unwrap();
    for command in [["-xf", "good.tar", "-C", "layout"], ["-cf", "again.tar", "-C", "layout"]] {
        let mut tar = project.other("tar", &command);
        let tar = if command[0] == "-cf" { tar.args(["--format=pax", "."]) } else { &mut tar };
        assert!(tar.status().unwrap().success());
    }

    project.mlx(&["bundle", "verify", "again.tar"]).success();

    let mut extended = fs::OpenOptions::new().append(true).open(project.path("good.tar")).unwrap();
    extended.write_all(&[0; 10_240]).unwrap();
    project.mlx(&["bundle", "verify", "good.tar"]).success();
}
