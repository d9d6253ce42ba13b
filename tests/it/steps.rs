//! What a step in `mlx.toml` can say besides its command: where it works, whether it runs at all.

use super::harness::Project;

/// What became of each step, by the run's record.
#[track_caller]
pub fn outcomes(project: &Project, arguments: &[&str]) -> Vec<(String, String)> {
    let arguments = [&["train", "--json"], arguments].concat();
    let run = project.mlx(&arguments).success().json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    run["steps"].as_array().unwrap().iter().map(|step| (text(&step["name"]), text(&step["outcome"]))).collect()
}

#[track_caller]
pub fn assert_outcomes(project: &Project, arguments: &[&str], expected: &[(&str, &str)]) {
    let found = outcomes(project, arguments);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, outcome)| (name.as_str(), outcome.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_program_works_in_the_directory_of_its_step() {
    let manifest = "[step.a]\ncmd = 'cp in.txt ../out.txt; pwd > where.txt'\ndir = 'sub'\ndeps = ['sub/in.txt']\n\
                    outs = ['out.txt', 'sub/where.txt']";
    let project = Project::with_manifest(manifest).write("sub/in.txt", "1").write("other/in.txt", "2");

    assert_outcomes(&project, &[], &[("a", "ran")]);
    assert_eq!(project.read("out.txt"), "1");
    assert!(project.read("sub/where.txt").trim_end().ends_with("/project/sub"));
    assert!(project.read("mlx.lock").contains("version = 3\n"), "{}", project.read("mlx.lock"));
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);

    project.set("mlx.toml", manifest.replace("dir = 'sub'", "dir = 'other'").replace("'sub/where", "'other/where"));
    project.mlx(&["train", "-n"]).success().prints("its directory changed");
}

#[test]
fn what_python_leaves_beside_programs_is_no_part_of_them() {
    let leave =
        "mkdir -p src/a/__pycache__ src/b.egg-info; echo $$ | tee src/a/__pycache__/x.pyc > src/b.egg-info/PKG-INFO";
    let manifest = format!("[step.a]\ncmd = '{leave}; cp src/a/x.py out'\ndeps = ['src']\nouts = ['out']");
    let project = Project::with_manifest(&manifest).write("src/a/x.py", "1");

    assert_outcomes(&project, &[], &[("a", "ran")]);
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
    std::fs::remove_dir_all(project.path("src/b.egg-info")).unwrap();
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
    project.mlx(&["checkout"]).success();
    assert!(project.exists("src/a/__pycache__/x.pyc"));
    project.set("src/a/x.py", "2");
    assert_outcomes(&project, &[], &[("a", "ran")]);
}

#[test]
fn what_the_commit_has_may_be_replaced() {
    let manifest =
        "[step.a]\ncmd = 'mkdir -p d; echo 1 > d/x; echo 1 > y'\nouts = ['d', { path = 'y', store = false }]";
    let project = Project::with_manifest(manifest).write("d/x", "before").write("d/z", "before").write("y", "before");
    project.commit("before");

    project.set("y", "changed");
    project.mlx(&["train"]).exits_with(2).says("`y` holds changes that are in no store");
    project.git(&["checkout", "--quiet", "."]);
    assert_outcomes(&project, &[], &[("a", "ran")]);
    assert_eq!((project.read("d/x"), project.exists("d/z")), ("1\n".into(), false));
}

#[test]
fn metrics_may_lie_in_an_output() {
    let manifest = "[step.a]\ncmd = 'mkdir eval; echo 1 > eval/plot; echo \"{\\\"acc\\\": 0.5}\" > eval/metrics.json'\n\
                    outs = ['eval']\nmetrics = ['eval/metrics.json']";
    let project = Project::with_manifest(manifest);
    let metric = |arguments: &[&str]| project.mlx(arguments).success().json()["metrics"]["acc"].clone();

    assert_eq!(metric(&["train", "--json"]), 0.5);
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
    std::fs::remove_dir_all(project.path("eval")).unwrap();
    assert_outcomes(&project, &[], &[("a", "restored")]);
    assert_eq!(metric(&["runs", "show", "latest", "--json"]), 0.5);

    project.set("mlx.toml", manifest.replace("'eval/metrics.json'", "'eval/scores.json'"));
    project.mlx(&["train"]).exits_with(3).says("ended well and did not make `eval/scores.json`");
    project.set("mlx.toml", manifest.replace("'eval/metrics.json'", "{ path = 'eval/x.json', optional = true }"));
    project.mlx(&["train"]).success();
    project.set("mlx.toml", manifest.replace("'eval/metrics.json'", "{ path = 'eval/x.json', store = false }"));
    project.mlx(&["train"]).exits_with(2).says("lie in one of its outputs and can't have `store = false`");
}

