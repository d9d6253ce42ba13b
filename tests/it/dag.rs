//! `mlx dag`, and the steps that `mlx train --since`, `--downstream` and `--until` choose.

use insta::assert_snapshot;

use crate::harness::Project;

const DIAMOND: &str = "
[params]
left = { depth = 3 }
right = { depth = 3 }

[step.prepare]
cmd = 'cat raw code/prepare > clean'
deps = ['raw', 'code/prepare']
outs = ['clean']

[step.left]
cmd = 'cat clean code/left > l; echo ${left.depth} >> l'
deps = ['clean', 'code/left']
outs = ['l']

[step.right]
cmd = 'cat clean code/right > r; echo ${right.depth} >> r'
deps = ['clean', 'code/right']
outs = ['r']

[step.train]
cmd = 'cat l r > model'
deps = ['l', 'r']
outs = ['model']

[step.aside]
cmd = 'cat raw > copy'
deps = ['raw']
outs = ['copy']
";

fn diamond() -> Project {
    let project = Project::with_manifest(DIAMOND).write("raw", "1\n2\n");
    ["prepare", "left", "right"].iter().for_each(|name| project.set(format!("code/{name}"), *name));
    project
}

/// What `mlx train` would run or restore with these arguments.
fn would_run(project: &Project, arguments: &[&str]) -> String {
    let plan = project.mlx(&[&["train", "--dry-run", "--json"], arguments].concat()).success().json();
    let steps = plan["steps"].as_array().unwrap().iter();
    steps.map(|step| format!("{}:{} ", step["name"].as_str().unwrap(), step["action"].as_str().unwrap())).collect()
}

