//! Bundles: `mlx package` and `mlx bundle`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mlx::Digest;
use mlx::digest::{Object, ObjectKind};
use mlx::project::ProjectPath;
use mlx::project::lock::LockedPath;
use mlx::registry::{Registry, Version};
use mlx::store::Store;
use serde_json::{Value, json};

use crate::harness::Project;

const LINEAR: &[u8] = include_bytes!("../fixtures/linear.onnx");

/// Registers the content of files as the next version of the model `m` at `model/`, as a training would.
pub fn register(project: &Project, files: &[(&str, &[u8])]) {
    register_at(project, files, None);
}

/// The same for a training at this commit.
fn register_at(project: &Project, files: &[(&str, &[u8])], commit: Option<String>) {
    use mlx::store::tree::{Entry, Tree};
    let store = Store::open(&project.path(".mlx/store")).unwrap();
    let entry = |(name, content): &(&str, &[u8])| {
        let (digest, size) = (store.put_bytes(content).unwrap(), content.len() as u64);
        Entry { name: name.as_bytes().into(), object: Object { kind: ObjectKind::File, digest, size, files: 1 } }
    };
    let tree = Tree::new(files.iter().map(entry).collect());
    let object = tree.object(store.put_bytes(&tree.encode()).unwrap());
    let code = b"print('trained')\n";
    let train = Object { kind: ObjectKind::File, digest: Digest::of(code), size: code.len() as u64, files: 1 };
    project.set("train.py", code);
    let raw = Object { digest: Digest::of(b"1,2"), size: 3, ..train.clone() };
    let from = |path: &str, object| LockedPath { path: ProjectPath::new(path).unwrap(), object };
    let version = Version {
        format: 1,
        model: "m".into(),
        version: 0,
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
        created_by: "tester".into(),
        description: None,
        path: ProjectPath::new("model").unwrap(),
        object,
        step: Some("train".into()),
        run: Some("0123456789ab".parse().unwrap()),
        commit,
        params: [("train.depth".to_owned(), json!(3))].into(),
        metrics: [("accuracy".to_owned(), 0.95)].into(),
        data: vec![from("raw.csv", raw), from("train.py", train)],
        environment: None,
    };
    Registry::open(&store).register(version).unwrap();
}

/// A project with a registered model that needs no ONNX Runtime.
pub fn with_weights() -> Project {
    let project = Project::with_manifest("[model.m]\npath = \"model\"\ndescription = \"weights only\"\n");
    register(&project, &[("a.bin", b"weights"), ("größe 1.bin", b"")]);
    project
}

/// A project whose model is served, in an environment that has ONNX Runtime.
pub fn with_onnx(manifest: &str) -> Project {
    let manifest = format!(
        "[env]\npython = {{ requirements = [\"onnxruntime==1.32.0\"] }}\n[model.m]\npath = \"model\"\n\
         serve = {{ onnx = \"model/linear.onnx\" }}\n{manifest}"
    );
    let project = Project::with_manifest(&manifest);
    register(&project, &[("linear.onnx", LINEAR)]);
    project
}

