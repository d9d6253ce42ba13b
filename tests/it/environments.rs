//! Environments as the pipeline uses them, made with the machine's own Python and its configured package index.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mlx::env::{Declared, Interpreters, Prepared, RecipeKind, Workshop};
use mlx::event::{Event, EventSink, Interrupt, Recorder, Watch};
use mlx::project::{self, manifest::DEFAULT_ENVIRONMENT};
use mlx::store::Store;
use mlx::{Error, Kind};

use crate::harness::{Project, shared_cache};

/// The machine's programs, after those of one directory.
fn host(first: &Path) -> Interpreters {
    let path = std::env::var_os("PATH").unwrap();
    let all = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&path));
    let pyenv_version = std::env::var_os("PYENV_VERSION");
    Interpreters { path: std::env::join_paths(all).unwrap(), pyenv_version, conda: None }
}

/// A project whose environment is made in a cache of its own, or in the one that all tests share.
struct Place {
    project: Project,
    cache: PathBuf,
    events: Recorder,
    interrupt: Interrupt,
}

impl Place {
    fn new(env: &str) -> Self {
        let project = Project::with_manifest(env);
        let cache = project.home().join("cache");
        Self { project, cache, events: Recorder::default(), interrupt: Interrupt::default() }
    }

    fn sharing_its_cache(env: &str) -> Self {
        Self { cache: shared_cache(), ..Self::new(env) }
    }

    fn declared(&self) -> Result<Declared, Error> {
        let project = project::Project::open(&self.project.root()).unwrap();
        Declared::of(&project, DEFAULT_ENVIRONMENT, &self.cache, &host(&self.programs()), None)
    }

    fn prepare(&self) -> Result<Prepared, Error> {
        self.prepare_with(&self.events)
    }

    fn prepare_with(&self, events: &dyn EventSink) -> Result<Prepared, Error> {
        self.declared()?.prepare(&self.store(), Watch { events, interrupt: &self.interrupt })
    }

    /// A directory that comes first on `PATH`.
    fn programs(&self) -> PathBuf {
        self.project.home().join("bin")
    }

    /// Puts a `uv` on `PATH` that installs by this piece of shell, in which `$site` is the directory for packages.
    fn with_uv(self, install: &str) -> Self {
        let script = format!(
            "for last; do :; done\n\
            case $1 in\n\
            venv) mkdir -p \"$last/bin\" \"$last/lib/python3/site-packages\" && ln -s /bin/sh \"$last/bin/python\";;\n\
            pip) site=${{4%/bin/python}}/lib/python3/site-packages; {install};;\n\
            esac\n"
        );
        self.project.program(&self.programs().join("uv"), &script);
        self
    }

    fn store(&self) -> Store {
        Store::open(&self.project.path(".mlx/store")).unwrap()
    }

    fn notes(&self) -> Vec<String> {
        let note = |event| match event {
            Event::Note { message } => Some(message),
            _ => None,
        };
        self.events.events().into_iter().filter_map(note).collect()
    }
}

fn variable(prepared: &Prepared, name: &str) -> OsString {
    prepared.variables.iter().find(|(variable, _)| variable == name).unwrap().1.clone()
}

const SIX: &str = r#"env.python = { requirements = ["six==1.16.0"] }"#;
const IMPOSSIBLE: &str = r#"env.python = { requirements = ["six==99.99"] }"#;

