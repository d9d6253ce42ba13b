//! Manifests that ask for something impossible: a clear error with its place and a remedy, and nothing changed.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::harness::Project;

/// Every file below the directory with its content.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => {
                files.extend(self::files(&entry.path()));
                files.insert(entry.path(), Vec::new());
            }
            false => drop(files.insert(entry.path(), std::fs::read(entry.path()).unwrap_or_default())),
        }
    }
    files
}

/// `mlx train` refuses the project as it is, says both texts and changes nothing.
#[track_caller]
fn refused(project: &Project, message: &str, hint: &str) {
    let before = files(&project.root());

    project.mlx(&["train"]).exits_with(2).says(message).says(&format!("hint: {hint}"));

    assert_eq!(files(&project.root()), before, "something changed");
}

#[track_caller]
fn manifest_is_refused(manifest: &str, message: &str, hint: &str) {
    refused(&Project::with_manifest(manifest).write("data.csv", "1"), message, hint);
}

#[test]
fn bad_toml_has_line_and_column() {
    manifest_is_refused("[step.a]\ncmd = 'x'\nouts = [", "mlx.toml, line 3, column 9: ", "the syntax is TOML's");
}

#[test]
fn an_unknown_key_gets_a_suggestion() {
    manifest_is_refused(
        "[step.a]\ncmd = 'x'\ndep = ['y']",
        "unknown key `dep` in step `a` (mlx.toml, line 3)",
        "did you mean `deps`?",
    );
    // However deep it stands, and also where a key that must be there is missing for it.
    for (text, key, place, meant) in [
        ("[step.a]\ncmnd = 'x'", "cmnd", "step `a`", "cmd"),
        ("[step.a]\ncmd = 'x'\nretry = { tims = 1 }", "tims", "`retry`", "times"),
        ("[step.a]\ncmd = 'x'\nouts = [{ pth = 'y' }]", "pth", "an output of step `a`", "path"),
        ("[step.a]\ncmd = 'x'\ndeps = [{ pth = 'y' }]", "pth", "a dependency of step `a`", "path"),
        ("[env]\npython = { requirement = 'r.txt' }", "requirement", "`python` in [env]", "requirements"),
        ("[data]\nraw = { pth = 'y' }", "pth", "[data]", "path"),
        ("[model.m]\npth = 'y'", "pth", "model `m`", "path"),
        ("[model.m]\npath = 'y'\nserve = { onx = 'y' }", "onx", "`serve`", "onnx"),
        ("[executor.e]\nknd = 'slurm'", "knd", "executor `e`", "kind"),
        ("[executor.e]\nkind = 'kubernetes'\nimag = 'x'", "imag", "executor `e`", "image"),
        ("[remote.r]\nurll = 'y'", "urll", "remote `r`", "url"),
        ("[target.t]\nurl = 'y'\nauth = { token = { envv = 'X' } }", "envv", "`token`", "env"),
    ] {
        let message = format!("unknown key `{key}` in {place} (mlx.toml, line");
        manifest_is_refused(text, &message, &format!("did you mean `{meant}`?"));
    }
}

#[test]
fn a_duplicate_key_is_named() {
    manifest_is_refused("[step.a]\ncmd = 'x'\ncmd = 'y'", "mlx.toml, line 3, column 1: ", "");
}

#[test]
fn a_wrong_type_is_named() {
    let project = Project::with_manifest("[step.a]\ncmd = 'x'\nouts = 'model'");

    project.mlx(&["train"]).exits_with(2).says("`outs` in step `a` must be an array, not a string (mlx.toml, line 3)");
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let arrays = format!("params = {}", "[".repeat(10_000));
    let tables = format!("[params]\na{} = 1", ".a".repeat(10_000));
    let inline = format!("params = {}1{}", "{ a = ".repeat(10_000), " }".repeat(10_000));
    for manifest in [arrays, tables, inline] {
        Project::with_manifest(&manifest).mlx(&["train"]).exits_with(2).says("mlx.toml, line ");
    }
}

#[test]
fn a_manifest_without_steps_says_how_one_looks() {
    manifest_is_refused("[project]\nname = 'x'", "there are no steps in mlx.toml", "a step is a table like");
}

#[test]
fn a_circle_is_shown_as_a_path() {
    manifest_is_refused(
        "[step.a]\ncmd = 'x'\ndeps = ['y']\nouts = ['x']\n[step.b]\ncmd = 'x'\ndeps = ['x']\nouts = ['y']",
        "the steps go in a circle: a -> b -> a (mlx.toml, line 1)",
        "each arrow means",
    );
}

#[test]
fn a_step_can_not_depend_on_itself() {
    manifest_is_refused(
        "[step.a]\ncmd = 'x'\ndeps = ['y']\nouts = ['y']",
        "step `a` depends on itself: it needs `y` and makes it (mlx.toml, line 1)",
        "take it out of `deps`",
    );
}

#[test]
fn two_steps_can_not_make_one_output() {
    manifest_is_refused(
        "[step.a]\ncmd = 'x'\nouts = ['y']\n[step.b]\ncmd = 'x'\nouts = ['./y/']",
        "steps `a` and `b` both make `y` (mlx.toml, line 4)",
        "give each its own output",
    );
}

#[test]
fn outputs_can_not_nest() {
    manifest_is_refused(
        "[step.a]\ncmd = 'x'\nouts = ['y']\n[step.b]\ncmd = 'x'\nmetrics = ['y/m.json']",
        "the output `y/m.json` of step `b` lies inside the output `y` of step `a` (mlx.toml, line 4)",
        "name the outer one only",
    );
}

