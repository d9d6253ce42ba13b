//! `mlx env`, and what a training does with environments: through the program, with real installers where that matters.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Outcome, Project};
use crate::services;

/// A project with a cache of its own and a `uv` that installs nothing and lists each requirement as a package.
struct Place {
    project: Project,
    path: std::ffi::OsString,
}

/// For the last word, which is a file of requirements, and the directory for packages, `$site`.
const LIST: &str =
    "for line in $(grep == \"$last\"); do mkdir -p \"$site/$(echo $line | sed s/==/-/).dist-info\"; done";

impl Place {
    fn new(manifest: &str) -> Self {
        Self::with_uv(manifest, LIST)
    }

    fn with_uv(manifest: &str, install: &str) -> Self {
        let project = Project::with_manifest(manifest);
        let script = format!(
            "for last; do :; done\n\
            case $1 in\n\
            venv) mkdir -p \"$last/bin\" \"$last/lib/python3/site-packages\" && ln -s /bin/sh \"$last/bin/python\";;\n\
            pip) site=${{4%/bin/python}}/lib/python3/site-packages; {install};;\n\
            esac\n"
        );
        let programs = project.home().join("bin");
        project.program(&programs.join("uv"), &script);
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).unwrap();
        Self { project, path }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command.env("PATH", &self.path).env("MLX_CACHE_DIR", self.project.home().join("cache"));
        command
    }

    fn mlx(&self, arguments: &[&str]) -> Outcome {
        self.project.outcome(&mut self.command(arguments))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.mlx(&[arguments, &["--json"]].concat()).success().json()
    }

    /// The outcome of each step of a training.
    fn train(&self) -> Vec<String> {
        let run = self.json(&["train"]);
        run["steps"].as_array().unwrap().iter().map(|step| step["outcome"].as_str().unwrap().to_owned()).collect()
    }
}

const TWO: &str = "\
[env]
python = { requirements = 'requirements.txt' }
[env.other]
python = { requirements = 'other.txt' }
[step.a]
cmd = 'echo a > a'
outs = ['a']
[step.b]
cmd = 'echo $VIRTUAL_ENV > b'
outs = ['b']
env = 'other'
";

fn two() -> Place {
    let place = Place::new(TWO);
    place.project.set("requirements.txt", "six==1.16.0\n-r base.txt\n");
    place.project.set("base.txt", "attrs==23.1.0\n");
    place.project.set("other.txt", "six==1.16.0\n");
    place
}

#[test]
fn a_changed_requirement_reruns_the_steps_that_run_in_it_and_no_others() {
    let place = two();
    assert_eq!(place.train(), ["ran", "ran"]);

    assert_eq!(place.train(), ["up_to_date", "up_to_date"]);
    place.project.set("requirements.txt", "# why\r\n-r base.txt\r\n\r\nsix==1.16.0\r\n");
    place.project.set("unrelated.txt", "numpy\n");
    assert_eq!(place.train(), ["up_to_date", "up_to_date"]);
    place.project.set("base.txt", "attrs==23.2.0\n");
    place.mlx(&["train", "--dry-run"]).success().prints("its environment changed");
    assert_eq!(place.train(), ["ran", "up_to_date"]);
    place.project.set("other.txt", "six==1.17.0\n");
    assert_eq!(place.train(), ["up_to_date", "ran"]);
}

#[test]
fn a_run_records_each_environment_and_what_was_installed() {
    let place = two();

    let run = place.json(&["train"]);

    assert_eq!(run["environment"]["kind"], "python");
    assert_eq!(run["steps"][1]["env"], "other");
    let digest: mlx::Digest = run["environments"]["other"]["lock"].as_str().unwrap().parse().unwrap();
    let store = mlx::store::Store::open(&place.project.path(".mlx/store")).unwrap();
    assert_eq!(String::from_utf8(store.read(&digest).unwrap()).unwrap(), "six==1.16.0\n");
    assert!(place.project.read("b").contains("home/cache/envs/"));
}

