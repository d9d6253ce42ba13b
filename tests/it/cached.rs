//! The cache of unpacked bundles: what is served stays, what nobody used for a while goes.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::bundles::register;
use crate::harness::{Outcome, Project, files_below};
use crate::server::{Server, packaged};

/// A cache of its own beside a project with two versions in `dist`.
struct Place {
    project: Project,
    cache: PathBuf,
}

impl Place {
    fn new() -> Self {
        let (project, _) = packaged();
        register(&project, &[("linear.onnx", include_bytes!("../fixtures/linear.onnx")), ("more", b"of the second")]);
        project.mlx(&["package", "m"]).success();
        let cache = project.home().join("cache");
        Self { project, cache }
    }

    fn mlx(&self, arguments: &[&str]) -> Outcome {
        self.project.outcome(self.project.command(arguments).env("MLX_CACHE_DIR", &self.cache))
    }

    fn predict(&self, bundle: &str) {
        self.mlx(&["predict", bundle, "--input", "rows.csv"]).success().prints("2.5");
    }

    fn serve(&self, bundle: &str) -> Server {
        let mut command = self.project.command(&["serve", "--port", "0", bundle]);
        command.env("MLX_CACHE_DIR", &self.cache);
        Server::of(command)
    }

    /// Version and state of each release, the oldest version first.
    fn releases(&self) -> Vec<(Value, Value)> {
        let cache = self.mlx(&["cache", "--json"]).success().json();
        let releases = cache["shared"]["releases"].as_array().unwrap();
        let mut found: Vec<_> =
            releases.iter().map(|kept| (kept["model"]["version"].clone(), kept["in_use"].clone())).collect();
        found.sort_by_key(|(version, _)| version.as_u64());
        found
    }

    fn contents(&self) -> usize {
        files_below(&self.cache.join("bundles/blobs")).len()
    }

    fn make_old(&self) {
        let old = SystemTime::now() - Duration::from_secs(31 * 24 * 3600);
        for file in files_below(&self.cache.join("bundles")) {
            fs::File::open(file).unwrap().set_modified(old).unwrap();
        }
    }
}

#[test]
fn what_is_served_stays_and_the_rest_goes_when_it_is_told() {
    let place = Place::new();
    let server = place.serve("dist/m-1.tar");
    place.predict("dist/m-2.tar");
    assert_eq!(place.releases(), [(json!(1), json!(true)), (json!(2), json!(false))]);
    let shown = place.mlx(&["cache"]).success();
    shown.prints("2 releases").prints("in use");
    let contents = place.contents();
    let clean = |more: &[&str]| {
        let arguments = [&["cache", "--clean", "--json"], more].concat();
        place.mlx(&arguments).success().json()
    };

    let young = clean(&[]);
    let planned = clean(&["--unused", "0", "--dry-run"]);
    let unchanged = place.contents();
    let cleaned = clean(&["--unused", "0"]);

    assert_eq!(young["releases"], json!([]));
    assert_eq!((&planned["releases"], &planned["bytes"]), (&cleaned["releases"], &cleaned["bytes"]));
    assert_eq!((&cleaned["releases"][0]["model"]["version"], unchanged), (&json!(2), contents));
    assert_eq!(place.releases(), [(json!(1), json!(true))]);
    // What the two have in common stays with the first: library, model, and whatever else is equal.
    assert!(place.contents() < contents && place.contents() > 2, "{} of {contents}", place.contents());
    server.assert_answers();
    server.stop();
    place.mlx(&["cache", "--clean", "--unused", "0"]).success().prints("Removed 1 release ");
    assert_eq!((place.releases(), place.contents()), (Vec::new(), 0));
    place.predict("dist/m-1.tar");
}

#[test]
fn a_release_that_nobody_used_for_long_goes_when_another_is_brought() {
    let place = Place::new();
    place.predict("dist/m-1.tar");
    place.make_old();
    let hint = place.mlx(&["gc"]).success();
    assert!(hint.stderr.contains("1 release in the cache") || hint.stdout.contains("1 release in the cache"));

    place.predict("dist/m-2.tar");

    assert_eq!(place.releases(), [(json!(2), json!(false))]);
    // One that is used again is young again.
    place.make_old();
    place.predict("dist/m-2.tar");
    place.predict("dist/m-1.tar");
    assert_eq!(place.releases(), [(json!(1), json!(false)), (json!(2), json!(false))]);
}

#[test]
fn the_cache_is_shown_and_cleaned_without_a_project() {
    let place = Place::new();
    place.predict("dist/m-1.tar");
    let elsewhere = place.project.home().join("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    let ask = |arguments: &[&str]| {
        let elsewhere = elsewhere.to_str().unwrap();
        place.mlx(&[&["-C", elsewhere, "cache"], arguments].concat())
    };

    ask(&[]).success().prints("1 release").prints("m 1");
    ask(&["--clean", "--unused", "0"]).success().prints("Removed 1 release ");

    ask(&[]).success().prints("nothing yet");
    ask(&["--clean", "--adopt"]).exits_with(2);
    ask(&["--unused", "3"]).exits_with(2).says("--clean");
}

#[test]
fn servers_that_start_at_once_share_what_one_of_them_brings() {
    let place = &Place::new();

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| place.predict("dist/m-1.tar"));
        }
    });

    assert_eq!(place.releases(), [(json!(1), json!(false))]);
    assert_eq!(fs::read_dir(place.cache.join("bundles/tmp")).map_or(0, Iterator::count), 0);
}

/// An environment that a server needs for its next process is not taken away from it.
#[test]
fn an_environment_that_a_server_uses_is_not_removed() {
    let manifest = "[env]\npython = { requirements = [\"six==1.17.0\"] }\n\
        [step.fit]\ncmd = \"mkdir -p model && echo 1 > model/offset\"\nouts = [\"model\"]\n\
        [model.m]\npath = \"model\"\nexamples = \"rows.csv\"\nserve = { python = \"serve.py:Model\" }\n";
    let class = "import six\nclass Model:\n    def predict(self, inputs):\n        \
        return {'y': [float(sum(row)) for row in inputs['input']]}\n";
    let project = Project::with_manifest(manifest).write("serve.py", class).write("rows.csv", "a,b\n1,2\n");
    let cache = project.home().join("cache");
    let mlx = |arguments: &[&str]| project.outcome(project.command(arguments).env("MLX_CACHE_DIR", &cache));
    mlx(&["train"]).success();
    mlx(&["model", "register", "m"]).success();
    mlx(&["package", "m"]).success();
    let mut command = project.command(&["serve", "--port", "0", "dist/m-1.tar", "--workers", "1"]);
    command.env("MLX_CACHE_DIR", &cache);
    let server = Server::of(command);
    let environments = || -> Vec<bool> {
        let listed = mlx(&["env", "list", "--json"]).success().json();
        listed.as_array().unwrap().iter().map(|kept| kept["in_use"] == true).collect()
    };

    assert_eq!(environments(), [true]);
    mlx(&["env", "rm", "default"]).exits_with(1).says("is in use");
    mlx(&["env", "rm", "--unused", "0"]).success().prints("Removed 0 environments");

    server.stop();
    assert_eq!(environments(), [false]);
    mlx(&["env", "rm", "default"]).success();
    let left = cache.join("envs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(left.filter(|path| path.extension().is_none()).count(), 0);
}
