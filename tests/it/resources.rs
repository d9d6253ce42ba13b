//! What steps take of a machine: no more at once than there is, each GPU once, and what they took is known afterwards.

use serde_json::Value;

use crate::harness::{Outcome, Project};
use crate::train::outcomes;

/// Steps that fail when one that has the same GPU, or as much memory, runs beside them.
fn alone(count: usize, what: &str, resources: &str) -> Project {
    let step = |number| {
        format!(
            "[step.s{number}]\ncmd = 'exec 9> \"$HOME/{what}\"; flock --nonblock 9 || exit 1; sleep 0.05; \
             echo \"$CUDA_VISIBLE_DEVICES\" > o{number}'\nouts = ['o{number}']\nresources = {{ {resources} }}\n"
        )
    };
    Project::with_manifest(&(0..count).map(step).collect::<String>())
}

fn train(project: &Project, variables: &[(&str, &str)]) -> Outcome {
    project.outcome(project.command(&["train", "--jobs", "8"]).envs(variables.iter().copied()))
}

/// What the steps wrote.
fn written(project: &Project, count: usize) -> Vec<String> {
    (0..count).map(|number| project.read(format!("o{number}")).trim().to_owned()).collect()
}

#[test]
fn each_step_gets_gpus_of_its_own() {
    let project = alone(8, "gpu$CUDA_VISIBLE_DEVICES", "gpus = 1");

    train(&project, &[("MLX_MACHINE_GPUS", "3")]).success();

    let written = written(&project, 8);
    assert!(written.iter().all(|gpu| ["0", "1", "2"].contains(&gpu.as_str())), "{written:?}");
}

#[test]
fn what_cuda_was_told_to_see_is_what_there_is() {
    let project = alone(3, "gpu$CUDA_VISIBLE_DEVICES", "gpus = 1");

    train(&project, &[("CUDA_VISIBLE_DEVICES", "GPU-5a,7")]).success();

    let written = written(&project, 3);
    assert!(written.iter().all(|gpu| ["GPU-5a", "7"].contains(&gpu.as_str())), "{written:?}");
    let both = alone(1, "x", "gpus = 2");
    both.set(".mlx/config.toml", "[machine]\ngpus = [3, 4]\n");
    train(&both, &[]).success();
    assert_eq!(both.read("o0"), "3,4\n");
}

#[test]
fn a_step_that_says_nothing_of_gpus_is_left_alone() {
    let step = |name: &str, rest: &str| {
        format!("[step.{name}]\ncmd = 'echo \"${{CUDA_VISIBLE_DEVICES-unset}}\" > {name}'\nouts = ['{name}']\n{rest}\n")
    };
    let text = step("plain", "")
        + &step("none", "resources = { gpus = 0 }")
        + &step("own", "resources = { gpus = 1 }\nvariables = { CUDA_VISIBLE_DEVICES = '9' }");
    let project = Project::with_manifest(&text);

    train(&project, &[("MLX_MACHINE_GPUS", "1")]).success();

    assert_eq!(["plain", "none", "own"].map(|name| project.read(name)), ["unset\n", "\n", "9\n"]);
}

#[test]
fn memory_is_shared_out() {
    let project = alone(4, "memory", "memory = '600MB'");

    train(&project, &[("MLX_MACHINE_MEMORY", "1GB")]).success();
}

