//! Runnable images: `mlx package --image`, run by a real podman, on bases of every kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mlx::Digest;
use serde_json::{Value, json};

use crate::bundles::{LoopbackRegistry, register, with_onnx};
use crate::containers::Engine;
use crate::harness::{Outcome, Project};
use crate::server::Server;
use crate::services;

/// mlx without what debuggers need, which would make every layer large; made once for each build.
pub fn program() -> &'static Path {
    static PROGRAM: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program");
        let (built, path) = (Path::new(env!("CARGO_BIN_EXE_mlx")), directory.join("mlx"));
        let _alone = mlx::fs::FileLock::exclusive(&directory.join("lock"), "a test", |_| {}).unwrap();
        let made = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        if made(&path) <= made(built) {
            // Another test may run the old one.
            let new = directory.join("new");
            let stripped = Command::new("strip").arg("-o").arg(&new).arg(built).status();
            assert!(stripped.unwrap().success(), "`strip` comes with gcc");
            fs::rename(new, &path).unwrap();
        }
        path
    })
}

fn mlx(project: &Project, arguments: &[&str]) -> Outcome {
    let mut command = project.other(&program().to_string_lossy(), arguments);
    command.env("MLX_CACHE_DIR", crate::harness::shared_cache());
    project.outcome(&mut command)
}

/// A model that answers, with its rows.
fn project() -> Project {
    let project = with_onnx("examples = \"rows.csv\"\n");
    project.set("rows.csv", "a,b,c\n1,2,3\n");
    project
}

/// A root file system of the libraries that mlx and ONNX Runtime need on this machine.
fn make_root(project: &Project) {
    mlx(project, &["package", "m", "-o", "plain.tar"]).success();
    mlx(project, &["bundle", "unpack", "plain.tar", "plain"]).success();
    let library = fs::read_dir(project.path("plain/runtime/linux-x86_64")).unwrap().next().unwrap().unwrap().path();
    let mut needed = BTreeSet::new();
    for file in [program(), &library] {
        let output = Command::new("ldd").arg(file).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        needed.extend(text.split_whitespace().filter(|word| word.starts_with('/')).map(str::to_owned));
    }
    for library in needed {
        let to = project.path("root").join(library.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&library, to).unwrap();
    }
    fs::create_dir_all(project.path("root/etc")).unwrap();
    std::os::unix::fs::symlink("nowhere", project.path("root/etc/link")).unwrap();
}

/// The manifest and the config of an image in an archive.
fn image(project: &Project, file: &str) -> (Value, Value) {
    let mut archive = tar::Archive::new(fs::File::open(project.path(file)).unwrap());
    let mut files = std::collections::BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        files.insert(path, content);
    }
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap();
        let content = &files[&format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"))];
        assert_eq!(
            (Digest::of(content).to_string().as_str(), content.len() as u64),
            (digest, descriptor["size"].as_u64().unwrap())
        );
        content
    };
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0])).unwrap();
    manifest["layers"].as_array().unwrap().iter().for_each(|layer| assert!(!blob(layer).is_empty()));
    (manifest.clone(), serde_json::from_slice(blob(&manifest["config"])).unwrap())
}

fn layers(manifest: &Value) -> Vec<&str> {
    manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap()).collect()
}

