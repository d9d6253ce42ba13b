//! Steps on nodes that do not see the project: their files come and go by a remote.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cluster::{Cluster, wait_until};
use super::harness::{Project, files_below};
use super::services::{self, BUCKET, KEY, SECRET};

/// A manifest whose executor `cluster` sees nothing of the project.
fn manifest(remote: &str, settings: &str, steps: &str) -> String {
    let program = env!("CARGO_BIN_EXE_mlx");
    format!(
        "[executor.cluster]\nkind = 'slurm'\nprogram = '{program}'\nremote = 'origin'\n{settings}\n\
         [remote.origin]\nurl = '{remote}'\n{steps}"
    )
}

/// Steps that read files, directories and what matches, and make files and directories.
const PIPELINE: &str = r#"
[params]
train = { seed = 7 }
[step.prepare]
cmd = 'echo preparing; mkdir -p made; cat raw/* > made/all; pwd > made/where; ls > made/listed'
deps = ['raw']
outs = ['made']
[step.fit]
cmd = '''cat made/all notes/*.txt > model; echo "$MLX_PARAM_TRAIN_SEED" >> model
  grep -q seed $MLX_PARAMS; echo '{"name":"loss","value":0.5}' >> $MLX_METRICS; echo '{"auc": 0.9}' > metrics.json'''
deps = ['made', 'notes/*.txt']
params = ['train']
outs = ['model']
metrics = ['metrics.json']
"#;

fn project(remote: &str, settings: &str, steps: &str) -> Project {
    Project::with_manifest(&manifest(remote, settings, steps))
        .write("raw/a", "one\n")
        .write("raw/b", "two\n")
        .write("notes/1.txt", "three\n")
        .write("notes/2.md", "no\n")
        .write("secret", "not asked for\n")
}

fn train(cluster: &Cluster, project: &Project, arguments: &[&str]) -> Command {
    cluster.command(project, &[&["train", "--executor", "cluster"], arguments].concat())
}

#[test]
fn steps_leave_what_they_would_leave_here_and_see_what_they_named() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = project("../remote", "", PIPELINE);

    let run = project.outcome(&mut train(&cluster, &project, &["--json"])).success().json();

    assert_eq!((&run["metrics"]["loss"], &run["metrics"]["auc"]), (&0.5.into(), &0.9.into()));
    assert_eq!(project.read("model"), "one\ntwo\nthree\n7\n");
    assert_ne!(project.read("made/where").trim(), project.root().to_str().unwrap());
    assert_eq!(project.read("made/listed"), "made\nraw\n");
    assert_eq!(cluster.all_jobs().len(), 2);
    project.mlx(&["logs", "latest", "prepare"]).success().prints("preparing\n");
    project.mlx(&["train"]).success().prints("2 steps: 0 run, 2 up to date");
    project.mlx(&["verify"]).success();
    // The remote has data, and nothing more of the jobs.
    assert!(files_below(&project.root().join("../remote/jobs")).is_empty());
    assert_eq!(fs::read_dir(project.path(".mlx/jobs")).unwrap().count(), 0);
}

#[test]
fn failures_are_told_as_they_would_be_here() {
    let Some(cluster) = Cluster::start("") else { return };
    let steps = "[step.bad]\ncmd = 'echo no luck; exit 7'\nouts = ['o']\n";
    let project = project("../remote", "", steps);
    project
        .outcome(&mut train(&cluster, &project, &[]))
        .exits_with(3)
        .says("step `bad` stopped with exit code 7")
        .says("    no luck");

    project.set("mlx.toml", manifest("../remote", "", "[step.lazy]\ncmd = 'true'\nouts = ['o']\n"));
    project.outcome(&mut train(&cluster, &project, &[])).exits_with(3).says("did not make `o`");

    let text = manifest("../remote", "", "[step.a]\ncmd = 'true'\n").replace("'origin'", "'orign'");
    project.set("mlx.toml", text);
    project.outcome(&mut train(&cluster, &project, &[])).exits_with(2).says("there is no remote `orign`");
}