#[test]
fn a_step_that_asks_for_more_than_the_machine_has_is_refused_before_anything_runs() {
    let text = "[step.first]\ncmd = 'echo 1 > first'\nouts = ['first']\n\
                [step.big]\ncmd = 'cp first big'\ndeps = ['first']\nouts = ['big']\nresources = { gpus = 2 }\n\
                [step.wide]\ncmd = 'echo 1 > wide'\nouts = ['wide']\nresources = { cpus = 4000 }\n";
    let project = Project::with_manifest(text).write("first", "");
    let refused = |outcome: Outcome| {
        outcome
            .says("step `big` asks for 2 GPUs, and this machine has 1 (mlx.toml, line 4)")
            .says("hint: let an executor carry it out (`--executor NAME`), or ask for less")
    };
    // Whether it runs shows when the first one has.
    std::fs::remove_file(project.path("first")).unwrap();
    refused(train(&project, &[("MLX_MACHINE_GPUS", "1")]).exits_with(2));

    // Now it is known from the beginning.
    refused(train(&project, &[("MLX_MACHINE_GPUS", "1")]).exits_with(2));
    train(&project, &[("MLX_MACHINE_GPUS", "2")]).success();

    // What is there need not be made.
    std::fs::remove_file(project.path("big")).unwrap();
    train(&project, &[("MLX_MACHINE_GPUS", "0")]).success();
    assert_eq!(outcomes(&project)[1].1, "restored");
    let memory = Project::with_manifest("[step.a]\ncmd = 'true'\nresources = { memory = '900TB' }\n");
    train(&memory, &[]).exits_with(2).says("step `a` asks for 900000 GB of memory, and this machine has");
}

#[test]
fn trials_side_by_side_share_the_gpus() {
    let text = "[params]\nx = 0\n[step.fit]\ncmd = '''exec 9> $HOME/gpu$CUDA_VISIBLE_DEVICES; flock -n 9 || exit 1\n\
                sleep 0.05; echo \"{\\\"m\\\": ${x}}\" > m.json'''\nmetrics = ['m.json']\nresources = { gpus = 1 }\n";
    let project = Project::with_manifest(text);
    let arguments = ["sweep", "--set", "x=1,2,3,4,5,6", "--parallel", "4", "--jobs", "4", "--json"];

    let results = project.outcome(project.command(&arguments).env("MLX_MACHINE_GPUS", "2")).success().json();

    let states: Vec<&Value> = results["trials"].as_array().unwrap().iter().map(|trial| &trial["state"]).collect();
    assert_eq!(states, ["finished"; 6]);
}

#[test]
fn what_the_processes_of_a_step_took_is_recorded() {
    let project = Project::with_manifest(
        "[step.work]\ncmd = '''head -c 4000000 /dev/zero > big; cat big big > bigger\n\
         python3 -c \"x = bytearray(80000000); print(sum(range(1000000)))\"'''\nouts = ['bigger']\n",
    );
    project.mlx(&["train"]).success();

    let run = project.mlx(&["runs", "show", "latest", "--json"]).success().json();

    let number = |pointer: &str| run["steps"][0].pointer(pointer).and_then(Value::as_f64).expect(pointer);
    assert!(number("/io/read_bytes") >= 12e6 && number("/io/written_bytes") >= 12e6, "{run:#}");
    assert!(number("/peak_memory_bytes") >= 80e6 && number("/cpu_seconds") > 0.0, "{run:#}");
    assert!(run["steps"][0].get("gpu").is_none());
    project.mlx(&["runs", "show", "latest"]).success().prints("memory").prints("written");
}

#[test]
fn what_a_step_does_on_gpus_is_what_nvidia_smi_says_of_its_processes() {
    let project =
        Project::with_manifest("[step.fit]\ncmd = 'until test -e $HOME/asked; do sleep 0.05; done; sleep 0.3'\n");
    // Each process of the machine has 512 MiB of one GPU, as it says.
    project.program(
        &project.home().join("bin/nvidia-smi"),
        "case $1 in *compute-apps*) for p in /proc/[0-9]*; do echo \"${p#/proc/}, GPU-a, 512\"; done;; \
         *) echo 'GPU-a, 40'; echo > $HOME/asked;; esac",
    );
    let path = format!("{}:{}", project.home().join("bin").display(), std::env::var("PATH").unwrap());

    project.outcome(project.command(&["train"]).env("PATH", path)).success();

    let run = project.mlx(&["runs", "show", "latest", "--json"]).success().json();
    let gpu = &run["steps"][0]["gpu"];
    assert!(gpu["peak_memory_bytes"].as_u64().unwrap() >= 512 << 20, "{gpu}");
    assert_eq!(gpu["utilization"], 0.4);
    project.mlx(&["runs", "show", "latest"]).success().prints("gpu memory").prints("40 %");
}
