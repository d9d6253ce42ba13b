//! Steps on a real Slurm.

use std::fs;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::cluster::{Cluster, wait_until};
use super::harness::Project;

/// A manifest whose executor `cluster` starts this very program.
fn manifest(settings: &str, steps: &str) -> String {
    let program = env!("CARGO_BIN_EXE_mlx");
    format!("[executor.cluster]\nkind = 'slurm'\nprogram = '{program}'\n{settings}\n{steps}")
}

/// `mlx train --executor cluster` in the background.
fn start(cluster: &Cluster, project: &Project, arguments: &[&str]) -> Child {
    start_mlx(cluster, project, &[&["train", "--executor", "cluster"], arguments].concat())
}

/// `mlx` in the background, with what it says in `said`.
fn start_mlx(cluster: &Cluster, project: &Project, arguments: &[&str]) -> Child {
    let said = fs::File::create(project.home().join("said")).unwrap();
    let mut command = cluster.command(project, arguments);
    command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn said(project: &Project) -> String {
    fs::read_to_string(project.home().join("said")).unwrap()
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

const PIPELINE: &str = "
[params]
train = { seed = 7 }
[step.prepare]
cmd = 'echo preparing; echo \"$MLX_PARAM_TRAIN_SEED $MLX_JOB\" > a'
params = ['train']
outs = ['a']
[step.fit]
cmd = '''cat a > model; grep -q seed $MLX_PARAMS; echo '{\"name\":\"loss\",\"value\":0.5}' >> $MLX_METRICS'''
deps = ['a']
params = ['train']
outs = ['model']
[step.here]
cmd = 'echo \"here$MLX_JOB\" > c'
outs = ['c']
executor = 'local'
";

#[test]
fn steps_run_where_the_manifest_says_and_leave_what_they_would_leave_here() {
    let Some(cluster) = Cluster::start("") else { return };
    // Without `program` the running one is copied.
    let text = format!("[executor.cluster]\nkind = 'slurm'\n{PIPELINE}")
        .replace("outs = ['a']", "outs = ['a']\nexecutor = 'cluster'");
    let project = Project::with_manifest(&text);

    let outcome = project.outcome(&mut cluster.command(&project, &["train", "--json"])).success();

    let run = outcome.json();
    assert_eq!(run["metrics"]["loss"], 0.5);
    assert!(project.read("a").starts_with("7 mlx-"), "{}", project.read("a"));
    assert_eq!((project.read("model"), project.read("c")), (project.read("a"), "here\n".into()));
    assert_eq!(cluster.all_jobs().len(), 1);
    let names: Vec<String> = fs::read_dir(project.path(".mlx/jobs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, ["bin"]);
    project.outcome(&mut cluster.command(&project, &["logs", "latest", "prepare"])).success().prints("preparing\n");
    project.outcome(&mut cluster.command(&project, &["train"])).success().prints("3 steps: 0 run, 3 up to date");
}

#[test]
fn steps_that_are_ready_together_become_one_array_and_short_ones_share_an_element() {
    let Some(cluster) = Cluster::start("") else { return };
    let steps: String =
        (0..20).map(|step| format!("[step.s{step}]\ncmd = 'echo {step} > o{step}'\nouts = ['o{step}']\n")).collect();
    let project = Project::with_manifest(&manifest("pack = 4", &steps));

    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"]))
        .success()
        .says("job 1 with 20 steps in 5 elements");

    assert!((0..20).all(|step| project.read(format!("o{step}")) == format!("{step}\n")));
    assert_eq!(cluster.all_jobs().len(), 5);
}

#[test]
fn a_step_that_fails_is_told_as_it_would_be_here_and_not_tried_again() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", "[step.bad]\ncmd = 'echo no luck; exit 7'\nouts = ['o']\n"));

    let command = ["train", "--executor", "cluster"];
    project
        .outcome(&mut cluster.command(&project, &command))
        .exits_with(3)
        .says("step `bad` stopped with exit code 7")
        .says("    no luck");
    assert_eq!(cluster.ended_jobs(), ["1 FAILED"]);

    project.outcome(&mut cluster.command(&project, &command)).exits_with(3).says("exit code 7");
    assert_eq!(cluster.all_jobs().len(), 2);
}

#[test]
fn the_example_runs_on_slurm_and_is_up_to_date_here() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::empty();
    project.mlx(&["init", "--example", "slurm"]).success();

    let run = project.outcome(&mut cluster.command(&project, &["train", "--json"])).success().json();

    let accuracy = run["metrics"]["accuracy"].as_f64().unwrap();
    assert!((0.8..1.0).contains(&accuracy), "{accuracy}");
    assert_eq!(cluster.all_jobs().len(), 30);
    project.mlx(&["train", "--executor", "local"]).success().prints("32 steps: 0 run, 32 up to date");
}

#[test]
fn a_step_is_tried_again_within_its_job_and_goes_on_from_its_checkpoint() {
    let Some(cluster) = Cluster::start("") else { return };
    let steps = |retry: &str| {
        format!(
            "[step.fit]\ncmd = 'echo start; cp ckpt/x out || {{ echo \"$MLX_CHECKPOINT\" > ckpt/x; exit 4; }}'\n\
             outs = ['out']\ncheckpoint = 'ckpt'\n{retry}\n"
        )
    };
    let project = Project::with_manifest(&manifest("", &steps("retry = { times = 1, on = ['step'], delay = '0s' }")));
    let command = ["train", "--executor", "cluster", "--json"];

    let run = project.outcome(&mut cluster.command(&project, &command)).success().json();

    assert_eq!((&run["steps"][0]["attempts"], run["steps"][0].get("failure")), (&2.into(), None));
    assert!(project.read("out").ends_with("/project/ckpt\n"), "{}", project.read("out"));
    assert!(!project.exists("ckpt"));
    project
        .outcome(&mut cluster.command(&project, &["logs", "latest", "fit"]))
        .success()
        .prints("[attempt 2]\nstart\n");

    let project = Project::with_manifest(&manifest("", &steps("")));
    project.outcome(&mut cluster.command(&project, &command)).exits_with(3);
    project.outcome(&mut cluster.command(&project, &command)).success();
    let mut ended = cluster.ended_jobs();
    ended.sort();
    assert_eq!(ended, ["1 COMPLETED", "2 FAILED", "3 COMPLETED"]);
}

const SLOW: &str =
    "[step.slow]\ncmd = 'echo be\"\"gun; until test -e go; do sleep 0.05; done; echo done > o'\nouts = ['o']\n";

#[test]
fn a_job_that_is_cancelled_from_outside_is_said_to_be() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    cluster.slurm("scancel", &["1"]);

    assert_eq!(child.wait().unwrap().code(), Some(1));
    let said = said(&project);
    assert!(said.contains("step `slow` was cancelled from outside (cancelled; job 1 on `cluster`)"), "{said}");
}

#[test]
fn a_job_that_runs_out_of_its_time_is_a_timeout() {
    let Some(cluster) = Cluster::start("") else { return };
    let steps = "[step.slow]\ncmd = 'sleep 1000'\nresources = { time = '1m' }\n";
    let project = Project::with_manifest(&manifest("", steps));

    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"]))
        .exits_with(3)
        .says("step `slow` ran out of the time of its job (timeout; job 1 on `cluster`)")
        .says("hint: give it more with `resources = { time = … }`");
}

#[test]
fn a_steps_own_timeout_holds_there_too() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", "[step.slow]\ncmd = 'sleep 1000'\ntimeout = '1s'\n"));

    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"]))
        .exits_with(3)
        .says("took longer than its timeout of 1s");
}