fn files_below(root: &Path) -> Vec<String> {
    let mut files: Vec<_> =
        walk(root).iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect();
    files.sort();
    files
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_packaged_model_can_be_inspected_verified_and_unpacked() {
    let project = with_weights();

    let packaged = project.mlx(&["package", "m", "--json"]).success().json();
    let inspected = project.mlx(&["bundle", "inspect", "dist/m-1.tar", "--json"]).success().json();
    project.mlx(&["bundle", "verify", "dist/m-1.tar"]).success().prints("`dist/m-1.tar` is sound");
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();

    assert_eq!(packaged["manifest"], inspected["manifest"]);
    assert_eq!(packaged["file"], "dist/m-1.tar");
    assert_eq!(inspected["lineage"]["run"], "0123456789ab");
    assert_eq!(inspected["lineage"]["data"][0]["digest"], Digest::of(b"1,2").to_string());
    // Data stays at home; only its digest travels.
    let expected = [
        "README.md",
        "code/train.py",
        "environment/sbom.cdx.json",
        "mlx.bundle.json",
        "model/a.bin",
        "model/größe 1.bin",
        "provenance.json",
    ];
    assert_eq!(files_below(&project.path("out")), expected);
    assert_eq!(project.read("out/model/a.bin"), "weights");
    let mode = fs::metadata(project.path("out/model/a.bin")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o444);
    project.mlx(&["bundle", "inspect", "dist/m-1.tar"]).success().prints("metric   accuracy = 0.95");
}

#[test]
fn a_weight_file_is_a_layer_with_the_digest_of_its_object() {
    let project = with_weights();

    let packaged = project.mlx(&["package", "m:1", "--json"]).success().json();

    let layer = &packaged["layers"][0];
    assert_eq!(layer["path"], "model/a.bin");
    assert_eq!(layer["media_type"], "application/vnd.cncf.model.weight.v1.raw");
    assert_eq!(layer["digest"], Digest::of(b"weights").to_string());
}

#[test]
fn a_bundle_has_one_size_and_its_weights_another() {
    let project = with_weights();

    let packaged = project.mlx(&["package", "m"]).success();

    let bytes = fs::metadata(project.path("dist/m-1.tar")).unwrap().len();
    let size = format!("{:.1} KiB", bytes as f64 / 1024.0);
    let (file, weights) = (format!(", {size}, of that 7 B weights\n"), "weights      7 B\n");
    packaged.prints(&file);
    let inspected = project.mlx(&["bundle", "inspect", "dist/m-1.tar"]).success();
    inspected.prints(&format!("size     {size}, of that 7 B weights\n"));
    project.mlx(&["bundle", "verify", "dist/m-1.tar"]).success().prints(&format!(", {size}\n"));
    project.mlx(&["model", "show", "m"]).success().prints(weights).prints("file size").prints(&size);
    let inspected = project.mlx(&["bundle", "inspect", "dist/m-1.tar", "--json"]).success().json();
    assert_eq!((&inspected["size"], &inspected["weights_bytes"]), (&json!(bytes), &json!(7)));
}

#[test]
fn a_dry_run_writes_nothing() {
    let project = with_weights();
    let before = files_below(&project.root());

    let planned = project.mlx(&["package", "m", "--dry-run", "--json"]).success().json();

    assert_eq!(planned["size"], Value::Null);
    assert_eq!(files_below(&project.root()), before);
    let packaged = project.mlx(&["package", "m", "--json"]).success().json();
    assert_eq!(planned["manifest"], packaged["manifest"]);
}

#[test]
fn what_is_no_file_is_not_written_over() {
    use std::os::unix::fs::FileTypeExt;
    let project = with_weights();
    let pipe = project.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink(&pipe, project.path("link")).unwrap();

    project.mlx(&["package", "m", "-o", "pipe"]).exits_with(1).says("is there and is no regular file");
    project.mlx(&["package", "m", "-o", "link"]).exits_with(1).says("is there and is no regular file");
    project.mlx(&["package", "m", "-o", "."]).exits_with(1).says("is there and is no regular file");

    project.mlx(&["package", "m", "-o", "mlx.toml"]).exits_with(2).says("mlx.toml` is there and is no bundle");
    project.mlx(&["package", "m", "-o", "good.tar"]).success();
    project.set("key.pem", "mine");
    project.mlx(&["bundle", "sign", "good.tar", "--signature", "key.pem", "-o", "key.pem"]).exits_with(4);

    assert!(project.read("mlx.toml").starts_with("[model.m]") && project.read("key.pem") == "mine");
    assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
    assert!(project.path("link").is_symlink());
}

#[test]
fn the_same_version_gives_the_same_bytes_anywhere() {
    let project = with_onnx("examples = \"rows.csv\"\n");
    project.set("rows.csv", "a,b,c\n1,2,3\n0.5,0,0\n");
    let copy = Project::empty();
    let copied = copy.other("cp", &["-r", &project.root().to_string_lossy(), "."]).status().unwrap();
    assert!(copied.success());
    let other = copy.path("project");
    let touched = copy.other("find", &["project", "-exec", "touch", "-d", "2001-02-03", "{}", "+"]).status().unwrap();
    assert!(touched.success());

    project.mlx(&["package", "m"]).success();
    let script = "umask 077; exec \"$0\" package m -C project -o ../other.tar";
    let mlx = project.command(&[]).get_program().to_owned();
    let mut elsewhere = copy.other("sh", &["-c", script, &mlx.to_string_lossy()]);
    let cache =
        project.command(&[]).get_envs().find(|(name, _)| *name == "MLX_CACHE_DIR").unwrap().1.unwrap().to_owned();
    let outcome = elsewhere.env("MLX_CACHE_DIR", cache).env("TZ", "Asia/Tokyo").output().unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stderr));

    let bytes = |path: PathBuf| Digest::of(fs::read(path).unwrap());
    assert_eq!(bytes(project.path("dist/m-1.tar")), bytes(other.join("../other.tar")));
}