#[test]
fn a_declared_environment_is_made_once_and_its_packages_are_known() {
    let place = Place::sharing_its_cache(SIX);

    let prepared = place.prepare().unwrap();

    let program = "import os, six, sys; print(six.__version__, sys.prefix == os.environ['VIRTUAL_ENV'])";
    let output = Command::new("python").args(["-c", program]).envs(prepared.variables.clone()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1.16.0 True\n");
    assert!(Path::new(&variable(&prepared, "VIRTUAL_ENV")).starts_with(shared_cache()));
    let packages = place.store().read(&prepared.record.packages.unwrap()).unwrap();
    assert!(String::from_utf8(packages).unwrap().lines().any(|line| line == "six==1.16.0"));
    assert_eq!(prepared.record.digest, place.declared().unwrap().digest());
    assert_eq!(prepared.onnxruntime(), None);

    let again = Place::sharing_its_cache(SIX);
    assert_eq!(again.prepare().unwrap().record, prepared.record);
    assert_eq!(again.notes(), [""; 0]);
}

#[test]
fn requirements_that_cannot_be_installed_show_the_last_lines_of_pip() {
    let place = Place::new(IMPOSSIBLE);

    let error = place.prepare().unwrap_err();

    assert_eq!(error.kind(), Kind::Failed);
    let text = error.to_string();
    assert!(text.starts_with("cannot install the requirements in mlx.toml: `"), "{text}");
    assert!(text.contains("\n  last lines of its output:\n"), "{text}");
    assert!(text.lines().last().unwrap().contains("six==99.99"), "{text}");
    assert!(error.hint().unwrap().contains("correct the requirements"), "{error:?}");
    assert!(!place.declared().unwrap().is_ready());
}

#[test]
fn the_digest_follows_what_is_included_and_no_comments() {
    let place = Place::new("env.python = { requirements = 'requirements.txt' }");
    let digest = |top: &str, base: &str| {
        place.project.set("requirements.txt", top);
        place.project.set("base.txt", base);
        place.declared().unwrap().digest().unwrap()
    };

    let before = digest("-r base.txt\nsix\n", "numpy\n");

    assert_eq!(digest("# why\n-r base.txt\n\nsix\n", "numpy\n"), before);
    assert_ne!(digest("-r base.txt\nsix\n", "numpy<2\n"), before);
}

#[test]
fn without_a_declaration_the_users_own_interpreter_is_recorded() {
    let place = Place::new("");

    let prepared = place.prepare().unwrap();

    let script = "import platform, sys; print(sys.executable, platform.python_version())";
    let output = Command::new("python3").args(["-c", script]).output().unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    let record = prepared.record;
    assert_eq!(format!("{} {}\n", record.python.unwrap(), record.python_version.unwrap()), expected);
    assert_eq!(record.digest, None);
    assert!(prepared.variables.iter().all(|(name, _)| name != "PATH"));
}

#[test]
fn a_known_interpreter_is_not_started_again() {
    let place = Place::new("");
    // A shim like pyenv's, which leaves a trace of each start.
    let (root, trace) = (place.project.home(), place.project.home().join("trace"));
    let shim = root.join("pyenv/shims/python3");
    std::fs::create_dir_all(root.join("pyenv/versions")).unwrap();
    let real = place.declared().unwrap().record().python.unwrap();
    place.project.program(&shim, &format!("echo x >> '{}'\nexec '{real}' \"$@\"", trace.display()));
    let host = Interpreters { path: shim.parent().unwrap().into(), ..Interpreters::default() };
    let opened = project::Project::open(&place.project.root()).unwrap();
    let python =
        || Declared::of(&opened, DEFAULT_ENVIRONMENT, &place.cache, &host, None).unwrap().record().python.unwrap();

    assert_eq!([python(), python()], [real.clone(), real]);

    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "x\n");
}

#[test]
fn a_python_that_is_not_there_is_an_error_with_a_remedy() {
    let cases = [
        ("2.99", "there is no Python 2.99 on this machine"),
        ("bin/none", "`bin/none`, which `python` in [env] names, is no Python that runs"),
        ("cat", "there is no program `cat` on PATH that is a Python"),
    ];
    for (python, expected) in cases {
        let place = Place::new(&format!("env.python = {{ requirements = [], python = '{python}' }}"));
        let error = place.declared().unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(error.hint().is_some());
    }
}

/// Does something at each event.
struct Each<F: Fn(Event)>(F);

impl<F: Fn(Event) + Sync + Send> EventSink for Each<F> {
    fn emit(&self, event: Event) {
        self.0(event);
    }
}