#[test]
fn a_job_that_takes_too_much_memory_is_out_of_memory() {
    let Some(cluster) = Cluster::start("") else { return };
    let cmd = r#"python3 -c "x = bytearray(400_000_000); import time; time.sleep(60)""#;
    let steps = format!("[step.big]\ncmd = '''{cmd}'''\nresources = {{ memory = '100MB' }}\n");
    let project = Project::with_manifest(&manifest("", &steps));

    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"]))
        .exits_with(3)
        .says("step `big` took more memory than its job has (out of memory; job 1 on `cluster`)");
}

#[test]
fn a_job_whose_node_fails_runs_again_under_its_id() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    cluster.lose_node();
    wait_until("the requeue", || cluster.jobs().iter().any(|job| job == "1 PENDING"));
    cluster.find_node();
    wait_until("the second start", || said(&project).matches("begun").count() == 2);
    project.set("go", "");

    assert!(child.wait().unwrap().success(), "{}", said(&project));
    assert_eq!((project.read("o"), cluster.ended_jobs()), ("done\n".into(), vec!["1 COMPLETED".into()]));
}

#[test]
fn a_job_that_has_to_give_way_runs_again_under_its_id() {
    let Some(cluster) = Cluster::start("") else { return };
    let steps = SLOW.to_owned() + "resources = { cpus = 8 }\n";
    let project = Project::with_manifest(&manifest("", &steps));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    cluster.slurm("sbatch", &["--partition=urgent", "--cpus-per-task=8", "--output=/dev/null", "--wrap=true"]);
    wait_until("the requeue", || cluster.jobs().iter().any(|job| job == "1 PENDING"));
    wait_until("the end of the other", || cluster.all_jobs().contains(&"2 COMPLETED".to_owned()));
    cluster.find_node();
    wait_until("the second start", || said(&project).matches("begun").count() == 2);
    project.set("go", "");

    assert!(child.wait().unwrap().success(), "{}", said(&project));
    assert!(cluster.ended_jobs().contains(&"1 COMPLETED".to_owned()));
}