#[test]
fn an_output_can_not_be_declared_data() {
    manifest_is_refused(
        "[data]\nraw = 'data.csv'\n[step.a]\ncmd = 'x'\nouts = ['data.csv']",
        "the output `data.csv` of step `a` is data that [data] names (mlx.toml, line 2) (mlx.toml, line 3)",
        "a path is either data or made by a step",
    );
}

#[test]
fn the_manifest_and_the_lock_are_no_outputs() {
    for path in ["mlx.toml", "mlx.lock"] {
        let manifest = format!("[step.a]\ncmd = 'x'\nouts = ['./{path}']");
        manifest_is_refused(&manifest, &format!("step `a` can't make `{path}`"), "give it another output");
    }
}

#[test]
fn an_output_can_not_be_tracked_data() {
    let project = Project::with_manifest("").write("data/x.csv", "1");
    project.mlx(&["add", "data/x.csv"]).success();
    project.set("mlx.toml", "[step.a]\ncmd = 'x'\nouts = ['data']");

    refused(
        &project,
        "the output `data` of step `a` overlaps the data `data/x.csv` that `mlx add` tracks (mlx.toml, line 1)",
        "a path is either data or made by a step",
    );
}

#[test]
fn paths_outside_of_the_project_are_refused() {
    let cases = [
        ("/etc/passwd", "`/etc/passwd` is absolute; paths are relative to the project (mlx.toml, line 3)"),
        ("../x", "`../x` leaves the project (mlx.toml, line 3)"),
        ("a/../../x", "`a/../../x` leaves the project (mlx.toml, line 3)"),
        (".git/hooks/x", "`.git/hooks/x` lies in `.git`, which is not the project's to use (mlx.toml, line 3)"),
        (".mlx/store", "`.mlx/store` lies in `.mlx`, which is not the project's to use (mlx.toml, line 3)"),
        (".", "the path is empty (mlx.toml, line 3)"),
    ];
    for (path, message) in cases {
        for key in ["deps", "outs", "metrics"] {
            let project = Project::with_manifest(&format!("[step.a]\ncmd = 'x'\n{key} = ['{path}']"));
            project.mlx(&["train"]).exits_with(2).says(&format!("`{key}` in step `a`: {message}"));
        }
    }
}

#[test]
fn a_link_that_leaves_the_project_is_refused() {
    let project = Project::with_manifest("[step.a]\ncmd = 'touch out/x'\nouts = ['out/x']");
    symlink(project.home(), project.path("out")).unwrap();

    refused(
        &project,
        "step `a` (mlx.toml, line 1): `out/x` leads out of the project through a symbolic link",
        "name a path that lies in the project itself",
    );
    assert_eq!(std::fs::read_dir(project.home()).unwrap().count(), 0);
}

#[test]
fn an_unknown_parameter_gets_a_suggestion() {
    let named = "[params]\ntrain = { trees = 3 }\n[step.a]\ncmd = 'x'\nparams = ['train.tree']";
    let used = "[params]\ntrain = { trees = 3 }\n[step.a]\ncmd = 'x ${train.tree}'";
    for manifest in [named, used] {
        manifest_is_refused(
            manifest,
            "step `a` uses the parameter `train.tree`, which there is not (mlx.toml, line 3)",
            "did you mean `train.trees`?",
        );
    }
}

#[test]
fn parameter_files_that_can_not_be_read_are_named() {
    let project = Project::with_manifest("params = ['params.yaml']\n[step.a]\ncmd = 'x'");
    refused(&project, "the parameter file `params.yaml` is not there", "mlx.toml names it in `params`");

    project.set("params.yaml", "a: 1\nb: [1\n");

    project.mlx(&["train"]).exits_with(2).says("the parameter file `params.yaml`: ").says("line ");
}

#[test]
fn a_dependency_that_nobody_makes_is_named() {
    manifest_is_refused(
        "[step.a]\ncmd = 'x'\ndeps = ['data.cvs']",
        "step `a` needs `data.cvs`, which is not in this workspace and no step makes it (mlx.toml, line 1)",
        "put it there, correct the path, or name it as an output of the step that makes it",
    );
}

#[test]
fn tracked_data_that_is_missing_can_be_brought_back() {
    let project = Project::with_manifest("[step.a]\ncmd = 'cp data/x out'\ndeps = ['data/x']\nouts = ['out']")
        .write("data/x", "1");
    project.mlx(&["add", "data"]).success();
    std::fs::remove_dir_all(project.path("data")).unwrap();

    refused(&project, "step `a` needs `data/x`", "bring it back with `mlx checkout data/x`");
}

#[test]
fn a_name_that_is_no_step_gets_a_suggestion() {
    let project = Project::with_manifest("[step.train]\ncmd = 'x'");

    project.mlx(&["train", "trian"]).exits_with(2).says("there is no step `trian`").says("did you mean `train`?");
}

#[test]
fn a_damaged_lock_is_named_before_anything_runs() {
    let project = Project::with_manifest("[step.a]\ncmd = 'touch ran'");
    for (lock, message) in [
        ("version = 1\n<<<<<<< ours\n", "mlx.lock, line 2: Git left a merge conflict here"),
        ("version = 9\n", "mlx.lock has version 9; this mlx knows up to 3"),
        ("version = 1\n[step.\"a\"", "mlx.lock, line 2"),
    ] {
        project.set("mlx.lock", lock);
        project.mlx(&["train"]).exits_with(2).says(message);
    }
    assert!(!project.exists("ran"));
}
