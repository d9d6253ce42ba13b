//! Steps as Jobs of Kubernetes: the manifests against the published schemas, silence against the real `kubectl`, and
//! everything else against one that runs Jobs as processes of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::cluster::wait_until;
use super::harness::Project;
use super::kubectl::Kubectl;
use super::services::program;

/// A project whose `kubectl` is not a real one.
struct Cluster {
    project: Project,
    kubectl: Kubectl,
}

impl Cluster {
    fn new(settings: &str, steps: &str) -> Self {
        let project = Project::with_manifest(&manifest(settings, steps));
        let kubectl = Kubectl::install(&project);
        Self { project, kubectl }
    }

    fn state(&self) -> &Path {
        self.kubectl.state()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(&[&["train", "--executor", "k8s"], arguments].concat());
        command.envs(self.kubectl.environment());
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let said = fs::File::create(self.project.home().join("said")).unwrap();
        self.command(arguments).stdout(Stdio::null()).stderr(said).spawn().unwrap()
    }

    fn said(&self) -> String {
        fs::read_to_string(self.project.home().join("said")).unwrap()
    }

    /// The manifests of the jobs that are there.
    fn jobs(&self) -> Vec<Value> {
        let entries = fs::read_dir(self.state()).unwrap().flatten();
        let jobs = entries.filter_map(|entry| fs::read(entry.path().join("job.json")).ok());
        jobs.map(|job| serde_json::from_slice(&job).unwrap()).collect()
    }
}

fn manifest(settings: &str, steps: &str) -> String {
    let program = env!("CARGO_BIN_EXE_mlx");
    format!("[executor.k8s]\nkind = 'kubernetes'\nimage = 'python:3.12'\nprogram = '{program}'\n{settings}\n{steps}")
}

const SLOW: &str =
    "[step.slow]\ncmd = 'echo be\"\"gun; until test -e go; do sleep 0.05; done; echo done > o'\nouts = ['o']\n";

#[test]
fn equal_steps_become_one_indexed_job_and_leave_what_they_would_leave_here() {
    let fan: String =
        (0..6).map(|step| format!("[step.f{step}]\ncmd = 'echo {step} > f{step}'\nouts = ['f{step}']\n")).collect();
    let after = "[step.after]\ncmd = '''cat f* > all; echo '{\"name\":\"loss\",\"value\":0.5}' >> $MLX_METRICS'''\n\
                 deps = ['f0', 'f5']\nouts = ['all']\n";
    let cluster = Cluster::new("namespace = 'ml'\npack = 2", &format!("{fan}{after}"));

    let run = cluster.project.outcome(&mut cluster.command(&["--json"])).success().json();

    assert_eq!(run["metrics"]["loss"], 0.5);
    assert!(cluster.project.read("all").starts_with("0\n") && cluster.project.read("f5") == "5\n");
    let mut elements: Vec<u64> =
        cluster.jobs().iter().map(|job| job["spec"]["completions"].as_u64().unwrap()).collect();
    elements.sort_unstable();
    assert_eq!(elements, [1, 3]);
    let log = fs::read_to_string(cluster.state().join("log")).unwrap();
    assert!(log.lines().all(|line| line.starts_with("--namespace=ml ")), "{log}");
}

#[test]
fn ends_have_their_class() {
    let cluster = Cluster::new("", "[step.bad]\ncmd = 'echo no luck; exit 7'\nouts = ['o']\n");
    cluster.project.outcome(&mut cluster.command(&[])).exits_with(3).says("exit code 7").says("    no luck");

    let slow = "[step.slow]\ncmd = 'sleep 1000'\nresources = { time = '1s' }\n";
    cluster.project.set("mlx.toml", manifest("", slow));
    cluster
        .project
        .outcome(&mut cluster.command(&[]))
        .exits_with(3)
        .says("step `slow` ran out of the time of its job (timeout; job mlx-");
}

#[test]
fn a_pod_that_has_to_give_way_runs_again() {
    let cluster = Cluster::new("", SLOW);
    let mut child = cluster.start(&[]);
    wait_until("the step's output", || cluster.said().contains("begun"));

    assert!(cluster.kubectl.command(&["disrupt"]).status().unwrap().success());
    wait_until("the second start", || cluster.said().matches("begun").count() == 2);
    cluster.project.set("go", "");

    assert!(child.wait().unwrap().success(), "{}", cluster.said());
    assert_eq!((cluster.project.read("o"), cluster.jobs().len()), ("done\n".into(), 1));
}

