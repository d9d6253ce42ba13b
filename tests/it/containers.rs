//! Steps in containers, through a real podman and an image made here of a static busybox: no registry is asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::cluster::Cluster;
use crate::harness::{Outcome, Project};
use crate::services;

const IMAGE: &str = "localhost/mlx-test";

/// A podman with images of its own, as a machine without systemd and with the limits of a container itself can run it.
pub struct Engine {
    podman: PathBuf,
    dir: PathBuf,
}

impl Engine {
    /// The engine of all tests, with the image `localhost/mlx-test:1`; `None` where podman or busybox is missing.
    pub fn get() -> Option<&'static Self> {
        static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
        ENGINE.get_or_init(Self::start).as_ref()
    }

    fn start() -> Option<Self> {
        let (podman, busybox) = (services::program("podman")?, services::program("busybox")?);
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("podman");
        std::fs::create_dir_all(&dir).unwrap();
        let runtime = ["crun", "runc"]
            .into_iter()
            .find(|name| ["/usr/bin", "/usr/sbin"].iter().any(|directory| Path::new(directory).join(name).exists()));
        let runtime = runtime.unwrap_or("runc");
        let conf = format!(
            "[containers]\ndefault_ulimits = []\n[engine]\nruntime = \"{runtime}\"\n\
             cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"
        );
        let storage =
            format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/images\"\nrunroot = \"{0}/run\"\n", dir.display());
        let engine = Self { podman, dir };
        // Tests run beside each other: an image that is made again is another one, and who reads a file that is just
        // written finds half of it.
        let _alone = mlx::fs::FileLock::exclusive(&engine.dir.join("lock"), "a test", |_| {}).unwrap();
        for (name, text) in [("containers.conf", conf), ("storage.conf", storage)] {
            let file = engine.dir.join(name);
            if std::fs::read_to_string(&file).ok().as_ref() != Some(&text) {
                std::fs::write(file, text).unwrap();
            }
        }
        if !engine.podman(&["image", "exists", &format!("{IMAGE}:1")]).status.success() {
            engine.image("1", &busybox, "");
        }
        Some(engine)
    }

    /// Makes the image `localhost/mlx-test:TAG`, which holds a busybox and this text in `/text`.
    fn image(&self, tag: &str, busybox: &Path, text: &str) {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(root.path().join("tmp")).unwrap();
        std::fs::write(root.path().join("text"), text).unwrap();
        std::fs::copy(busybox, bin.join("busybox")).unwrap();
        for name in ["sh", "cat", "echo", "env", "id", "pwd", "sleep", "kill", "touch"] {
            std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
        }
        let archive = root.path().join("root.tar");
        let entries = ["bin", "tmp", "text"];
        let tar = Command::new("tar").arg("-C").arg(root.path()).arg("-cf").arg(&archive).args(entries).status();
        assert!(tar.unwrap().success());
        let name = format!("{IMAGE}:{tag}");
        let output = self.podman(&["import", archive.to_str().unwrap(), &name]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn podman(&self, arguments: &[&str]) -> std::process::Output {
        self.podman_command(arguments).output().unwrap()
    }

    /// podman, not yet started.
    pub fn podman_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.podman);
        self.use_for(&mut command);
        command.args(arguments);
        command
    }

    fn use_for(&self, command: &mut Command) {
        command.env("CONTAINERS_CONF", self.dir.join("containers.conf"));
        command.env("CONTAINERS_STORAGE_CONF", self.dir.join("storage.conf"));
    }

    fn mlx(&self, project: &Project, arguments: &[&str]) -> Outcome {
        project.outcome(&mut self.command(project, arguments))
    }

    fn command(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        self.use_for(&mut command);
        command
    }

    /// The names of the containers of this run, ended ones too.
    fn containers_of(&self, run: &str) -> String {
        let output = self.podman(&["ps", "--all", "--format", "{{.Names}}", "--filter", &format!("name=mlx-{run}")]);
        String::from_utf8(output.stdout).unwrap()
    }
}