#[test]
fn uv_makes_the_environment_where_it_is_there() {
    let place = Place::new(SIX).with_uv("mkdir \"$site/$(sed s/==/-/ \"$last\").dist-info\"");

    let prepared = place.prepare().unwrap();

    let packages = place.store().read(&prepared.record.packages.unwrap()).unwrap();
    assert_eq!(String::from_utf8(packages).unwrap(), "six==1.16.0\n");
    assert!(matches!(place.notes().as_slice(), [note] if note.contains("with uv, once for this content")));
}

#[test]
fn a_wish_to_stop_leaves_nothing_that_counts() {
    let place = Place::new(SIX).with_uv("echo begun; sleep 600");
    let stop_at_the_first_line = Each(|event| {
        if matches!(event, Event::Detail { .. }) {
            place.interrupt.request();
        }
    });

    let error = place.prepare_with(&stop_at_the_first_line).unwrap_err();

    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(!place.declared().unwrap().is_ready());
    let left = std::fs::read_dir(place.cache.join("envs")).unwrap().map(|entry| entry.unwrap().path());
    assert!(left.into_iter().all(|path| path.extension().is_some_and(|extension| extension == "lock")));
}

#[test]
fn of_two_that_come_at_once_one_makes_the_environment() {
    let place = Place::new(SIX).with_uv("echo begun; read go < \"$0.go\"; mkdir \"$site/six-1.16.0.dist-info\"");
    let gate = place.programs().join("uv.go");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let tell = Each(move |event| {
        if matches!(event, Event::Detail { .. }) {
            let _ = begun.send(());
        }
    });
    let open_the_gate_when_waiting = Each(|event| match event {
        Event::Note { message } if message.contains("waiting for") => std::fs::write(&gate, "go\n").unwrap(),
        other => panic!("the second has nothing to do but to wait: {other:?}"),
    });

    std::thread::scope(|scope| {
        let first = scope.spawn(|| place.prepare_with(&tell));
        has_begun.recv().unwrap();
        let second = place.prepare_with(&open_the_gate_when_waiting).unwrap();

        assert_eq!(first.join().unwrap().unwrap().record, second.record);
    });
}

/// Runs only as the child of the test below: makes the environment of the project named by the variable.
#[test]
fn child_that_makes_an_environment() {
    /// Prints what the installer says as it says it.
    struct Lines;

    impl EventSink for Lines {
        fn emit(&self, event: Event) {
            if let Event::Detail { message } | Event::Note { message } = event {
                println!("{message}");
            }
        }
    }

    let Some(root) = std::env::var_os("MLX_TEST_ENVIRONMENT_OF") else { return };
    let opened = project::Project::open(Path::new(&root)).unwrap();
    let store = Store::open(&opened.state("store")).unwrap();
    let cache = Path::new(&root).parent().unwrap().join("home/cache");
    let watch = Watch { events: &Lines, interrupt: &Interrupt::default() };
    let host = host(Path::new("/nonexistent"));
    Declared::of(&opened, DEFAULT_ENVIRONMENT, &cache, &host, None).unwrap().prepare(&store, watch).unwrap();
}

fn child(place: &Place) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["environments::child_that_makes_an_environment", "--exact", "--nocapture"])
        .env("MLX_TEST_ENVIRONMENT_OF", place.project.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_killed_creation_counts_for_nothing_and_the_next_one_completes() {
    let place = Place::new(SIX);
    let mut killed = child(&place);
    let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("Collecting six") || line.starts_with("Resolved")));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!place.declared().unwrap().is_ready());

    let prepared = place.prepare().unwrap();

    assert!(place.declared().unwrap().is_ready());
    assert!(prepared.site_packages[0].join("six.py").exists());
    // One whose interpreter vanished counts as little.
    std::fs::remove_file(prepared.record.python.unwrap()).unwrap();
    assert!(!place.declared().unwrap().is_ready());
}

#[test]
fn nothing_is_made_where_nothing_is_declared() {
    let place = Place::new("");

    place.prepare().unwrap();

    assert!(!place.cache.join("envs").exists());
}