#[test]
fn a_run_that_came_back_has_the_environment_of_each_step_in_the_lock() {
    let place = two();
    place.train();
    let first = place.json(&["runs"])["runs"][0]["id"].as_str().unwrap().to_owned();
    place.project.set("other.txt", "six==1.17.0\n");
    place.train();

    place.mlx(&["runs", "restore", &first]).success();

    let differing = |step: &str| {
        let parts = place.json(&["explain", step])["parts"].as_array().unwrap().clone();
        let differing = parts.into_iter().filter(|part| part["change"] != "same");
        differing.map(|part| part["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((differing("a"), differing("b")), (Vec::new(), vec!["environment".to_owned()]));
    place.project.set("other.txt", "six==1.16.0\n");
    assert_eq!(differing("b"), Vec::<String>::new());
}

#[test]
fn making_an_environment_is_no_part_of_the_duration() {
    let place = two();

    let run = place.json(&["train"]);

    let making = run["environment_seconds"].as_f64().unwrap();
    let [started, finished] =
        ["started", "finished"].map(|key| run[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
    let all = finished.duration_since(started).as_secs_f64();
    let listed = place.json(&["runs"]);
    let listed = listed.as_array().or_else(|| listed["runs"].as_array()).unwrap()[0]["seconds"].as_f64().unwrap();
    assert!(making > 0.0 && (all - making - listed).abs() < 1e-6, "{all} {making} {listed}");
    assert_eq!(place.json(&["train"])["environment_seconds"], 0.0);
}

#[test]
fn a_training_says_once_that_nothing_pins_the_versions() {
    let place = two();

    let first = place.mlx(&["train", "a"]).success();

    assert!(first.stderr.contains("`mlx env lock` writes `requirements.lock`"), "{}", first.stderr);
    let again = place.mlx(&["train", "a", "--force"]).success();
    assert!(!again.stderr.contains("env lock"), "{}", again.stderr);
}

#[test]
fn environments_are_listed_with_who_used_them_and_removed() {
    let place = two();
    place.train();

    let listed = place.json(&["env", "list"]);

    assert_eq!(listed.as_array().unwrap().len(), 2);
    let of = |name: &str| {
        let named = |entry: &&Value| entry["names"][0] == name;
        listed.as_array().unwrap().iter().find(named).unwrap().clone()
    };
    let other = of("other");
    assert_eq!(other["projects"][0], place.project.root().canonicalize().unwrap().to_str().unwrap());
    assert_eq!((&other["is_pinned"], &other["in_use"]), (&Value::Bool(false), &Value::Bool(false)));
    assert!(other["last_used"].is_string());
    place.mlx(&["env", "rm", "--unused", "1"]).success().prints("Removed 0 environments");
    place.mlx(&["env", "rm", "--unused", "0", "--dry-run"]).success().prints("Would remove 2 environments");
    place.project.set("other.txt", "six==1.16.0\n# and nothing else\nidna==3.7\n");
    place.mlx(&["env", "list"]).success().prints("(an earlier one)");
    place.project.set("other.txt", "six==1.16.0\n");
    let digest = other["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    place.mlx(&["env", "rm", &digest[..12]]).success().prints("Removed 1 environment");
    place.mlx(&["env", "rm", "other"]).exits_with(2).says("there is no environment `other` in the cache");
    place.mlx(&["env", "rm", "default"]).success();
    place.mlx(&["env", "list"]).success().prints("There are no environments yet");
    // What is needed again is made again.
    assert_eq!(place.json(&["train", "b", "--force"])["steps"][0]["outcome"], "ran");
}

#[test]
fn an_environment_in_use_stays() {
    let place = two();
    let program = env!("CARGO_BIN_EXE_mlx");

    let inside = place.mlx(&["env", "shell", "b", "--", program, "env", "rm", "other"]);

    inside.exits_with(1).says("is in use");
    place.mlx(&["env", "shell", "b", "--", program, "env", "list"]).success().prints("in use");
    place.mlx(&["env", "rm", "other"]).success();
}

#[test]
fn a_shell_has_what_the_step_has_and_passes_the_exit_code_on() {
    let manifest = "params.train.trees = 3\nenv.python = { requirements = [] }\n\
                    step.a = { cmd = 'true', params = ['train'], variables = { COLOUR = 'red' }, dir = 'sub' }";
    let place = Place::new(manifest);
    std::fs::create_dir(place.project.path("sub")).unwrap();
    let script = "echo $COLOUR $MLX_PARAM_TRAIN_TREES $MLX_STEP $(basename $PWD); cat $MLX_PARAMS; echo; command -v python; exit 7";

    let outcome = place.mlx(&["env", "shell", "a", "--", "sh", "-c", script]).exits_with(7);

    assert!(outcome.stdout.starts_with("red 3 a sub\n{\"train\":{\"trees\":3}}\n"), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains("home/cache/envs/") && outcome.stdout.ends_with("/bin/python\n"),
        "{}",
        outcome.stdout
    );
    place.mlx(&["env", "shell", "--", "no-such-program"]).exits_with(1).says("cannot start `no-such-program`");
    place.mlx(&["env", "shell", "b"]).exits_with(2).says("there is neither a step nor an environment `b`");
}

#[test]
fn what_a_step_runs_in_is_shown_without_making_it() {
    let place = two();

    let before = place.json(&["env", "show", "b"]);
    place.train();
    let after = place.json(&["env", "show", "b"]);

    assert_eq!((&before["is_ready"], &after["is_ready"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!((&after["name"], &after["packages"][0]), (&"other".into(), &"six==1.16.0".into()));
    assert_eq!(before["environment"]["digest"], after["environment"]["digest"]);
    place.mlx(&["env", "show", "b"]).success().prints("other.txt for Python").prints("kind       python");
    // An environment can be named itself, and a name that is neither gets all there are.
    assert_eq!(place.json(&["env", "show", "other"])["name"], "other");
    place.mlx(&["env", "show", "nope"]).exits_with(2).says("hint: there are: `a`, `b`, `default`, `other`");
}

#[test]
fn who_reaches_no_index_is_told_so() {
    let place = Place::with_uv(TWO, "echo 'error: error sending request: dns error'; exit 2");
    place.project.set("requirements.txt", "six\n");

    let outcome = place.mlx(&["train", "a"]).exits_with(1);

    let said = outcome.says("last lines of its output").says("the package index can't be reached from here");
    drop(said);
    assert_eq!(place.json(&["env", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn a_step_in_another_environment_needs_nothing_of_this_one() {
    let place = two();
    std::fs::remove_file(place.project.path("requirements.txt")).unwrap();

    place.mlx(&["train", "b"]).success();

    place.mlx(&["train", "a"]).exits_with(1).says("cannot read `[root]/project/requirements.txt`");
}

/// Locks with a real installer, where `is_whole` through a change of the requirements and an update.
fn locking(path: Option<PathBuf>, is_whole: bool) {
    let manifest = "[env]\npython = { requirements = 'requirements.txt' }\n[step.a]\n\
                    cmd = 'python -c \"import six; print(six.__version__)\" > out'\nouts = ['out']\n";
    let project = Project::with_manifest(manifest).write("requirements.txt", "six<1.17\r\n");
    let all = std::env::var_os("PATH").unwrap();
    let first = path.iter().map(|program| program.parent().unwrap().to_path_buf());
    let path = std::env::join_paths(first.chain(std::env::split_paths(&all))).unwrap();
    let mlx = |arguments: &[&str]| project.outcome(project.command(arguments).env("PATH", &path));

    mlx(&["env", "lock"]).success().prints("six  added 1.16.0");

    let lock = project.read("requirements.lock");
    assert!(lock.contains("six==1.16.0 \\\n    --hash=sha256:"), "{lock}");
    let run = mlx(&["train", "--json"]).success().json();
    assert_eq!(project.read("out"), "1.16.0\n");
    let installed: mlx::Digest = run["environment"]["lock"].as_str().unwrap().parse().unwrap();
    let store = mlx::store::Store::open(&project.path(".mlx/store")).unwrap();
    let installed = String::from_utf8(store.read(&installed).unwrap()).unwrap();
    assert!(installed.lines().any(|line| line.starts_with("six==1.16.0 --hash=sha256:")), "{installed}");

    project.set("requirements.txt", "# any\nsix<1.17\n");
    mlx(&["train"]).success().prints("1 up to date");
    if !is_whole {
        return;
    }
    project.set("requirements.txt", "six\n");
    mlx(&["train"]).exits_with(2).says("`requirements.lock` is out of date: requirements.txt changed");
    mlx(&["env", "lock"]).success();
    assert!(project.read("requirements.lock").contains("six==1.16.0"), "the version in the lock still fits");
    mlx(&["train"]).success().prints("1 up to date");
    let newest = mlx(&["env", "lock", "--update", "--json"]).success().json();
    assert_eq!(newest[0]["versions"][0]["before"], "1.16.0");
    mlx(&["train"]).success().prints("its environment changed");
    assert_ne!(project.read("out"), "1.16.0\n");
}

#[test]
fn a_lock_file_of_pip_decides_the_environment() {
    locking(None, false);
}

#[test]
fn a_lock_file_of_uv_decides_the_environment() {
    if let Some(uv) = services::program("uv") {
        locking(Some(uv), true);
    }
}

#[test]
fn what_environments_hold_travels_with_the_run() {
    let remote = tempfile::tempdir().unwrap();
    let place = Place::new(&format!(
        "[remote.origin]\nurl = '{}'\n[env]\npython = {{ requirements = ['a==1'] }}\n\
         [env.other]\npython = {{ requirements = ['b==2'] }}\n[step.one]\ncmd = 'echo 1 > one'\nouts = ['one']\n\
         [step.two]\ncmd = 'echo 2 > two'\nouts = ['two']\nenv = 'other'\n",
        remote.path().join("store").display()
    ));
    let run = place.json(&["train"]);
    place.project.commit("trained");
    place.mlx(&["push"]).success();

    let clone = Project::empty();
    assert!(
        clone.other("git", &["clone", "-q", place.project.root().to_str().unwrap(), "."]).status().unwrap().success()
    );
    let pulled = Place { project: clone, path: place.path.clone() };
    pulled.mlx(&["pull"]).success();
    pulled.mlx(&["fetch", "--runs", run["id"].as_str().unwrap()]).success();

    pulled.mlx(&["verify"]).success();
    let store = mlx::store::Store::open(&pulled.project.path(".mlx/store")).unwrap();
    for environment in [&run["environment"], &run["environments"]["other"]] {
        for part in ["packages", "lock"] {
            let digest = environment[part].as_str().unwrap().parse().unwrap();
            assert!(store.contains(&digest), "{part} of {environment} is not here");
        }
    }
}