#[test]
fn a_directory_that_can_not_be_entered_is_named() {
    let project = Project::with_manifest("[step.a]\ncmd = 'x'\ndir = 'gone'");
    project
        .mlx(&["train"])
        .exits_with(2)
        .says("step `a` works in `gone`, which can't be entered")
        .says("correct `dir`");
    project.set("gone", "a file");
    project.mlx(&["train"]).exits_with(2).says("step `a` works in `gone`, which is no directory (mlx.toml, line 1)");
    std::fs::remove_file(project.path("gone")).unwrap();
    std::os::unix::fs::symlink(project.home(), project.path("gone")).unwrap();
    project.mlx(&["train"]).exits_with(2).says("step `a` works in `gone`, which leads to `[root]/home`");
}

#[test]
fn an_always_step_runs_each_time_and_the_wave_stops_where_nothing_changed() {
    let project = Project::with_manifest(
        "[step.ask]\ncmd = 'echo x >> asked; cat source > answer'\nouts = ['answer']\nalways = true\n\
         [step.use]\ncmd = 'cp answer used'\ndeps = ['answer']\nouts = ['used']",
    )
    .write("source", "1");

    assert_outcomes(&project, &[], &[("ask", "ran"), ("use", "ran")]);
    assert_outcomes(&project, &[], &[("ask", "ran"), ("use", "up_to_date")]);
    project.set("source", "2");
    project
        .mlx(&["train", "-n"])
        .success()
        .prints("it runs each time (`always`)")
        .prints("depends on what `ask` makes");
    assert_outcomes(&project, &[], &[("ask", "ran"), ("use", "ran")]);

    project.mlx(&["train", "--locked"]).success();
    assert_eq!(project.read("asked").lines().count(), 3);
}

#[test]
fn a_frozen_step_never_runs_and_its_outputs_are_taken_as_they_are() {
    let manifest = |frozen: &str| {
        format!(
            "[step.make]\ncmd = 'cp source made'\ndeps = ['source']\nouts = ['made']\n{frozen}\n\
             [step.use]\ncmd = 'cp made used'\ndeps = ['made']\nouts = ['used']"
        )
    };
    let project = Project::with_manifest(&manifest("")).write("source", "1");
    assert_outcomes(&project, &[], &[("make", "ran"), ("use", "ran")]);
    project.set("mlx.toml", manifest("frozen = true"));
    project.set("source", "2");

    project.mlx(&["train", "-n"]).success().prints("frozen: its outputs are taken as they are");
    assert_outcomes(&project, &["--force"], &[("make", "up_to_date"), ("use", "ran")]);
    project.mlx(&["train", "--locked"]).success();

    project.set("made", "by hand");
    project.mlx(&["train", "--locked"]).exits_with(4).says("make: frozen: its outputs are taken as they are, and");
    assert_outcomes(&project, &[], &[("make", "up_to_date"), ("use", "ran")]);
    assert_eq!(project.read("used"), "by hand");
    std::fs::remove_file(project.path("made")).unwrap();
    assert_outcomes(&project, &[], &[("make", "restored"), ("use", "up_to_date")]);
    assert_eq!(project.read("made"), "by hand");

    // Thawed, it runs: what was put there by hand is nothing that its command made.
    project.set("mlx.toml", manifest(""));
    project.mlx(&["train", "-n"]).success().prints("it was frozen, and is not any more");
    assert_outcomes(&project, &[], &[("make", "ran"), ("use", "ran")]);
    assert_eq!(project.read("used"), "2");
}

#[test]
fn a_frozen_step_needs_its_outputs_and_nothing_else() {
    let project =
        Project::with_manifest("[step.a]\ncmd = 'false'\ndeps = ['nowhere']\nouts = ['a.bin']\nfrozen = true");
    project
        .mlx(&["train"])
        .exits_with(2)
        .says("step `a` is frozen, and of its outputs `a.bin` is not there (mlx.toml, line 1)")
        .says("put it there, or take `frozen` away to make it");

    project.set("a.bin", "1");

    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
    assert!(project.read("mlx.lock").contains("a.bin"));
    project.set("mlx.toml", "[step.a]\ncmd = 'x'\nalways = true\nfrozen = true");
    project.mlx(&["train"]).exits_with(2).says("step `a` is both `always` and `frozen`").says("(mlx.toml, line 1)");
}