#[test]
fn a_training_runs_in_the_environment_and_records_it() {
    let manifest = format!(
        "{SIX}\n\
         step.version = {{ cmd = \"python -c 'import six; print(six.__version__, file=open(\\\"out\\\", \\\"w\\\"))'\", outs = ['out'] }}\n"
    );
    let project = Project::with_manifest(&manifest);

    project.mlx(&["train"]).success();

    assert_eq!(project.read("out"), "1.16.0\n");
    let run = project.mlx(&["runs", "show", "latest", "--json"]).success().json();
    assert!(run["environment"]["digest"].is_string());
    project.mlx(&["runs", "show", "latest"]).success().prints("packages\n");
}

#[test]
fn a_training_that_cannot_have_its_environment_shows_what_the_installer_said() {
    let manifest = "env.python = { requirements = ['six'] }\nstep.a = { cmd = 'echo > out', outs = ['out'] }";
    let place = Place::new(manifest).with_uv("echo 'no such thing'; exit 7");
    let path = host(&place.programs()).path;

    let outcome = place.project.outcome(place.project.command(&["train"]).env("PATH", path));

    outcome.exits_with(1).says("`uv` stopped with exit code 7\n  last lines of its output:\n    no such thing\n");
    assert!(!place.project.exists("out"));
    place.project.mlx(&["runs"]).success().prints("failed");
}

/// Six as a lock file has it; nothing is installed from it here.
const LOCKED: &str = "six==1.16.0 --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254\n";

#[test]
fn another_machine_makes_the_same_environment_by_its_recipe_or_says_why_not() {
    let place = Place::new(SIX);
    place.project.set("requirements.lock", LOCKED);
    let declared = place.declared().unwrap();
    let recipe = declared.recipe().unwrap().unwrap();
    let (cache, home) = (place.project.home().join("elsewhere"), place.project.home().join("work"));
    let host = host(&place.programs());
    let workshop = Workshop { cache: &cache, host: &host, place: &home };

    let theirs = Declared::of_recipe(&recipe, Path::new("/far/project"), &workshop).unwrap();

    assert_eq!(theirs.digest(), declared.digest());
    assert!(theirs.directory().unwrap().starts_with(&cache));
    assert_eq!(recipe.packages(), "six==1.16.0\n");
    let with = |change: &dyn Fn(&mut String, &mut String)| {
        let mut other = recipe.clone();
        if let RecipeKind::Python { version, platform, .. } = &mut other.kind {
            change(version, platform);
        }
        Declared::of_recipe(&other, Path::new("/far/project"), &workshop).unwrap_err().to_string()
    };
    assert!(with(&|version, _| *version = "2.3.4".into()).contains("there is no Python 2.3.4 on this machine"));
    assert!(with(&|_, platform| *platform = "cpython-vax".into()).contains("the environment is one for `cpython-vax`"));
}

#[test]
fn what_only_this_machine_has_goes_into_no_recipe() {
    let index = "--index-url https://me:secret@host.example/simple";
    for (lines, lock, problem) in [
        ("\"six\"", None, "no lock file says which versions it holds"),
        ("\"-e ./lib\"", Some(""), "`-e ./lib` lies on this machine"),
        ("\"./lib\"", Some(""), "`./lib` lies on this machine"),
        ("\"--find-links wheels\", \"six\"", Some(LOCKED), "`--find-links wheels` lies on this machine"),
        (&*format!("\"{index}\", \"six\""), Some(LOCKED), "holds a password"),
    ] {
        let place = Place::new(&format!("env.python = {{ requirements = [{lines}] }}"));
        place.project.set("lib/setup.py", "");
        if let Some(lock) = lock {
            place.project.set("requirements.lock", lock);
        }

        let error = place.declared().unwrap().recipe().unwrap_err();

        assert_eq!(error.kind(), Kind::Usage, "{lines}");
        assert!(error.to_string().contains(problem) && !error.to_string().contains("secret"), "{lines}: {error}");
        assert!(error.hint().is_some(), "{lines}");
    }
}