#[test]
fn a_served_model_answers_before_it_is_packaged() {
    let project = with_onnx("examples = \"rows.csv\"\n");
    project.set("rows.csv", format!("age,income,debt\n1,2,3\n{}", "0.5,0,0\n".repeat(100)));

    project.mlx(&["package", "m"]).success();

    let bundle = project.mlx(&["bundle", "inspect", "dist/m-1.tar", "--json"]).success().json();
    let input = &bundle["signature"]["inputs"][0];
    assert_eq!((&input["name"], &input["datatype"], &input["shape"]), (&json!("x"), &json!("FP32"), &json!([-1, 3])));
    assert_eq!(input["columns"], json!(["age", "income", "debt"]));
    assert_eq!(bundle["smoke"]["request"]["inputs"][0]["shape"], json!([16, 3]));
    let answers = bundle["smoke"]["response"]["outputs"][0]["data"].as_array().unwrap();
    // y = x . [1, 2, -1] + 0.5
    assert_eq!((&answers[0], &answers[1], answers.len()), (&json!(2.5), &json!(1.0), 16));
    assert_eq!(bundle["runtimes"][0]["version"], "1.32.0");
    assert_eq!(bundle["runtimes"][0]["path"], "runtime/linux-x86_64/libonnxruntime.so.1.32.0");
}

#[test]
fn examples_may_be_json_and_may_be_missing() {
    let project = with_onnx("examples = \"rows.json\"\n");
    project.set("rows.json", serde_json::to_string(&vec![json!([1, 2, 3]); 20]).unwrap());
    let silent = with_onnx("");

    project.mlx(&["package", "m"]).success();
    silent
        .mlx(&["package", "m"])
        .success()
        .says("`m` has no `examples`: no answer of it is recorded (mlx.toml, line 3)");

    project.mlx(&["bundle", "inspect", "dist/m-1.tar"]).success().prints("answers to 16 rows, tolerance 0.0001");
    let bundle = silent.mlx(&["bundle", "inspect", "dist/m-1.tar", "--json"]).success().json();
    assert_eq!((&bundle["smoke"], &bundle["signature"]["inputs"][0]["name"]), (&Value::Null, &json!("x")));
}

#[test]
fn a_version_shows_the_bundles_made_of_it() {
    let project = with_weights();

    let packaged = project.mlx(&["package", "m", "--json"]).success().json();
    project.mlx(&["package", "m", "-o", "again.tar"]).success();

    let bundles = &project.mlx(&["model", "show", "m", "--json"]).success().json()["bundles"];
    // The same bundle under another name is the same bundle.
    assert_eq!((&bundles[0]["manifest"], &bundles[0]["file"]), (&packaged["manifest"], &json!("again.tar")));
    assert_eq!(bundles.as_array().unwrap().len(), 1);
    project.mlx(&["model", "show", "m"]).success().prints("again.tar");
}

#[test]
fn a_model_that_does_not_answer_is_not_packaged() {
    let project = with_onnx("examples = \"rows.csv\"\n");
    project.set("rows.csv", "a,b\n1,2\n");
    project.mlx(&["package", "m"]).exits_with(2).says("`rows.csv` holds no rows for this model");

    let broken = with_onnx("");
    register(&broken, &[("linear.onnx", b"no model")]);
    broken.mlx(&["package", "m"]).exits_with(1).says("linear.onnx");
    register(&broken, &[("other.onnx", LINEAR)]);
    broken.mlx(&["package", "m"]).exits_with(2).says("version 3 of `m` has no `model/linear.onnx`");

    assert!(!project.exists("dist") && !broken.exists("dist"));
}