#[test]
fn a_job_that_somebody_requeues_runs_again_under_its_id() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    cluster.slurm("scontrol", &["requeue", "1"]);
    wait_until("the requeue", || cluster.jobs().iter().any(|job| job == "1 PENDING"));
    cluster.find_node();
    wait_until("the second start", || said(&project).matches("begun").count() == 2);
    project.set("go", "");

    assert!(child.wait().unwrap().success(), "{}", said(&project));
    assert_eq!((project.read("o"), cluster.ended_jobs()), ("done\n".into(), vec!["1 COMPLETED".into()]));
}

#[test]
fn a_job_that_is_put_back_and_held_is_waited_for_and_told() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    cluster.slurm("scontrol", &["requeuehold", "1"]);
    wait_until("the reason", || said(&project).contains("job 1 waits at `cluster`: job requeued in held state"));
    cluster.slurm("scontrol", &["release", "1"]);
    cluster.find_node();
    wait_until("the second start", || said(&project).matches("begun").count() == 2);
    project.set("go", "");

    assert!(child.wait().unwrap().success(), "{}", said(&project));
    assert_eq!((project.read("o"), cluster.ended_jobs()), ("done\n".into(), vec!["1 COMPLETED".into()]));
}

#[test]
fn a_job_that_nobody_starts_is_said_to_wait_and_why() {
    let Some(cluster) = Cluster::start("") else { return };
    let steps = "[step.big]\ncmd = 'true'\nresources = { time = '20h' }\n";
    let project = Project::with_manifest(&manifest("", steps));
    let mut child = start(&cluster, &project, &["--cancel-on-exit"]);

    wait_until("the reason", || said(&project).contains("job 1 waits at `cluster`: PartitionTimeLimit"));
    interrupt(&child);

    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(cluster.jobs(), Vec::<String>::new());
}

#[test]
fn a_job_that_the_engine_lost_is_submitted_again_within_a_limit() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("options = ['--no-requeue']\nretries = 1", SLOW));
    let mut child = start(&cluster, &project, &[]);

    for attempt in 1..=2 {
        wait_until("the step's output", || said(&project).matches("begun").count() == attempt);
        cluster.lose_node();
        wait_until("the loss", || cluster.all_jobs().contains(&format!("{attempt} NODE_FAIL")));
        cluster.find_node();
    }

    assert_eq!(child.wait().unwrap().code(), Some(1));
    let said = said(&project);
    assert!(
        said.contains("step `slow` was on a node that failed (job 1 on `cluster`); it is submitted again"),
        "{said}"
    );
    let end = "step `slow` was on a node that failed, after 2 attempts (infrastructure; job 2 on `cluster`)";
    assert!(said.contains(end), "{said}");
}