fn project(tag: &str, steps: &str) -> Project {
    let env = format!("[env]\ncontainer = {{ image = '{IMAGE}:{tag}', options = ['--network=none'] }}\n");
    Project::with_manifest(&format!("{env}{steps}"))
}

#[test]
fn a_step_in_a_container_works_on_the_project_as_the_user() {
    let Some(engine) = Engine::get() else { return };
    let steps = "[params.train]\ntrees = 3\n[step.a]\n\
                 cmd = 'cat in $MLX_PARAMS > out; echo \"$COLOUR $MLX_PARAM_TRAIN_TREES $SECRET\" >> out; pwd >> out; id -u >> out'\n\
                 params = ['train']\ndeps = ['in']\nouts = ['out']\nvariables = { COLOUR = 'red' }\n";
    let project = project("1", steps).write("in", "words\n");

    let run = project.outcome(engine.command(&project, &["train", "--json"]).env("SECRET", "x")).success().json();

    let (root, user) = (project.root().canonicalize().unwrap(), rustix::process::getuid().as_raw());
    let expected = format!("words\n{{\"train\":{{\"trees\":3}}}}red 3 \n{}\n{user}\n", root.display());
    assert_eq!(project.read("out"), expected);
    let image = run["environment"]["image"].as_str().unwrap();
    assert!(image.starts_with("localhost/mlx-test:1@sha256:"), "{image}");
    assert_eq!(run["environment"]["kind"], "container");
    engine.mlx(&project, &["train"]).success().prints("1 up to date");
    engine.mlx(&project, &["env", "show", "a"]).success().prints(image);
    engine.mlx(&project, &["env", "lock"]).success().prints(image);
}

#[test]
fn a_step_in_a_container_runs_as_a_job_too() {
    let (Some(engine), Some(cluster)) = (Engine::get(), Cluster::start("")) else { return };
    let steps = "[params.train]\ntrees = 3\n[step.a]\n\
                 cmd = 'cat in $MLX_PARAMS > out; echo \"$MLX_JOB $MLX_PARAM_TRAIN_TREES\" >> out; cat /text >> out'\n\
                 params = ['train']\ndeps = ['in']\nouts = ['out']\n";
    let executor = format!("[executor.cluster]\nkind = 'slurm'\nprogram = '{}'\n", env!("CARGO_BIN_EXE_mlx"));
    let project = project("1", &format!("{steps}{executor}")).write("in", "words\n");
    let mut command = cluster.command(&project, &["train", "--executor", "cluster", "--json"]);
    engine.use_for(&mut command);

    let run = project.outcome(&mut command).success().json();

    let out = project.read("out");
    assert!(out.starts_with("words\n{\"train\":{\"trees\":3}}mlx-") && out.ends_with(" 3\n"), "{out}");
    assert!(run["environment"]["image"].as_str().unwrap().starts_with("localhost/mlx-test:1@sha256:"), "{run}");
    // Where it ran is no part of its key.
    engine.mlx(&project, &["train"]).success().prints("1 up to date");
}

#[test]
fn another_image_under_the_same_tag_reruns_the_step() {
    let Some(engine) = Engine::get() else { return };
    let busybox = services::program("busybox").unwrap();
    let project = project("moving", "[step.a]\ncmd = 'cat /text > out'\nouts = ['out']\n");
    engine.image("moving", &busybox, "one");
    engine.mlx(&project, &["train"]).success();
    engine.mlx(&project, &["train"]).success().prints("1 up to date");

    engine.image("moving", &busybox, "two");

    engine.mlx(&project, &["train"]).success().prints("its environment changed");
    assert_eq!(project.read("out"), "two");
}