#[test]
fn a_model_without_a_library_to_run_on_is_not_packaged() {
    let project = Project::with_manifest("[model.m]\npath = \"model\"\nserve = { onnx = \"model/linear.onnx\" }\n")
        .write("no.so", "")
        .write("libonnxruntime.so.1.2.3", "no library");
    register(&project, &[("linear.onnx", LINEAR)]);

    project
        .mlx(&["package", "m", "--onnxruntime", "no.so"])
        .exits_with(2)
        .says("is no ONNX Runtime library by its name");
    project.mlx(&["package", "m", "--onnxruntime", "libonnxruntime.so.1.2.3"]).exits_with(1);
    project.mlx(&["package", "n"]).exits_with(2);

    assert!(!project.exists("dist"));
}

#[test]
fn code_that_changed_since_comes_from_git() {
    let project = with_weights();
    project.commit("start");
    let commit = project.git(&["rev-parse", "HEAD"]).stdout.trim().to_owned();
    register_at(&project, &[("a.bin", b"other weights")], Some(commit));
    project.set("train.py", "print('something else')\n");

    project.mlx(&["package", "m"]).success();

    project.mlx(&["bundle", "unpack", "dist/m-2.tar", "out"]).success();
    assert_eq!(project.read("out/code/train.py"), "print('trained')\n");
}

#[test]
fn training_keeps_the_code_for_the_day_of_packaging() {
    let manifest = "[step.fit]\ncmd = 'mkdir model; sh fit.sh > model/a.bin'\ndeps = ['fit.sh', 'lib', 'raw.csv']\n\
                    outs = ['model']\n[model.m]\npath = 'model'\n";
    let project = Project::with_manifest(manifest)
        .write("fit.sh", "sh lib/how.sh raw.csv")
        .write("lib/how.sh", "sort $1")
        .write("lib/table.csv", "not code")
        .write("raw.csv", "2\n1\n");
    project.mlx(&["train"]).success();
    project.mlx(&["model", "register", "m"]).success();
    project.set("fit.sh", "exit 1");
    project.set("lib/how.sh", "exit 1");

    project.mlx(&["package", "m"]).success();

    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    let files = files_below(&project.path("out"));
    assert_eq!(files[1..3], ["code/fit.sh", "code/lib/how.sh"], "{files:?}");
    assert_eq!(project.read("out/code/lib/how.sh"), "sort $1");
    assert_eq!(project.read("out/model/a.bin"), "1\n2\n");
    project.mlx(&["verify"]).success().prints("Sound");
}

#[test]
fn code_that_is_gone_is_missed() {
    let project = with_weights();
    project.set("train.py", "print('something else')\n");

    project
        .mlx(&["package", "m"])
        .exits_with(1)
        .says("`train.py`, with which version 1 of `m` was made, is not here as it was then");

    assert!(!project.exists("dist"));
}

#[test]
fn git_ignores_the_bundles_of_a_project() {
    let project = with_weights();
    project.commit("start");

    project.mlx(&["package", "m"]).success();
    project.mlx(&["package", "m", "-o", "elsewhere/m.tar"]).success();

    assert_eq!(project.read(".gitignore"), "/dist\n");
}

#[test]
fn an_interrupted_package_leaves_the_old_bundle() {
    let project = with_weights();
    project.mlx(&["package", "m"]).success();
    let bytes = || fs::read(project.path("dist/m-1.tar")).unwrap();
    let before = bytes();
    let weights = project.path(".mlx/store/objects").join({
        let hex = Digest::of(b"weights").hex();
        format!("{}/{}", &hex[..2], &hex[2..])
    });
    fs::remove_file(&weights).unwrap();
    fs::write(&weights, "damaged").unwrap();

    project.mlx(&["package", "m"]).exits_with(1).says("cannot pack `model/a.bin`");

    assert!(bytes() == before);
    assert_eq!(files_below(&project.path("dist")), ["m-1.tar"]);
    assert_eq!(fs::read_dir(project.path(".mlx/tmp")).map_or(0, Iterator::count), 0);
}

/// A registry on loopback of the test's own, as long as this lives.
pub struct LoopbackRegistry {
    process: Child,
    pub host: String,
    _state: tempfile::TempDir,
}