#[test]
fn a_diamond_reads_as_a_tree_in_which_each_step_stands_once() {
    let project = diamond();

    assert_snapshot!(project.mlx(&["dag"]).success().stdout, @"
    prepare      would run     it never ran here
    ├─ left      perhaps runs  depends on what `prepare` makes
    └─ right     perhaps runs  depends on what `prepare` makes
       └─ train  perhaps runs  also needs left; depends on what `left` makes
    aside        would run     it never ran here

    5 steps: 2 would run, 3 perhaps runs
    ");
    project.mlx(&["train"]).success();
    assert_snapshot!(project.mlx(&["dag", "left"]).success().stdout, @"
    prepare  up to date
    └─ left  up to date

    2 steps: 2 up to date
    ");
}

#[test]
fn failures_and_missing_inputs_are_states() {
    let project = Project::with_manifest(
        "[step.bad]\ncmd='exit 3'\nouts=['x']\n[step.next]\ncmd='cp x y'\ndeps=['x']\nouts=['y']\n\
         [step.lacking]\ncmd='cp nothing z'\ndeps=['nothing']\nouts=['z']\n",
    );
    project.mlx(&["train", "bad"]).exits_with(3);

    let dag = project.mlx(&["dag", "--json"]).success().json();

    let states: Vec<&str> =
        dag["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "depends", "missing"]);
    assert_eq!(dag["steps"][1]["needs"][0], "bad");
    assert_eq!(dag["steps"][2]["reason"], "`nothing` is not there");
}

#[test]
fn pictures_go_to_files_and_their_ending_says_which() {
    let project = diamond();

    project.mlx(&["dag", "--output", "docs.svg"]).success().says("Wrote 5 steps to `docs.svg`");
    project.mlx(&["dag", "--output", "dag.mmd"]).success();

    let svg = project.read("docs.svg");
    assert!(svg.starts_with("<svg xmlns=") && svg.contains("prefers-color-scheme:dark"), "{svg}");
    assert_eq!((svg.matches("class=\"card\"").count(), svg.matches("class=\"line\"").count()), (5, 4));
    assert!(!svg.contains("href") && !svg.contains("url("), "{svg}");
    assert!(project.read("dag.mmd").starts_with("flowchart LR\n  s0[\"prepare"));
    let printed = project.mlx(&["dag", "--format", "mermaid"]).success().stdout;
    assert_eq!(printed, project.read("dag.mmd"));
    project.mlx(&["train"]).success();
    for (command, endings) in [
        (&["dag"][..], "`.svg`, `.mmd`, `.mermaid`, `.txt`"),
        (&["lineage", "model"], "`.svg`, `.txt`"),
        (&["runs", "export"], "`.json`, `.csv`"),
    ] {
        let refused = project.mlx(&[command, &["--output", "p.png"]].concat()).exits_with(2);
        refused
            .says("`p.png` ends with `.png`, and no format")
            .says(&format!("hint: let it end with {endings}, or say"));
        assert!(!project.exists("p.png"));
    }
    project.mlx(&["dag", "--output", "p.png", "--format", "svg"]).success();
    project.mlx(&["dag", "--output", "plain"]).success();
    assert!(project.read("plain").starts_with("prepare"), "{}", project.read("plain"));
}

#[test]
fn only_what_lies_behind_or_before_a_step_is_chosen() {
    let project = diamond();
    project.mlx(&["train"]).success();
    project.set("raw", "3\n");

    assert_eq!(would_run(&project, &["--downstream", "right"]), "right:up_to_date train:up_to_date ");
    assert_eq!(would_run(&project, &["--until", "left"]), "prepare:run left:depends ");
    assert_eq!(would_run(&project, &["--downstream", "left", "--until", "left"]), "left:up_to_date ");
    project.mlx(&["train", "--downstream", "lift"]).exits_with(2).says("did you mean `left`?");
}

#[test]
fn what_the_chosen_steps_need_and_what_is_not_there_comes_along() {
    let project = diamond();
    project.mlx(&["train"]).success();
    std::fs::remove_file(project.path("clean")).unwrap();

    assert_eq!(would_run(&project, &["--downstream", "right"]), "prepare:restore right:up_to_date train:up_to_date ");
    project.mlx(&["train", "--downstream", "right"]).success();

    assert!(project.exists("clean"));
}

#[test]
fn steps_are_chosen_by_what_changed_since_a_revision() {
    let project = diamond();
    project.mlx(&["add", "raw"]).success();
    project.mlx(&["train"]).success();
    project.commit("all");

    let nothing = project.mlx(&["train", "--since", "HEAD"]).success();
    assert!(nothing.stderr.contains("No step is asked for"), "{}", nothing.stderr);
    project.set("code/right", "other");
    let chosen = project.mlx(&["train", "--since", "HEAD", "--dry-run"]).success();
    let reason = "step `right`: since `HEAD` `code/right` changed";
    assert_eq!(chosen.stderr.matches(reason).count(), 1, "{}", chosen.stderr);
    assert_eq!(would_run(&project, &["--since", "HEAD"]), "right:run train:depends ");
    project.commit("code");
    assert_eq!(would_run(&project, &["--since", "HEAD~1"]), "right:run train:depends ");
    let manifest = project.read("mlx.toml");
    project.set("mlx.toml", manifest.replace("left = { depth = 3 }", "left = { depth = 4 }"));
    assert_eq!(would_run(&project, &["--since", "HEAD"]), "left:run train:depends ");
    project.set("mlx.toml", manifest.replace("cat l r", "cat r l"));
    assert_eq!(would_run(&project, &["--since", "HEAD"]), "train:run ");
    project.set("mlx.toml", &manifest);
    project.set("raw", "changed\n");
    assert_eq!(
        would_run(&project, &["--since", "HEAD"]),
        "prepare:run left:depends right:depends train:depends aside:run "
    );
    let trained = project.mlx(&["train", "--since", "HEAD"]).success().stderr;
    assert_eq!(trained.matches("step `prepare`: since `HEAD` `raw` changed").count(), 1, "{trained}");
    project.mlx(&["train", "--since", "no-such-revision"]).exits_with(2).says("is no revision");
}

#[test]
fn an_input_that_nobody_keeps_counts_where_the_lock_knows_another() {
    let project = diamond();
    project.set(".gitignore", "raw\n");
    project.mlx(&["train"]).success();
    project.commit("all");

    assert!(project.mlx(&["train", "--since", "HEAD"]).success().stderr.contains("No step is asked for"));
    project.set("raw", "other\n");

    assert_eq!(would_run(&project, &["--since", "HEAD", "aside"]), "aside:run ");
}

#[test]
fn frozen_steps_are_told_apart() {
    let project = Project::with_manifest("[step.old]\ncmd='false'\nouts=['x']\nfrozen=true\n").write("x", "by hand");

    project.mlx(&["dag"]).success().prints("old  frozen  its outputs are taken as they are");
    project.mlx(&["train"]).success();

    project.mlx(&["explain", "old"]).success().prints("old is up to date: frozen");
}

#[test]
fn a_large_fan_is_one_step_unless_all_are_asked_for() {
    let project = Project::with_manifest(
        "[step.fit]\nforeach=['a','b','c','d','e','f','g','h','i']\ncmd='echo ${item} > o-${item}'\nouts=['o-${item}']\n\
         [step.sum]\ncmd='cat o-* > sum'\ndeps=['o-a','o-i']\nouts=['sum']\n",
    );
    project.mlx(&["train", "fit@a"]).success();

    assert_snapshot!(project.mlx(&["dag"]).success().stdout, @"
    fit     9 steps: 8 would run, 1 up to date  it never ran here
    └─ sum  perhaps runs                        depends on what `fit@i` makes

    10 steps: 8 would run, 1 perhaps runs, 1 up to date
    ");
    assert_eq!(project.mlx(&["dag", "--all"]).success().stdout.matches("fit@").count(), 11);
    assert_eq!(would_run(&project, &["--downstream", "fit", "--until", "fit"]).matches(":run").count(), 8);
}