#[test]
fn exit_code_and_timeout_of_a_container_are_those_of_the_step() {
    let Some(engine) = Engine::get() else { return };
    let steps = "[step.fails]\ncmd = 'echo no; exit 7'\n[step.lasts]\ncmd = 'echo on; sleep 1000'\ntimeout = '2s'\n";
    let project = project("1", steps);

    let fails = engine.mlx(&project, &["train", "fails"]).exits_with(3);

    fails.says("step `fails` stopped with exit code 7");
    engine.mlx(&project, &["train", "lasts"]).exits_with(3).says("longer than its timeout of 2s");
    let run = engine.mlx(&project, &["runs", "show", "latest", "--json"]).json();
    assert_eq!(engine.containers_of(run["id"].as_str().unwrap()), "");
}

/// Starts a training of a step that lasts, and waits until its program runs. Returns the process and the run's id.
fn lasting(engine: &Engine, project: &Project) -> (std::process::Child, String) {
    use std::io::BufRead;
    let mut command = engine.command(project, &["train"]);
    let mut child = command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("run=") && !line.contains('$')).unwrap();
    // It has more to say.
    std::thread::spawn(move || lines.count());
    (child, line.rsplit("run=").next().unwrap().to_owned())
}

const LASTING: &str =
    "[step.a]\ncmd = 'echo run=$MLX_RUN_ID; trap \"\" TERM INT; sleep 1000; sleep 1000'\nouts = ['out']\n";

#[test]
fn an_interrupt_leaves_no_container() {
    let Some(engine) = Engine::get() else { return };
    let project = project("1", LASTING);
    let (mut child, run) = lasting(engine, &project);
    assert_ne!(engine.containers_of(&run), "");

    let pid = rustix::process::Pid::from_child(&child);
    // Twice: at once.
    for _ in 0..2 {
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(engine.containers_of(&run), "");
}

#[test]
fn what_a_killed_training_left_is_ended_by_the_next_one() {
    let Some(engine) = Engine::get() else { return };
    let project = project("1", LASTING);
    let (mut child, run) = lasting(engine, &project);

    child.kill().unwrap();
    child.wait().unwrap();
    project.set("mlx.toml", project.read("mlx.toml").replace("sleep 1000", "touch out"));
    engine.mlx(&project, &["train"]).success();

    // The engine takes the container away in its own time; what counts is that nothing runs in it.
    engine.podman(&["wait", &format!("mlx-{run}-a-{}", &mlx::Digest::of("a").hex()[..8])]);
    let running = engine.podman(&["ps", "--quiet", "--filter", &format!("name=mlx-{run}")]);
    assert_eq!(String::from_utf8_lossy(&running.stdout), "");
}

#[test]
fn an_image_that_is_nowhere_is_an_error_with_a_remedy() {
    let Some(engine) = Engine::get() else { return };
    let project = project("none", "[step.a]\ncmd = 'true'\n");

    let dry = engine.mlx(&project, &["train", "--dry-run"]).exits_with(1);

    dry.says("the image `localhost/mlx-test:none` is not here").says("podman pull localhost/mlx-test:none");
    engine.mlx(&project, &["train"]).exits_with(1).says("cannot fetch the image `localhost/mlx-test:none`");
}

#[test]
fn without_an_engine_the_remedy_is_named() {
    let project = project("1", "[step.a]\ncmd = 'true'\n");
    let empty = project.home();

    let outcome = project.outcome(project.command(&["train"]).env("PATH", empty));

    outcome.exits_with(1).says("needs podman or docker, and neither is on PATH").says("apt install podman");
}

#[test]
fn a_program_in_the_container_passes_its_exit_code_on() {
    let Some(engine) = Engine::get() else { return };
    let project = project("1", "[step.a]\ncmd = 'true'\n");

    let outcome = engine.mlx(&project, &["env", "shell", "a", "--", "sh", "-c", "echo $MLX_STEP; exit 7"]);

    outcome.exits_with(7).prints("a\n");
}
