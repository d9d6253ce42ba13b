//! Steps that are tried again, and what they go on from.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::Project;

/// The first step of the newest run.
fn step(project: &Project) -> Value {
    project.mlx(&["runs", "show", "latest", "--json"]).success().json()["steps"][0].clone()
}

/// Ends well when it is started for this time, and badly before that.
fn at_attempt(number: usize, retry: &str) -> Project {
    Project::with_manifest(&format!(
        "[step.fit]\ncmd = '''echo x >> $HOME/starts; echo start $(wc -l < $HOME/starts)\n\
         echo '{{\"name\": \"loss\", \"value\": 1}}' >> $MLX_METRICS; test ! -e out || exit 5\n\
         echo made > out; test $(wc -l < $HOME/starts) -ge {number} || exit 9'''\nouts = ['out']\n{retry}\n"
    ))
}

#[test]
fn a_step_that_fails_is_tried_again_from_the_beginning() {
    let project = at_attempt(3, "retry = { times = 3, delay = '0s' }");

    project.mlx(&["train"]).success().says("step `fit` stopped with exit code 9 (step); attempt 2 of 4 begins now");

    let step = step(&project);
    assert_eq!((&step["outcome"], &step["attempts"], &step["failure"]), (&"ran".into(), &3.into(), &Value::Null));
    let history = project.mlx(&["runs", "show", "latest", "--json"]).json()["history"].as_array().unwrap().len();
    assert_eq!(history, 1, "lines of attempts that failed count");
    project.mlx(&["runs", "show", "latest"]).success().prints("3 attempts");
    project.mlx(&["logs", "latest", "fit"]).success().prints("start 1\n\n[attempt 2]\nstart 2\n");
}

#[test]
fn attempts_come_to_an_end_and_say_how_many_there_were() {
    let project = at_attempt(9, "retry = { times = 1, delay = '0s' }");

    project.mlx(&["train"]).exits_with(3).says("step `fit` stopped with exit code 9, in 2 attempts");

    let step = step(&project);
    assert_eq!((&step["attempts"], &step["failure"], &step["exit_code"]), (&2.into(), &"step".into(), &9.into()));
}

#[test]
fn only_the_classes_that_a_step_names_are_tried_again() {
    let retry = |on: &str| format!("retry = {{ times = 4, on = ['{on}'], delay = '0s' }}");
    let failing = at_attempt(9, &retry("timeout"));
    failing.mlx(&["train"]).exits_with(3);
    assert_eq!(step(&failing)["attempts"], 1);

    let text = format!("[step.slow]\ncmd = 'sleep 1000'\ntimeout = '50ms'\n{}", retry("timeout"));
    let slow = Project::with_manifest(&text);
    slow.mlx(&["train"]).exits_with(3).says("took longer than its timeout of 50ms, in 5 attempts");
    let step = step(&slow);
    assert_eq!((&step["attempts"], &step["failure"]), (&5.into(), &"timeout".into()));
    slow.mlx(&["runs", "show", "latest"]).success().prints("5 attempts, timeout");
}

#[test]
fn a_program_that_can_get_no_memory_is_out_of_memory() {
    let project = Project::with_manifest(
        "[step.big]\ncmd = 'ulimit -v 300000; exec python3 -c \"bytearray(2 * 10 ** 9)\"'\n\
         retry = { times = 1, on = ['out_of_memory'], delay = '0s' }\n",
    );

    project.mlx(&["train"]).exits_with(3).says("(out of memory); attempt 2 of 2").says("hint: let it take less");

    let step = step(&project);
    assert_eq!((&step["failure"], &step["attempts"]), (&"out_of_memory".into(), &2.into()));
}

/// A control group whose processes may have 64 MB together; gone when dropped.
struct SmallGroup(PathBuf);

impl SmallGroup {
    /// `None` where this process may not make one.
    fn new() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let (top, limit) = match groups.lines().find_map(|line| line.split_once(":memory:")) {
            Some((_, path)) => (format!("/sys/fs/cgroup/memory{path}"), "memory.limit_in_bytes"),
            None => (format!("/sys/fs/cgroup{}", groups.trim().strip_prefix("0::")?), "memory.max"),
        };
        let group = PathBuf::from(top).join(format!("mlx-test-{}", std::process::id()));
        fs::create_dir(&group).ok()?;
        let group = Self(group);
        fs::write(group.0.join(limit), "67108864").ok()?;
        let swap = ["memory.memsw.limit_in_bytes", "memory.swap.max"].map(|file| group.0.join(file));
        swap.iter().filter(|file| file.exists()).for_each(|file| drop(fs::write(file, "67108864")));
        Some(group)
    }
}