#[test]
fn nodes_make_an_environment_from_its_lock_file_once() {
    let Some(cluster) = Cluster::start("") else { return };
    let steps = r#"
[env]
python = { requirements = ["six==1.16.0"] }
[step.a]
cmd = 'python -c "import six, sys; print(six.__version__, sys.prefix)" > a; echo "$VIRTUAL_ENV" >> a'
outs = ["a"]
resources = { memory = "500MB" }
[step.b]
cmd = 'python -c "import six; print(six.__version__)" > b'
deps = ["a"]
outs = ["b"]
resources = { memory = "500MB" }
"#;
    let project = project("../remote", "", steps);
    let cache = project.home().join("cache");
    let far = || {
        let mut command = train(&cluster, &project, &[]);
        command.env("MLX_CACHE_DIR", &cache);
        command
    };
    let refused = project.outcome(&mut far()).exits_with(2);
    refused.says("whose nodes can't make its environment").says("hint: write `requirements.lock` with `mlx env lock`");
    project.mlx(&["env", "lock"]).success();

    let trained = project.outcome(&mut far()).success();

    assert!(!trained.stderr.contains("installing"), "{}", trained.stderr);
    let text = project.read("a");
    let (prefix, variable) = text.split_once('\n').unwrap();
    assert_eq!(prefix, format!("1.16.0 {}", variable.trim()));
    assert!(variable.starts_with(cache.join("envs").to_str().unwrap()), "{text}");
    assert_eq!(project.read("b"), "1.16.0\n");
    let environments = fs::read_dir(cache.join("envs")).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let (uses, made): (Vec<_>, Vec<_>) =
        environments.partition(|entry| entry.path().extension().is_some_and(|ending| ending == "uses"));
    assert_eq!((uses.len(), made.len()), (1, 1));
    let used = fs::read_dir(uses[0].path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(used).unwrap(), project.root().canonicalize().unwrap().to_str().unwrap());
    let run = project.mlx(&["runs", "show", "latest", "--json"]).success().json();
    assert!(run["environment"]["packages"].is_string() && run["environment"]["python"].is_null(), "{run}");
    // Made here, it is the same environment.
    project.mlx(&["train"]).success().prints("2 steps: 0 run, 2 up to date");
}

/// A step that waits for a file.
fn slow(go: &Path) -> String {
    format!(
        "[step.slow]\ncmd = 'until test -e {}; do sleep 0.05; done; cat raw/* > o'\ndeps = ['raw']\nouts = ['o']\n",
        go.display()
    )
}

#[test]
fn a_killed_mlx_train_comes_back_to_what_nodes_do_for_it() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = project("../remote", "", "");
    // A place that both sides know.
    let go = project.home().join("go");
    project.set("mlx.toml", manifest("../remote", "", &slow(&go)));
    let mut child = train(&cluster, &project, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the job", || cluster.jobs().iter().any(|job| job.ends_with("RUNNING")));
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(go, "").unwrap();

    project.outcome(&mut train(&cluster, &project, &[])).success();

    assert_eq!((project.read("o"), cluster.ended_jobs().len()), ("one\ntwo\n".into(), 1));
}

#[test]
fn nothing_stays_on_the_remote_of_a_job_that_nobody_comes_back_to() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = project("../remote", "", "");
    let go = project.home().join("go");
    project.set("mlx.toml", manifest("../remote", "", &slow(&go)));
    let start = || train(&cluster, &project, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut killed = start();
    wait_until("the job", || cluster.jobs().iter().any(|job| job.ends_with("RUNNING")));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let jobs = project.root().join("../remote/jobs");
    let [first] =
        fs::read_dir(&jobs).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>().try_into().unwrap();
    fs::remove_dir_all(project.path(".mlx/jobs")).unwrap();

    let mut second = start();

    wait_until("the end of the first job's files", || !first.join("job.jsonl").exists());
    fs::write(go, "").unwrap();
    assert!(second.wait().unwrap().success());
    assert_eq!((project.read("o"), cluster.ended_jobs().len()), ("one\ntwo\n".into(), 2));
    assert!(files_below(&jobs).is_empty(), "{:?}", files_below(&jobs));
}

#[test]
fn a_bucket_will_do() {
    let (Some(cluster), Some(server)) = (Cluster::start(""), services::s3()) else { return };
    let project = project(&format!("s3://{BUCKET}/far"), "pack = 2", PIPELINE);
    let mut command = train(&cluster, &project, &["--json"]);
    command
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.port))
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1");

    let run = project.outcome(&mut command).success().json();

    assert_eq!((&run["metrics"]["loss"], project.read("model").as_str()), (&0.5.into(), "one\ntwo\nthree\n7\n"));
}
