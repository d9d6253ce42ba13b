//! Templates in steps, and steps that `foreach` and `matrix` make, through the program.

use super::harness::Project;
use super::steps::{assert_outcomes, outcomes};

#[track_caller]
fn refused(manifest: &str, message: &str, hint: &str) {
    let project = Project::with_manifest(manifest);
    project.mlx(&["train"]).exits_with(2).says(message).says(hint);
    assert!(!project.exists("mlx.lock"));
}

#[test]
fn paths_and_texts_see_the_same_parameters_as_the_command() {
    let manifest = "params = ['params.yaml']\n[step.fit]\n\
                    cmd = 'cat ../in/${data.name} > ../out/${data.name}-${seed}.txt; echo $GREETING >> ../out/${data.name}-${seed}.txt'\n\
                    dir = '${where}'\ndeps = ['in/${data.name}']\nouts = ['out/${data.name}-${seed}.txt']\n\
                    variables = { GREETING = 'seed ${seed} and $${seed}' }";
    let project = Project::with_manifest(manifest)
        .write("params.yaml", "data: { name: cats }\nseed: 7\nwhere: work\n")
        .write("in/cats", "cat\n")
        .write("in/dogs", "dog\n")
        .write("work/x", "");

    assert_outcomes(&project, &[], &[("fit", "ran")]);
    assert_eq!(project.read("out/cats-7.txt"), "cat\nseed 7 and ${seed}\n");
    assert_outcomes(&project, &["--set", "data.name=dogs"], &[("fit", "ran")]);
    assert_eq!(project.read("out/dogs-7.txt"), "dog\nseed 7 and ${seed}\n");
    // The other outputs still lie there and are known.
    assert_outcomes(&project, &[], &[("fit", "restored")]);
    assert_outcomes(&project, &[], &[("fit", "up_to_date")]);
    project.mlx(&["train", "--locked"]).success();
    project.mlx(&["train", "--locked", "--set", "seed=8"]).exits_with(4).says("fit: ");
}

#[test]
fn templates_that_can_not_be_filled_are_named_with_key_and_line() {
    let params = "[params]\ntrain = { lr = 1, all = [1] }\n";
    let cases = [
        ("outs = ['m/${train.l}']", "`outs` in step `a`: `${train.l}` names nothing that there is (mlx.toml, line 5)"),
        ("deps = ['${HOME}/x']", "`deps` in step `a`: `${HOME}` names nothing that there is (mlx.toml, line 5)"),
        ("dir = '${train.all}'", "`dir` in step `a`: `${train.all}` is a list, which can't be put into a text"),
        ("description = '${train.lr'", "`description` in step `a`: `${` is never closed"),
        ("variables = { X = '${item}' }", "`variables` in step `a`: `${item}` names nothing that there is"),
        ("metrics = ['${train}']", "`metrics` in step `a`: `${train}` names nothing that there is"),
    ];
    for (text, message) in cases {
        refused(&format!("{params}[step.a]\ncmd = 'x'\n{text}"), message, "");
    }
    let project = Project::with_manifest(&format!("{params}[step.a]\ncmd = 'x'\nouts = ['m/${{train.l}}']"));
    project.mlx(&["train"]).exits_with(2).says("did you mean `train.lr`?");
    // Nor does a value lead out of the project.
    refused(
        "[params]\nout = '../x'\n[step.a]\ncmd = 'x'\nouts = ['m/../${out}']",
        "`outs` in step `a`: `m/../../x` leaves the project (mlx.toml, line 5)",
        "",
    );
}

#[test]
fn a_value_with_a_template_in_it_goes_no_further() {
    let project = Project::with_manifest(
        "[params]\na = '${b}'\nb = '${a}'\n[step.a]\ncmd = 'touch \"$OUT\"'\nouts = ['x-${a}']\n\
         variables = { OUT = 'x-${a}' }",
    );

    assert_outcomes(&project, &[], &[("a", "ran")]);
    assert!(project.exists("x-${b}"));
}