impl Drop for SmallGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_program_that_the_kernel_ends_for_want_of_memory_is_out_of_memory() {
    let Some(group) = SmallGroup::new() else {
        eprintln!("SKIPPED: no control group can be made here, whose memory could run out");
        return;
    };
    // It holds still for a moment, so that it is seen before it grows.
    let program = "import time; time.sleep(0.3); x = [bytearray(1000000) for i in range(1000)]";
    let project = Project::with_manifest(&format!("[step.big]\ncmd = 'python3 -c \"{program}\"; exit $?'\n"));
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.0.display());
    let mut command = project.other("sh", &["-c", &enter, "sh", env!("CARGO_BIN_EXE_mlx"), "train"]);

    project
        .outcome(&mut command)
        .exits_with(3)
        .says("was ended by the system after")
        .says("because memory had run out");

    assert_eq!(step(&project)["failure"], "out_of_memory");
}

/// Fails when it finds nothing to go on from, and leaves something.
const CHECKPOINTED: &str = "[params]\nfit = { rate = 1 }\n[step.fit]\nparams = ['fit']\nouts = ['out']\n\
    cmd = '''test \"$MLX_CHECKPOINT\" = \"$PWD/ckpt\" || exit 8\n\
    cat ckpt/epoch > out 2> /dev/null || { echo \"rate $MLX_PARAM_FIT_RATE\" > ckpt/epoch; exit 9; }'''\n\
    checkpoint = 'ckpt/'\n";

#[test]
fn a_checkpoint_is_there_at_the_next_attempt_and_goes_after_a_good_end() {
    let project = Project::with_manifest(CHECKPOINTED);
    project.mlx(&["train"]).exits_with(3);
    assert_eq!(project.read("ckpt/epoch"), "rate 1\n");

    project.mlx(&["train"]).success();

    assert_eq!(project.read("out"), "rate 1\n");
    assert!(!project.exists("ckpt") && !project.read("mlx.lock").contains("path = \"ckpt"));
    assert!(project.read(".gitignore").lines().any(|line| line == "/ckpt"));
    project.mlx(&["train"]).success().prints("1 step: 0 run, 1 up to date");
}

#[test]
fn an_attempt_that_is_tried_again_at_once_finds_the_checkpoint() {
    let project = Project::with_manifest(&format!("{CHECKPOINTED}retry = {{ times = 1, delay = '0s' }}\n"));

    project.mlx(&["train"]).success();

    assert_eq!((project.read("out").as_str(), &step(&project)["attempts"]), ("rate 1\n", &2.into()));
}

#[test]
fn a_checkpoint_belongs_to_one_key_and_comes_back_with_it() {
    let project = Project::with_manifest(CHECKPOINTED);
    project.mlx(&["train"]).exits_with(3);

    project.mlx(&["train", "--set", "fit.rate=2"]).exits_with(3);
    assert_eq!(project.read("ckpt/epoch"), "rate 2\n");
    project.mlx(&["train"]).success();
    assert_eq!(project.read("out"), "rate 1\n");
    project.mlx(&["train", "--set", "fit.rate=2"]).success();

    assert_eq!(project.read("out"), "rate 2\n");
}

#[test]
fn force_gives_a_checkpoint_up() {
    let project = Project::with_manifest(CHECKPOINTED);
    project.mlx(&["train"]).exits_with(3);
    project.set("ckpt/epoch", "old");

    project.mlx(&["train", "--force"]).exits_with(3);

    assert_eq!(project.read("ckpt/epoch"), "rate 1\n");
}

#[test]
fn what_the_user_keeps_in_the_place_of_a_checkpoint_is_not_touched() {
    let project = Project::with_manifest(CHECKPOINTED).write("ckpt/mine", "hours of work");

    project
        .mlx(&["train"])
        .exits_with(2)
        .says("the checkpoint `ckpt` of step `fit` holds what none of its attempts left there")
        .says("hint: move it away");

    assert_eq!(project.read("ckpt/mine"), "hours of work");
    project.mlx(&["train", "--force"]).exits_with(3);
    assert!(!project.exists("ckpt/mine"));
}

#[test]
fn the_members_of_a_fan_have_checkpoints_of_their_own() {
    let text = "[step.fit]\nforeach = ['a', 'b']\ncmd = 'cp ckpt/${item}/x ${item} || { touch ckpt/${item}/x; exit 1; }'\n\
                outs = ['${item}']\ncheckpoint = 'ckpt/${item}'\n";
    let project = Project::with_manifest(text);
    project.mlx(&["train", "--keep-going"]).exits_with(3);

    project.mlx(&["train"]).success();

    project.set("mlx.toml", text.replace("'ckpt/${item}'\n", "'ckpt'\n"));
    project.mlx(&["train"]).exits_with(2).says("the checkpoint `ckpt` of step `fit@b` is that of step `fit@a` too");
}

#[test]
fn a_trial_that_failed_goes_on_from_its_checkpoint_in_the_next_sweep() {
    let project = Project::with_manifest(CHECKPOINTED);
    project.mlx(&["sweep", "--set", "fit.rate=3"]).exits_with(3);

    project.mlx(&["sweep", "--force", "--set", "fit.rate=3", "--json"]).success();
}