#[test]
fn podman_runs_an_image_and_it_answers() {
    let Some(engine) = Engine::get() else { return };
    let project = project();
    make_root(&project);

    let built = mlx(&project, &["package", "m", "--image", "--base", "root", "--json"]).success().json();

    let podman = |arguments: &[&str]| project.outcome(&mut engine.podman_command(arguments)).success().stdout;
    assert_eq!(built["image"]["file"], "dist/m-1-image.tar");
    let loaded = podman(&["load", "--input", &project.path("dist/m-1-image.tar").to_string_lossy()]);
    let name = loaded.trim().rsplit(' ').next().unwrap().to_owned();
    let container = format!("mlx-image-{}", std::process::id());
    let run = ["run", "--rm", "--name", &container, "--network=host", &name, "--host", "127.0.0.1", "--port", "0"];
    let server = Server::of(engine.podman_command(&run));
    let body = json!({ "inputs": [{ "name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3] }] });
    let answer = server.infer(&body.to_string());
    podman(&["stop", "--time", "5", &container]);
    // The container goes in its own time, and its image after it.
    engine.podman(&["rmi", "--force", &name]);

    let answer = answer.json();
    assert_eq!(answer["outputs"][0]["data"], json!([2.5]));
    // From the answer of an image back to the bundle, as everywhere.
    assert_eq!(answer["parameters"]["bundle"], built["manifest"]);
    assert_eq!(answer["parameters"]["run"], "0123456789ab");
}

#[test]
fn the_same_image_has_the_same_bytes_and_a_new_version_keeps_the_layers_below() {
    let project = project();
    make_root(&project);
    let build = |file: &str| mlx(&project, &["package", "m", "-o", file, "--image", "--base", "root"]).success();
    build("one.tar");
    build("two.tar");
    project.set("train.py", "print('trained')\n");
    register(&project, &[("linear.onnx", include_bytes!("../fixtures/linear.onnx")), ("notes.txt", b"new")]);

    build("three.tar");

    let bytes = |file: &str| Digest::of(fs::read(project.path(file)).unwrap());
    assert_eq!(bytes("one-image.tar"), bytes("two-image.tar"));
    let ((one, config), (three, _)) = (image(&project, "one-image.tar"), image(&project, "three-image.tar"));
    // The root, mlx, the runtime; then the weights and the documents, which changed.
    let (one, three) = (layers(&one), layers(&three));
    assert_eq!((one.len(), &one[..3]), (5, &three[..3]));
    assert!(one[3] != three[3] && one[4] != three[4]);
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][1], "serve");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 5);
}

#[test]
fn bases_are_taken_from_archives_layouts_and_registries_alike() {
    let (Some(registry), Some(_)) = (LoopbackRegistry::start(), services::program("skopeo")) else { return };
    let project = project();
    make_root(&project);
    let root = project.other("tar", &["-C", "root", "-czf", "root.tar.gz", "."]).status().unwrap();
    assert!(root.success());
    mlx(&project, &["package", "m", "-o", "first.tar", "--image", "--base", "root.tar.gz"]).success();
    let place = format!("{}/base/image:1", registry.host);
    let copy = |arguments: &[&str]| {
        let arguments = [&["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"], arguments].concat();
        project.outcome(&mut project.other("skopeo", &arguments)).success();
    };
    copy(&["oci-archive:first-image.tar", "docker-archive:docker.tar:base:1"]);
    copy(&["oci-archive:first-image.tar", "oci:layout:base"]);
    copy(&["oci-archive:first-image.tar", &format!("docker://{place}")]);
    // skopeo takes our layers as they are: they are packed, and need not be packed anew.
    let (first, _) = image(&project, "first-image.tar");

    let build = |base: &str, file: &str| {
        mlx(&project, &["package", "m", "-o", &format!("{file}.tar"), "--image", "--base", base]).success();
        image(&project, &format!("{file}-image.tar"))
    };
    let (of_archive, config) = build("first-image.tar", "a");
    let (of_layout, _) = build("oci:layout", "b");
    let (of_registry, _) = build(&place, "c");
    let (of_docker, docker_config) = build("docker-archive:docker.tar", "d");

    assert_eq!(layers(&of_archive)[..5], layers(&first)[..]);
    assert_eq!(layers(&of_archive), layers(&of_layout));
    assert_eq!(layers(&of_archive), layers(&of_registry));
    // docker's archives hold layers unpacked, which packed again are ours.
    assert_eq!(layers(&of_archive), layers(&of_docker));
    assert_eq!(config["rootfs"], docker_config["rootfs"]);
    let annotations = &of_registry["annotations"];
    let name = annotations["org.opencontainers.image.base.name"].as_str().unwrap();
    assert!(name.starts_with(&format!("{}/base/image@sha256:", registry.host)), "{name}");
    let none = format!("{}/base/none:1", registry.host);
    mlx(&project, &["package", "m", "--image", "--base", &none]).exits_with(2).says("there is no image");
}

#[test]
fn what_is_no_base_is_refused_before_anything_is_written() {
    let project = project().write("text", "no archive").write("empty.tar", vec![0; 1024]);
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--image"], 2, "nothing says what the image is built on"),
        (&["--image", "--base", "a b"], 2, "neither a file nor an image"),
        (&["--image", "--base", "./none"], 2, "there is no such file"),
        (&["--image", "--base", "text"], 1, "it is no tar archive, or it is damaged"),
    ];

    for (arguments, code, expected) in cases {
        project.mlx(&[&["package", "m"], arguments].concat()).exits_with(code).says(expected);
    }

    project.set("mlx.toml", project.read("mlx.toml") + "image = { base = \"./nowhere\" }\n");
    project.mlx(&["package", "m", "--image"]).exits_with(2).says("cannot use `./nowhere` as the base of an image");
    assert!(!project.exists("dist"));
}