impl LoopbackRegistry {
    /// `None`, said loudly, where skopeo or the registry are not installed; in CI they must be.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn start() -> Option<Self> {
        let state = tempfile::tempdir().unwrap();
        let config = state.path().join("config.yml");
        let data = json!({ "filesystem": { "rootdirectory": state.path().join("data") } });
        // JSON is YAML too; port 0 is one that is free.
        let text = json!({ "version": "0.1", "storage": data, "http": { "addr": "127.0.0.1:0" } }).to_string();
        fs::write(&config, text).unwrap();
        let has_skopeo = Command::new("skopeo").arg("--version").output().is_ok();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::piped());
        let Some(mut process) = has_skopeo.then(|| command.spawn().ok()).flatten() else {
            assert!(std::env::var_os("CI").is_none(), "skopeo and docker-registry must be installed in CI");
            eprintln!("SKIPPED: no skopeo or no registry here (apt-get install skopeo docker-registry)");
            return None;
        };
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut said = String::new();
        let host = loop {
            let start = said.len();
            assert!(lines.read_line(&mut said).unwrap() > 0, "the registry did not start:\n{said}");
            if let Some((_, rest)) = said[start..].split_once("listening on ") {
                break rest.split(['"', ' ']).next().unwrap().to_owned();
            }
        };
        // Whatever it says later goes where nobody waits for it.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Some(Self { process, host, _state: state })
    }
}

impl Drop for LoopbackRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn skopeo_copies_a_bundle_to_a_registry_byte_for_byte() {
    let Some(registry) = LoopbackRegistry::start() else { return };
    let project = with_weights();
    let packaged = project.mlx(&["package", "m", "--json"]).success().json();
    let skopeo = |arguments: &[&str]| {
        let output = project.other("skopeo", arguments).output().unwrap();
        assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };

    let manifest = skopeo(&["inspect", "--raw", "oci-archive:dist/m-1.tar"]);
    let place = format!("docker://{}/models/m:1", registry.host);
    let policy = ["--insecure-policy", "copy"];
    skopeo(&[&policy[..], &["--dest-tls-verify=false", "oci-archive:dist/m-1.tar", &place]].concat());
    let pushed = skopeo(&["inspect", "--raw", "--tls-verify=false", &place]);
    skopeo(&[&policy[..], &["--src-tls-verify=false", &place, "oci-archive:back.tar"]].concat());

    assert_eq!(packaged["manifest"], Digest::of(&manifest).to_string());
    assert_eq!(manifest, pushed);
    project.mlx(&["bundle", "verify", "back.tar"]).success();
    project.mlx(&["bundle", "unpack", "back.tar", "out"]).success();
    assert_eq!(project.read("out/model/a.bin"), "weights");
}

#[test]
fn a_version_gives_the_same_bundle_after_a_later_training() {
    let project = with_onnx(
        "examples = \"sample.csv\"\n[step.fit]\ncmd = \"mkdir -p model && cp linear.onnx model/ && cp rows.csv sample.csv\"\n\
         deps = [\"linear.onnx\", \"rows.csv\"]\nouts = [\"model\", \"sample.csv\"]\n",
    )
    .write("linear.onnx", LINEAR)
    .write("rows.csv", "a,b,c\n1,2,3\n");
    project.mlx(&["train"]).success();
    let version = project.mlx(&["model", "register", "m", "--json"]).success().json();
    let reference = format!("m:{}", version["version"]);
    let package = || project.mlx(&["package", &reference, "--json"]).success().json()["manifest"].clone();

    let before = package();
    project.set("rows.csv", "a,b,c\n7,8,9\n");
    project.mlx(&["train"]).success();

    assert_eq!(package(), before);
}

/// What the linear model was exported from: y = x . [1, 2, -1] + 0.5
const ORIGINAL: &str = "class Model:\n    def load(self, path):\n        with open(path) as file:\n            \
                        self.bias = float(file.read())\n    def predict(self, inputs):\n        \
                        return {'y': [[float(a + 2 * b - c) + self.bias] for a, b, c in inputs['x']]}\n";