const FAN: &str = "[params.models]\ncats = { lr = 1 }\ndogs = { lr = 2 }\n\
    [step.train]\nforeach = 'models'\n\
    cmd = 'echo ${item.lr} $MLX_PARAM_ITEM_LR > model/${key}; cat data/${key} >> model/${key}'\n\
    deps = ['data/${key}']\nouts = ['model/${key}']\n\
    [step.all]\ncmd = 'cat model/* > all'\ndeps = ['model']\nouts = ['all']";

#[test]
fn a_step_is_made_for_each_item() {
    let project = Project::with_manifest(FAN).write("data/cats", "c\n").write("data/dogs", "d\n");

    assert_outcomes(&project, &[], &[("train@cats", "ran"), ("train@dogs", "ran"), ("all", "ran")]);
    assert_eq!(project.read("all"), "1 1\nc\n2 2\nd\n");

    project.set("data/dogs", "D\n");
    let expected = [("train@cats", "up_to_date"), ("train@dogs", "ran"), ("all", "ran")];
    assert_outcomes(&project, &[], &expected);
    let expected = [("train@cats", "ran"), ("train@dogs", "up_to_date"), ("all", "ran")];
    assert_outcomes(&project, &["--set", "models.cats.lr=3"], &expected);
    let expected = [("train@cats", "restored"), ("train@dogs", "up_to_date"), ("all", "restored")];
    assert_outcomes(&project, &[], &expected);
}

#[test]
fn a_group_is_selected_by_its_name_and_a_step_by_its_own() {
    let project = Project::with_manifest(FAN).write("data/cats", "c\n").write("data/dogs", "d\n");

    assert_outcomes(&project, &["train@dogs"], &[("train@dogs", "ran")]);
    assert_outcomes(&project, &["train"], &[("train@cats", "ran"), ("train@dogs", "up_to_date")]);
    assert_outcomes(&project, &["train", "--force"], &[("train@cats", "ran"), ("train@dogs", "ran")]);
    project.mlx(&["train", "train@dog"]).exits_with(2).says("there is no step `train@dog`").says("`train@dogs`");
}

#[test]
fn a_new_item_runs_alone_and_one_that_went_leaves_the_lock() {
    let manifest = |items: &str| {
        format!("[step.t]\nforeach = [{items}]\ncmd = 'echo ${{item}} > ${{item}}'\nouts = ['${{item}}']")
    };
    let project = Project::with_manifest(&manifest("'a', 'b'"));
    assert_outcomes(&project, &[], &[("t@a", "ran"), ("t@b", "ran")]);

    project.set("mlx.toml", manifest("'c', 'b'"));

    assert_outcomes(&project, &[], &[("t@c", "ran"), ("t@b", "up_to_date")]);
    let lock = project.read("mlx.lock");
    assert!(lock.contains("[step.\"t@c\"]") && !lock.contains("t@a"), "{lock}");
}

#[test]
fn a_matrix_makes_every_combination() {
    let project = Project::with_manifest(
        "[params]\nlrs = [0.1, 0.5]\n[step.t]\nmatrix = { lr = 'lrs', m = [{ k = 'x y', d = 1 }, { k = 'z', d = 2 }] }\n\
         cmd = 'echo ${matrix.lr} \"${matrix.m.k}\" > out/${matrix.lr}-${matrix.m.d}'\nouts = ['out/${matrix.lr}-${matrix.m.d}']",
    );

    let names: Vec<String> = outcomes(&project, &[]).into_iter().map(|(name, _)| name).collect();

    assert_eq!(names, ["t@lr=0.1,m=0", "t@lr=0.1,m=1", "t@lr=0.5,m=0", "t@lr=0.5,m=1"]);
    assert_eq!(project.read("out/0.5-1"), "0.5 x y\n");
    assert!(outcomes(&project, &[]).iter().all(|(_, outcome)| outcome == "up_to_date"));
    let run = project.mlx(&["train", "--json", "t@lr=0.1,m=0"]).success().json();
    assert_eq!(run["steps"][0]["params"]["matrix.m.k"], "x y");
}