#[test]
fn a_full_queue_is_waited_for() {
    let Some(cluster) = Cluster::start("5 MaxJobCount=4") else { return };
    let steps: String =
        (0..10).map(|step| format!("[step.s{step}]\ncmd = 'echo {step} > o{step}'\nouts = ['o{step}']\n")).collect();
    let project = Project::with_manifest(&manifest("", &steps));

    // Those that are over take room as well, until they are forgotten.
    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"]))
        .success()
        .says("`cluster` takes no more jobs now");

    assert!((0..10).all(|step| project.read(format!("o{step}")) == format!("{step}\n")));
}

#[test]
fn a_dead_controller_is_waited_for_and_the_results_come_all_the_same() {
    let Some(mut cluster) = Cluster::start("") else { return };
    let more = "[step.after]\ncmd = 'cat o > p'\ndeps = ['o']\nouts = ['p']\n";
    let project = Project::with_manifest(&manifest("", &format!("{SLOW}{more}")));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    cluster.kill_controller();
    wait_until("the warning", || said(&project).contains("`cluster` does not answer"));
    project.set("go", "");
    wait_until("the result", || project.exists("o"));
    cluster.start_controller();

    assert!(child.wait().unwrap().success(), "{}", said(&project));
    assert_eq!(project.read("p"), "done\n");
}

#[test]
fn a_controller_that_stays_dead_is_a_failure_of_the_infrastructure_and_nothing_is_lost() {
    let Some(mut cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("patience = '3s'", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    cluster.kill_controller();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let text = said(&project);
    assert!(text.contains("`cluster` has not answered for 3 s") && text.contains("infrastructure"), "{text}");
    cluster.start_controller();
    wait_until("the controller", || !cluster.jobs().is_empty());
    project.set("go", "");

    project.outcome(&mut cluster.command(&project, &["train"])).success();
    assert_eq!((project.read("o"), cluster.all_jobs().len()), ("done\n".into(), 1));
}

#[test]
fn an_interrupt_leaves_the_jobs_and_the_same_command_comes_back_to_them() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));

    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(said(&project).contains("1 step goes on on `cluster`; the same `mlx train` comes back to it"));
    assert_eq!(cluster.jobs(), ["1 RUNNING"]);
    project.set("go", "");

    // Whatever the executor is now: the step is being carried out there.
    project.outcome(&mut cluster.command(&project, &["train"])).success().prints("slow  ran");
    assert_eq!((project.read("o"), cluster.ended_jobs()), ("done\n".into(), vec!["1 COMPLETED".into()]));
}

#[test]
fn what_became_of_a_job_that_slurm_forgot_is_in_the_accounts() {
    let Some(cluster) = Cluster::start_with_accounts() else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));
    child.kill().unwrap();
    child.wait().unwrap();
    cluster.slurm("scancel", &["1"]);
    wait_until("the end of the job's record", || cluster.all_jobs().is_empty());
    wait_until("the account", || cluster.slurm("sacct", &["-n", "-X", "-j", "1", "-o", "State"]).contains("CANCELLED"));

    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"]))
        .exits_with(1)
        .says("step `slow` was cancelled from outside (cancelled; job 1 on `cluster`)");
}

#[test]
fn a_job_of_a_step_that_changed_is_ended_before_the_step_runs() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));
    interrupt(&child);
    child.wait().unwrap();

    project.set("mlx.toml", manifest("", "[step.slow]\ncmd = 'echo other > o'\nouts = ['o']\n"));
    project.outcome(&mut cluster.command(&project, &["train"])).success();

    assert_eq!((project.read("o"), cluster.jobs()), ("other\n".into(), Vec::new()));
    assert_eq!(cluster.ended_jobs(), ["1 CANCELLED"]);
}