#[test]
fn an_export_that_differs_from_its_original_is_not_packaged() {
    let project =
        with_onnx("examples = \"rows.csv\"\nparity = { python = \"original.py:Model\", path = \"bias.txt\" }\n")
            .write("rows.csv", "a,b,c\n1,2,3\n0.5,0,0\n")
            .write("original.py", ORIGINAL)
            .write("bias.txt", "0.5");

    project.mlx(&["package", "m"]).success();
    project.set("bias.txt", "0.625");
    project
        .mlx(&["package", "m", "-o", "other.tar"])
        .exits_with(4)
        .says(
            "`model/linear.onnx` of `m` 1 does not answer as its original does, and is not packaged (mlx.toml, line 7)",
        )
        .says("output `y` differs in row 1: 2.5, and the original gives 2.625 (tolerance 0.0001)");
    project.set("mlx.toml", project.read("mlx.toml").replace("bias.txt\" }", "bias.txt\", tolerance = 0.1 }"));
    project.mlx(&["package", "m", "-o", "near.tar"]).success();
    project.set("original.py", ORIGINAL.replace("'y'", "'z'"));
    project
        .mlx(&["package", "m", "-o", "other.tar"])
        .exits_with(4)
        .says("the original gives an output `z`; it has `y`");

    assert!(!project.exists("other.tar"));
    // What it was compared with is no part of the bundle.
    let bytes = |file: &str| Digest::of(fs::read(project.path(file)).unwrap());
    assert_eq!(bytes("dist/m-1.tar"), bytes("near.tar"));
}

#[test]
fn a_bundle_brings_a_card_its_provenance_and_a_bill_of_materials() {
    let project = with_onnx("examples = \"rows.csv\"\n");
    project.set("rows.csv", "age,income,debt\n1,2,3\n");

    project.mlx(&["package", "m"]).success();

    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    let card = project.read("out/README.md");
    for line in [
        "# m 1",
        "| Run | `0123456789ab` |",
        "| Answers as | ONNX, `model/linear.onnx` |",
        "| accuracy | 0.95 |",
        "| train.depth | 3 |",
        "| input | x | FP32 | any × 3 | age, income, debt |",
    ] {
        assert!(card.lines().any(|found| found == line), "no line `{line}` in:\n{card}");
    }
    let provenance: Value = serde_json::from_str(&project.read("out/provenance.json")).unwrap();
    assert_eq!(provenance["subject"][0]["digest"]["sha256"], Digest::of(LINEAR).hex());
    let definition = &provenance["predicate"]["buildDefinition"];
    assert_eq!(
        definition["resolvedDependencies"][0],
        json!({ "name": "raw.csv", "digest": { "sha256": Digest::of(b"1,2").hex() } })
    );
    assert_eq!(provenance["predicate"]["runDetails"]["metadata"]["invocationId"], "0123456789ab");
    let bill: Value = serde_json::from_str(&project.read("out/environment/sbom.cdx.json")).unwrap();
    let library = bill["components"].as_array().unwrap().iter().find(|component| component["name"] == "onnxruntime");
    assert_eq!(library.unwrap()["version"], "1.32.0");
    project.mlx(&["model", "card", "m"]).success().prints("| input | x | FP32 | any × 3 | age, income, debt |");
}

#[test]
fn a_card_of_ones_own_gets_the_numbers_of_each_version() {
    let project = with_weights();
    project.mlx(&["model", "card", "m", "--template", "-o", "card.md"]).success().says("card = \"card.md\"");
    project
        .mlx(&["model", "card", "m", "--template", "-o", "card.md"])
        .exits_with(2)
        .says("`card.md` is there already");
    let text = project.read("card.md").replace("Where it is known to be wrong, and for whom.", "In winter.");
    project.set("card.md", text);
    project.set("mlx.toml", project.read("mlx.toml") + "card = \"card.md\"\n");

    project.mlx(&["package", "m"]).success();

    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    let card = project.read("out/README.md");
    assert!(
        card.contains("In winter.") && card.contains("| accuracy | 0.95 |") && !card.contains("<!-- mlx:"),
        "{card}"
    );
    project.set("card.md", "# Mine\n<!-- mlx:metricks -->\n");
    project.mlx(&["package", "m"]).exits_with(2).says("a card has no section `metricks` (card.md, line 2)");
    project.mlx(&["model", "card", "m"]).exits_with(2);
}