#[test]
fn a_killed_mlx_train_comes_back_and_an_interrupted_one_leaves_nothing_where_it_is_told_to() {
    let cluster = Cluster::new("", SLOW);
    let mut child = cluster.start(&[]);
    wait_until("the step's output", || cluster.said().contains("begun"));
    child.kill().unwrap();
    child.wait().unwrap();
    cluster.project.set("go", "");
    cluster.project.outcome(&mut cluster.command(&[])).success();
    assert_eq!((cluster.project.read("o"), cluster.jobs().len()), ("done\n".into(), 1));

    fs::remove_file(cluster.project.path("go")).unwrap();
    let mut child = cluster.start(&["--force", "--cancel-on-exit"]);
    wait_until("the step's output", || cluster.said().contains("begun"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();

    assert_eq!(child.wait().unwrap().code(), Some(130));
    let gone = fs::read_dir(cluster.state()).unwrap().flatten();
    let gone = gone.filter(|entry| entry.file_name().to_string_lossy().starts_with("gone-")).count();
    assert_eq!(gone, 1, "{}", cluster.said());
}

#[test]
fn a_cluster_that_is_not_there_is_waited_for_and_told() {
    if program("kubectl").is_none() {
        return;
    }
    let project = Project::with_manifest(&manifest("patience = '2s'", SLOW));
    let configuration = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
                         clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]\n\
                         contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n";
    project.set("kubeconfig", configuration);
    let mut command = project.command(&["train", "--executor", "k8s"]);

    project
        .outcome(command.env("KUBECONFIG", project.path("kubeconfig")))
        .exits_with(1)
        .says("`k8s` does not answer")
        .says("`k8s` has not answered for 2 s");
}

#[test]
fn manifests_hold_to_the_published_schemas() {
    let Some(validate) = program("kubernetes-validate") else { return };
    let settings = "namespace = 'ml'\nservice_account = 'trainer'\nsecrets = ['keys']\npod = 'pod.yaml'\n\
                    node_selector = { pool = 'gpu' }\n[executor.k8s.volumes]\n\"/home\" = { claim = 'homes', sub_path = 'me' }\n\
                    \"/data\" = { host = '/mnt/data', read_only = true }\n\"/srv\" = { nfs = 'files:/srv' }\n";
    let steps = "[step.big]\ncmd = 'true'\nresources = { cpus = 4, gpus = 2, memory = '8GB', time = '2h' }\n\
                 [step.a]\ncmd = 'true'\nouts = ['a']\n[step.b]\ncmd = 'true'\n[step.after]\ncmd = 'true'\ndeps = ['a']\n";
    let pod =
        "tolerations:\n- {key: gpu, operator: Exists}\npriorityClassName: low\nimagePullSecrets:\n- name: registry\n";
    let project = Project::with_manifest(&manifest(settings, steps)).write("pod.yaml", pod);

    let arguments = ["train", "--executor", "k8s", "--dry-run", "--manifests", "made"];
    project.mlx(&arguments).success().says("2 manifests written to").prints("after");

    let files: Vec<PathBuf> = fs::read_dir(project.path("made")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    assert!(!project.exists(".mlx/jobs") && !project.exists("mlx.lock"), "it is only shown");
    for version in ["1.29", "1.31", "1.37"] {
        let mut command = Command::new(&validate);
        let output = command.args(["--strict", "--kubernetes-version", version]).args(&files).output().unwrap();
        assert!(output.status.success(), "{version}: {output:?}");
    }
    // The check can fail.
    let broken = fs::read_to_string(&files[0]).unwrap().replace("\"completions\"", "\"completion\"");
    fs::write(project.path("broken.json"), broken).unwrap();
    let output = Command::new(&validate).arg("--strict").arg(project.path("broken.json")).output().unwrap();
    assert!(!output.status.success());
    // Without an executor of that kind there is nothing to show.
    project.mlx(&["train", "--dry-run", "--manifests", "made"]).exits_with(2).says("no step that would run now");
}