#[test]
fn items_that_make_the_same_output_are_refused() {
    refused(
        "[step.t]\nforeach = ['a', 'b']\ncmd = 'x'\nouts = ['same']",
        "steps `t@a` and `t@b` both make `same` (mlx.toml, line 1)",
        "give each its own output",
    );
    refused("[step.t]\nforeach = []\ncmd = 'x'", "`foreach` in step `t` is empty", "give it values");
    refused("[step.t]\nforeach = ['a', 'a']\ncmd = 'x'", "two items of step `t` would both be `t@a`", "name the items");
    refused("[step.t]\nforeach = 'nope'\ncmd = 'x'", "`foreach` in step `t`: there is no parameter `nope`", "");
    refused(
        "[params]\nn = 3\n[step.t]\nforeach = 'n'\ncmd = 'x'",
        "the parameter `n` is neither a list nor a table",
        "",
    );
    let numbers = (0..400).map(|number| format!("{number},")).collect::<String>();
    refused(
        &format!("[step.t]\nmatrix = {{ a = [{numbers}], b = [{numbers}] }}\ncmd = 'x'"),
        "step `t` would be there 160000 times, and a manifest has at most 100000 steps (mlx.toml, line 2)",
        "take values away",
    );
}

#[test]
fn parameter_files_with_mistakes_stop_what_depends_on_them() {
    let project = Project::with_manifest("params = ['p.yaml']\n[step.t]\nforeach = 'models'\ncmd = 'echo ${item}'");
    project.mlx(&["train"]).exits_with(2).says("the parameter file `p.yaml` is not there");
    project.set("p.yaml", "models: [a, b]");
    assert_outcomes(&project, &[], &[("t@a", "ran"), ("t@b", "ran")]);
    assert_outcomes(&project, &["--set", "models=['c']"], &[("t@c", "ran")]);
    assert_outcomes(&project, &[], &[("t@a", "up_to_date"), ("t@b", "up_to_date")]);
}

#[test]
fn steps_that_have_nothing_to_do_are_counted_where_they_are_many() {
    let items: Vec<String> = (0..30).map(|item| format!("'{item}'")).collect();
    let manifest = format!(
        "[params]\nn = 1\n[step.t]\nforeach = [{}]\ncmd = 'echo ${{item}} > o${{item}}'\nouts = ['o${{item}}']\n\
         [step.last]\ncmd = 'echo $MLX_PARAM_N > last'\nparams = ['n']\nouts = ['last']\n",
        items.join(", ")
    );
    let project = Project::with_manifest(&manifest);
    let first = project.mlx(&["train"]).success();
    assert!(first.text().contains("t@29") && first.text().contains("31 steps: 31 run, 0 up to date"));

    let idle = project.mlx(&["train"]).success().prints("31 steps: 0 run, 31 up to date");
    assert_eq!(idle.stdout.lines().count(), 1);
    let planned = project.mlx(&["train", "--dry-run", "--set", "n=2"]).success();
    let planned = planned.prints("last").prints("31 steps: 1 to run, 30 up to date");
    assert!(!planned.text().contains("t@29"));
    let json = project.mlx(&["train", "--json", "--set", "n=2"]).success().json();
    assert_eq!(json["steps"].as_array().unwrap().len(), 31);
}

#[test]
fn a_sweep_takes_a_group_by_its_name() {
    let manifest = "[params]\nlr = 1\n[step.fit]\nforeach = ['a', 'b']\ncmd = 'echo ${lr} > m-${item}'\n\
                    outs = ['m-${item}']\n[step.other]\ncmd = 'exit 1'\n";
    let project = Project::with_manifest(manifest);

    let swept = project.mlx(&["sweep", "fit", "--set", "lr=1,2", "--json"]).success().json();

    let states: Vec<&str> =
        swept["trials"].as_array().unwrap().iter().map(|trial| trial["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["finished", "finished"]);
}