#[test]
fn the_documents_of_a_bundle_are_what_their_formats_ask_for() {
    let manifest = "[env]\npython = { requirements = [\"six==1.17.0\"] }\n[step.fit]\n\
                    cmd = \"mkdir -p model && cp raw.csv model/a.bin && echo '{\\\"accuracy\\\": 0.5}' > metrics.json\"\n\
                    deps = [\"raw.csv\"]\nouts = [\"model\"]\nmetrics = [\"metrics.json\"]\n[model.m]\npath = \"model\"\n";
    let project = Project::with_manifest(manifest).write("raw.csv", "1,2\n");
    project.commit("start");
    project.mlx(&["train"]).success();
    project.mlx(&["model", "register", "m"]).success();
    project.mlx(&["package", "m"]).success();
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    let layout = project.path("layout");
    fs::create_dir(&layout).unwrap();
    assert!(project.other("tar", &["-xf", "dist/m-1.tar", "-C", "layout"]).status().unwrap().success());

    let root = project.root().canonicalize().unwrap();
    let requirements =
        ["cyclonedx-python-lib[json-validation]==11.12.0", "in-toto-attestation==0.9.3", "jsonschema==4.26.0"];
    crate::clients::run_client(&requirements, include_str!("clients/documents.py"), &root.to_string_lossy());
}

#[test]
fn two_bundles_are_compared_by_what_they_hold() {
    let project = with_weights();
    project.mlx(&["package", "m"]).success();
    register(&project, &[("a.bin", b"other weights"), ("größe 1.bin", b"")]);
    project.mlx(&["package", "m"]).success();

    let compared = project.mlx(&["bundle", "diff", "dist/m-1.tar", "dist/m-2.tar", "--json"]).success().json();
    let shown = project.mlx(&["bundle", "diff", "dist/m-1.tar", "dist/m-2.tar"]).success();
    project.mlx(&["bundle", "diff", "dist/m-1.tar", "dist/m-1.tar"]).success().prints("are the same bundle");

    let weights = compared["files"].as_array().unwrap().iter().find(|file| file["name"] == "model/a.bin").unwrap();
    assert_eq!(weights["before"], json!({ "digest": Digest::of(b"weights"), "size": 7 }));
    assert_eq!(weights["after"], json!({ "digest": Digest::of(b"other weights"), "size": 13 }));
    assert!(compared["files"].as_array().unwrap().iter().all(|file| file["name"] != "code/train.py"));
    assert_eq!((&compared["metrics"], &compared["before"]["version"]), (&json!([]), &json!(1)));
    assert!(compared["shared_bytes"].as_u64().unwrap() > 0 && compared["new_bytes"].as_u64().unwrap() > 13);
    shown.prints("+ m 2").prints("model/a.bin");
}

#[test]
fn weights_that_lie_in_the_file_already_are_not_written_again() {
    use std::os::unix::fs::MetadataExt;
    let project = with_weights();
    let weights = crate::harness::noise(65 << 20, 1);
    register(&project, &[("a.bin", &weights)]);
    project.mlx(&["package", "m"]).success();
    let (file, inode) = (project.path("dist/m-2.tar"), |file: &Path| fs::metadata(file).unwrap().ino());
    let before = inode(&file);
    let card = project.write("card.md", "# Another\n");
    card.set("mlx.toml", card.read("mlx.toml") + "card = \"card.md\"\n");

    card.mlx(&["package", "m"]).success();
    card.mlx(&["package", "m", "-o", "whole.tar"]).success();

    assert_eq!(inode(&file), before);
    let bytes = |path: &Path| Digest::of(fs::read(path).unwrap());
    assert_eq!(bytes(&file), bytes(&card.path("whole.tar")));
    card.mlx(&["bundle", "verify", "dist/m-2.tar"]).success();
    assert_eq!(fs::read_dir(card.path(".mlx/tmp")).unwrap().count(), 0);
    // A file that was touched since, or has another name beside it, is written anew.
    fs::hard_link(&file, card.path("kept.tar")).unwrap();
    card.set("card.md", "# A third\n");
    card.mlx(&["package", "m"]).success();
    assert_ne!(inode(&file), before);
    assert_eq!(bytes(&card.path("kept.tar")), bytes(&card.path("whole.tar")));
    let changed = inode(&file);
    fs::OpenOptions::new().append(true).open(&file).unwrap().set_len(fs::metadata(&file).unwrap().len() + 512).unwrap();
    card.mlx(&["package", "m"]).success();
    assert_ne!(inode(&file), changed);
    card.mlx(&["bundle", "verify", "dist/m-2.tar"]).success();
}