#[test]
fn what_was_made_while_nobody_waited_counts_only_as_it_was_made() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &[]);
    wait_until("the step's output", || said(&project).contains("begun"));
    interrupt(&child);
    child.wait().unwrap();
    project.set("go", "");
    wait_until("the end", || cluster.jobs().is_empty());
    project.set("o", "forged\n");

    project.outcome(&mut cluster.command(&project, &["train"])).success();

    assert_eq!((project.read("o"), cluster.all_jobs().len()), ("done\n".into(), 2));
}

#[test]
fn with_cancel_on_exit_no_job_is_left() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("", SLOW));
    let mut child = start(&cluster, &project, &["--cancel-on-exit"]);
    wait_until("the step's output", || said(&project).contains("begun"));

    interrupt(&child);

    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(cluster.jobs(), Vec::<String>::new());
    assert_eq!(fs::read_dir(project.path(".mlx/jobs")).unwrap().count(), 0);
}

#[test]
fn after_a_failure_what_has_not_begun_is_taken_back() {
    let Some(cluster) = Cluster::start("") else { return };
    let waiting: String =
        (0..30).map(|step| format!("[step.w{step}]\ncmd = 'sleep 600'\nexecutor = 'cluster'\n")).collect();
    let bad = "[step.bad]\ncmd = 'until test -e go; do sleep 0.05; done; exit 1'\n";
    let project = Project::with_manifest(&manifest("", &format!("{bad}{waiting}")));
    // The node is taken, so that all of them wait.
    cluster.slurm("sbatch", &["--cpus-per-task=8", "--output=/dev/null", "--wrap=sleep 600"]);
    let mut child = start_mlx(&cluster, &project, &["train"]);
    wait_until("the submission", || cluster.jobs().len() == 31);

    project.set("go", "");

    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(cluster.jobs().len(), 1, "{:?}", cluster.jobs());
    assert_eq!(fs::read_dir(project.path(".mlx/jobs")).unwrap().count(), 0);
}

#[test]
fn what_the_engine_refuses_is_told_with_its_words() {
    let Some(cluster) = Cluster::start("") else { return };
    let project = Project::with_manifest(&manifest("partition = 'nope'", SLOW));

    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"]))
        .exits_with(2)
        .says("step `slow` can't be submitted to `cluster`")
        .says("invalid partition specified: nope");
    project
        .outcome(&mut cluster.command(&project, &["train", "--executor", "clutser"]))
        .exits_with(2)
        .says("hint: did you mean `cluster`?");
}

#[test]
fn mlx_train_killed_twenty_times_at_random_comes_to_the_same_end() {
    let Some(cluster) = Cluster::start("") else { return };
    // Each step notes when another one of its kind runs at the same time. A lock, because it goes with who is killed.
    let step = |number: usize| {
        let cmd = format!(
            "exec 9>>../busy{number}; flock -n 9 || echo {number} >> ../overlaps; echo {number} >> ../log; sleep 0.3; cat in* > o{number}; echo {number} >> o{number}"
        );
        let deps = if number < 4 { "'in'".to_owned() } else { format!("'in', 'o{}'", number - 4) };
        format!("[step.s{number}]\ncmd = '{cmd}'\ndeps = [{deps}]\nouts = ['o{number}']\n")
    };
    let steps: String = (0..16).map(step).collect();
    let text = manifest("pack = 2", &steps);
    let undisturbed = Project::with_manifest(&text).write("in", "data\n");
    undisturbed.outcome(&mut cluster.command(&undisturbed, &["train", "--executor", "cluster"])).success();
    let project = Project::with_manifest(&text).write("in", "data\n");

    let mut state = u64::from(std::process::id()) | 1;
    for _ in 0..20 {
        let mut child = start(&cluster, &project, &[]);
        // A linear congruence is random enough for when to kill.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(std::time::Duration::from_millis(state >> 33 & 0x3ff));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    project.outcome(&mut cluster.command(&project, &["train", "--executor", "cluster"])).success();

    assert_eq!(project.read("mlx.lock"), undisturbed.read("mlx.lock"));
    assert!(!project.path("../overlaps").exists(), "steps ran twice at the same time");
    wait_until("the end of all jobs", || cluster.jobs().is_empty());
    let left = fs::read_dir(project.path(".mlx/jobs")).unwrap().count();
    assert_eq!(left, 0);
}
