//! Patterns in `deps` and `outs`, outputs that need not be made, and outputs that the store does not keep.

use std::os::unix::fs::symlink;

use super::harness::Project;
use super::steps::assert_outcomes;

#[track_caller]
fn plan_says(project: &Project, text: &str) {
    project.mlx(&["train", "-n"]).success().prints(text);
}

fn remove(project: &Project, path: &str) {
    std::fs::remove_file(project.path(path)).unwrap();
}

const SUM: &str = "[step.sum]\ncmd = 'cat data/*.csv > sum'\ndeps = ['data/*.csv', 'data/a.csv']\nouts = ['sum']";

#[test]
fn all_files_that_match_are_dependencies() {
    let project =
        Project::with_manifest(SUM).write("data/a.csv", "a").write("data/b.csv", "b").write("data/x.txt", "x");
    assert_outcomes(&project, &[], &[("sum", "ran")]);
    assert_eq!(project.read("mlx.lock").matches("{ path = \"data/").count(), 2);
    project.set("data/x.txt", "y");
    project.set("data/sub/c.csv", "y");
    assert_outcomes(&project, &[], &[("sum", "up_to_date")]);

    project.set("data/c.csv", "c");
    plan_says(&project, "`data/c.csv` is new");
    assert_outcomes(&project, &[], &[("sum", "ran")]);
    remove(&project, "data/b.csv");
    plan_says(&project, "`data/b.csv` is no dependency any more");
    assert_outcomes(&project, &[], &[("sum", "ran")]);
    assert_eq!(project.read("sum"), "ac");
    project.set("data/b.csv", "b");
    remove(&project, "data/c.csv");
    assert_outcomes(&project, &[], &[("sum", "restored")]);
}

#[test]
fn a_pattern_that_nothing_matches_is_named() {
    let project = Project::with_manifest("[step.a]\ncmd = 'x'\ndeps = ['data/*.csv']").write("data/x.txt", "");
    let message =
        "step `a` needs `data/*.csv`, which nothing in this workspace matches and no step makes (mlx.toml, line 1)";
    project.mlx(&["train"]).exits_with(2).says(message).says("correct the pattern");

    project.set(
        "mlx.toml",
        "[step.b]\ncmd = 'x'\ndeps = ['d/*.csv']\n[step.a]\ncmd = 'true'\nouts = [{ path = 'd/*', optional = true }]",
    );
    project
        .mlx(&["train"])
        .exits_with(3)
        .says("step `b` needs what matches `d/*.csv`, and nothing does (mlx.toml, line 1)");
}

#[test]
fn bad_patterns_are_named_with_their_place() {
    let cases = [
        ("deps = ['../*.csv']", "`deps` in step `a`: `../*.csv` leaves the project (mlx.toml, line 3)"),
        ("outs = ['/tmp/*']", "`outs` in step `a`: `/tmp/*` is absolute"),
        ("outs = ['x/[a-b']", "`outs` in step `a`: the `[` in `x/[a-b` is never closed"),
        ("deps = ['**']", "`deps` in step `a`: `**` matches the whole project"),
        ("metrics = ['m/*.json']", "`metrics` in step `a`: `m/*.json` is a pattern, and one path is needed"),
        ("dir = 'd*'", "`dir` in step `a`: `d*` is a pattern"),
        ("deps = [{ path = 'd/*.csv', columns = ['a'] }]", "`deps` in step `a`: `d/*.csv` is a pattern"),
        ("outs = [{ path = 'x', stored = false }]", "unknown key `stored` in an output of step `a` (mlx.toml, line 3)"),
        ("outs = [{ optional = true }]", "an output of step `a` has no `path` (mlx.toml, line 3)"),
        ("deps = ['x/*.csv']\nouts = ['x/y.csv']", "step `a` depends on itself: it needs `x/*.csv` and makes it"),
        ("outs = ['mlx.*']", "step `a` can't make `mlx.toml`, which says what mlx does"),
    ];
    for (text, message) in cases {
        let project = Project::with_manifest(&format!("[step.a]\ncmd = 'x'\n{text}"));
        project.mlx(&["train"]).exits_with(2).says(message);
    }
}

#[test]
fn a_sign_in_brackets_is_the_sign() {
    let project = Project::with_manifest("[step.a]\ncmd = 'cp in* out'\ndeps = ['in[[]1].csv']\nouts = ['out']")
        .write("in[1].csv", "1");

    assert_outcomes(&project, &[], &[("a", "ran")]);
    assert!(project.read("mlx.lock").contains("path = \"in[1].csv\""));
}

const SPLIT: &str = "[step.join]\ncmd = 'cat parts/*.txt > joined'\ndeps = ['parts/*.txt']\nouts = ['joined']\n\
    [step.split]\ncmd = 'for word in $(cat words); do mkdir -p parts/$word; echo $word > parts/$word.txt; echo $word > parts/$word/x.txt; done'\n\
    deps = ['words']\nouts = ['parts/**/*.txt']";

#[test]
fn outputs_that_match_are_kept_and_restored() {
    let project = Project::with_manifest(SPLIT).write("words", "one two");
    project.git(&["init", "--quiet"]);
    assert_outcomes(&project, &[], &[("split", "ran"), ("join", "ran")]);
    assert_eq!(project.read("joined"), "one\ntwo\n");
    assert!(project.read(".gitignore").lines().any(|line| line == "/parts/**/*.txt"), "{}", project.read(".gitignore"));
    assert_outcomes(&project, &[], &[("split", "up_to_date"), ("join", "up_to_date")]);

    remove(&project, "parts/one/x.txt");
    plan_says(&project, "its output `parts/one/x.txt` is missing");
    assert_outcomes(&project, &[], &[("split", "restored"), ("join", "up_to_date")]);
    std::fs::remove_dir_all(project.path("parts")).unwrap();
    remove(&project, "joined");
    assert_outcomes(&project, &[], &[("split", "restored"), ("join", "restored")]);
    assert_eq!(project.read("parts/two/x.txt"), "two\n");

    // What the step makes no more goes with what it made before.
    project.set("words", "two three");
    assert_outcomes(&project, &[], &[("split", "ran"), ("join", "ran")]);
    assert!(!project.exists("parts/one.txt") && project.exists("parts/three.txt"));
    project.set("words", "one two");
    assert_outcomes(&project, &[], &[("split", "restored"), ("join", "restored")]);
    assert!(project.exists("parts/one.txt") && !project.exists("parts/three.txt"));
    project.mlx(&["checkout"]).success();
    project.mlx(&["verify"]).success();
}

#[test]
fn the_wave_stops_where_what_matches_is_the_same() {
    let project = Project::with_manifest(SPLIT).write("words", "one two");
    assert_outcomes(&project, &[], &[("split", "ran"), ("join", "ran")]);

    project.set("words", "two\none");

    assert_outcomes(&project, &[], &[("split", "ran"), ("join", "up_to_date")]);
}

#[test]
fn a_file_of_the_users_that_matches_an_output_is_not_lost() {
    let project = Project::with_manifest(SPLIT).write("words", "one").write("parts/mine.txt", "precious");

    project
        .mlx(&["train"])
        .exits_with(2)
        .says("cannot replace the output `parts/mine.txt` of step `split`")
        .says("move it away if you need it");
    assert_eq!(project.read("parts/mine.txt"), "precious");

    project.set("mlx.toml", SPLIT.replace("parts/**/*.txt", "parts/*.txt"));
    remove(&project, "parts/mine.txt");
    assert_outcomes(&project, &[], &[("split", "ran"), ("join", "ran")]);
    project.set("parts/mine.txt", "precious");
    plan_says(&project, "`parts/mine.txt` is new among its outputs");
    project.mlx(&["train"]).exits_with(2).says("cannot replace the output `parts/mine.txt`");
    assert_eq!(project.read("parts/mine.txt"), "precious");
    project.mlx(&["add", "parts/mine.txt"]).exits_with(2).says("overlaps with what step `split` makes by a pattern");
}

#[test]
fn outputs_that_can_not_be_are_named() {
    let project = Project::with_manifest("[step.a]\ncmd = 'true'\nouts = ['d/*.bin']");
    project.mlx(&["train"]).exits_with(3).says("step `a` ended well and did not make anything that matches `d/*.bin`");
    project.set("mlx.toml", "[step.a]\ncmd = 'ln -s x d/x.bin'\nouts = ['d/*.bin']");
    project.mlx(&["train"]).exits_with(3).says("the output `d/x.bin` of step `a` is a symbolic link");
    std::fs::remove_dir_all(project.path("d")).unwrap();
    symlink(project.home(), project.path("d")).unwrap();
    project.mlx(&["train"]).exits_with(2).says("leads out of the project through a symbolic link");
}

#[test]
fn an_input_that_appears_on_the_way_is_an_error() {
    let project =
        Project::with_manifest("[step.a]\ncmd = 'touch in/new.csv'\ndeps = ['in/*.csv']").write("in/a.csv", "1");

    project.mlx(&["train"]).exits_with(3).says("step `a` made `in/new.csv`, which matches `in/*.csv`, its input");
}

#[test]
fn an_optional_output_need_not_be_made() {
    let project = Project::with_manifest(
        "[step.a]\ncmd = 'cp in out; if grep -q warn in; then cp in warnings; fi'\ndeps = ['in']\n\
         outs = ['out', { path = 'warnings', optional = true }]",
    )
    .write("in", "good");
    assert_outcomes(&project, &[], &[("a", "ran")]);
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
    project.mlx(&["status"]).success();

    project.set("in", "warn");
    assert_outcomes(&project, &[], &[("a", "ran")]);
    assert!(project.exists("warnings"));
    remove(&project, "warnings");
    plan_says(&project, "its output `warnings` is missing");
    assert_outcomes(&project, &[], &[("a", "restored")]);
    project.set("in", "good");
    assert_outcomes(&project, &[], &[("a", "restored")]);
    assert!(!project.exists("warnings"), "this key made none");
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
}

#[test]
fn an_output_that_is_not_kept_is_recorded_and_made_again() {
    let manifest = "[step.use]\ncmd = 'cp big used'\ndeps = ['big']\nouts = ['used']\n\
         [step.a]\ncmd = 'cp in big; cp in small; echo x >> ran'\ndeps = ['in']\nouts = ['small', { path = 'big', store = false }]";
    let project = Project::with_manifest(manifest).write("in", "a large content that is nowhere else");
    project.git(&["init", "--quiet"]);
    assert_outcomes(&project, &[], &[("a", "ran"), ("use", "ran")]);
    let lock = project.read("mlx.lock");
    assert!(lock.contains("version = 3\n") && lock.contains("unstored = [\n  { path = \"big\""), "{lock}");
    let ignored = project.read(".gitignore");
    assert!(ignored.contains("/small\n") && !ignored.contains("/big"), "{ignored}");
    assert_outcomes(&project, &[], &[("a", "up_to_date"), ("use", "up_to_date")]);

    remove(&project, "small");
    assert_outcomes(&project, &[], &[("a", "restored"), ("use", "up_to_date")]);
    remove(&project, "big");
    plan_says(&project, "its output `big` is missing, and the store does not keep it");
    assert_outcomes(&project, &[], &[("a", "ran"), ("use", "up_to_date")]);
    assert_eq!(project.read("ran").lines().count(), 2);

    project.set("in", "another");
    assert_outcomes(&project, &[], &[("a", "ran"), ("use", "ran")]);
    project.set("big", "changed by hand");
    project.mlx(&["train"]).exits_with(2).says("cannot replace the output `big` of step `a`");
    assert_outcomes(&project, &["--force"], &[("a", "ran"), ("use", "ran")]);

    // Once it is to be kept, what is known does not do.
    project.set("mlx.toml", manifest.replace("{ path = 'big', store = false }", "'big'"));
    assert_outcomes(&project, &[], &[("a", "ran"), ("use", "up_to_date")]);
    for command in ["verify", "gc", "status"] {
        project.mlx(&[command]).success();
    }
}

#[test]
fn what_is_not_kept_is_neither_checked_out_nor_pushed() {
    let project = Project::with_manifest(
        "[remote.r]\nurl = '../remote'\n[step.a]\ncmd = 'echo 1 > d/big; echo 2 > small'\n\
         outs = ['small', { path = 'd/*', store = false }]\nmetrics = [{ path = 'm.json', store = false, optional = true }]",
    );
    assert_outcomes(&project, &[], &[("a", "ran")]);
    std::fs::remove_dir_all(project.path("d")).unwrap();
    remove(&project, "small");

    project.mlx(&["push"]).success();
    project.mlx(&["checkout"]).success();
    project.mlx(&["gc"]).success();
    project.mlx(&["verify"]).success();

    assert!(project.exists("small") && !project.exists("d/big"));
    plan_says(&project, "its output `d/big` is missing, and the store does not keep it");
}

#[test]
fn a_frozen_step_takes_what_its_patterns_match() {
    let manifest = "[step.a]\ncmd = 'false'\nfrozen = true\nouts = ['d/*.bin', { path = 'e', optional = true }]";
    let project = Project::with_manifest(manifest);
    project
        .mlx(&["train"])
        .exits_with(2)
        .says("step `a` is frozen, and of its outputs anything that matches `d/*.bin` is not there");
    project.set("d/1.bin", "1");
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
    project.set("d/2.bin", "2");
    project.mlx(&["train", "--locked"]).exits_with(4);
    assert_outcomes(&project, &[], &[("a", "up_to_date")]);
    remove(&project, "d/1.bin");
    remove(&project, "d/2.bin");
    assert_outcomes(&project, &[], &[("a", "restored")]);
    assert!(project.exists("d/1.bin") && project.exists("d/2.bin"));
}

#[test]
fn a_pattern_in_a_fan_gathers_what_all_of_it_makes() {
    let project = Project::with_manifest(
        "[step.best]\ncmd = 'cat models/*/score > best'\ndeps = ['models/*/score']\nouts = ['best']\n\
         [step.train]\nforeach = ['a', 'b']\ncmd = 'mkdir -p models/${item}; echo ${item} > models/${item}/score'\n\
         outs = ['models/${item}/*']",
    );

    assert_outcomes(&project, &["best"], &[("train@a", "ran"), ("train@b", "ran"), ("best", "ran")]);
    assert_eq!(project.read("best"), "a\nb\n");
    assert_outcomes(&project, &[], &[("train@a", "up_to_date"), ("train@b", "up_to_date"), ("best", "up_to_date")]);
}

#[test]
fn explain_tells_of_each_file_that_matches() {
    let project = Project::with_manifest(SPLIT).write("words", "one two");
    project.mlx(&["train"]).success();
    let explain = |step: &str| project.mlx(&["explain", step, "--json"]).success().json();
    let named = |list: &serde_json::Value, key: &str, kind: &str| -> Vec<String> {
        let parts = list.as_array().unwrap().iter().filter(|part| kind.is_empty() || part["kind"] == kind);
        parts.map(|part| part[key].as_str().unwrap().to_owned()).collect()
    };

    let split = explain("split");
    let made = ["parts/one.txt", "parts/one/x.txt", "parts/two.txt", "parts/two/x.txt"];
    assert_eq!(named(&split["outputs"], "path", ""), made);
    assert!(split["parts"].as_array().unwrap().iter().all(|part| part["change"] == "same"), "{split}");
    let join = explain("join");
    assert_eq!(named(&join["parts"], "name", "dependency"), ["parts/one.txt", "parts/two.txt"]);
    assert!(join["parts"].as_array().unwrap().iter().all(|part| part["change"] == "same"), "{join}");

    project.set("mlx.toml", SPLIT.replace("deps = ['parts/*.txt']", "deps = ['parts/o*.txt']"));
    let join = explain("join");
    // What will match shows when the step before has run.
    project.set("words", "one three");
    let waits = explain("join");
    let change = |name: &str| {
        let part = waits["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap();
        (part["change"].as_str().unwrap().to_owned(), part["made_by"].clone())
    };
    assert_eq!(change("parts/one.txt"), ("unknown".to_owned(), "split".into()));
    assert_eq!(change("parts/two.txt"), ("gone".to_owned(), serde_json::Value::Null));
    project.set("words", "one two");
    let gone = join["parts"].as_array().unwrap().iter().find(|part| part["name"] == "parts/two.txt").unwrap();
    assert_eq!(gone["change"], "gone");
}

#[test]
fn since_looks_at_what_patterns_match() {
    let project = Project::with_manifest(SUM).write("data/a.csv", "a").write("data/b.csv", "b");
    project.mlx(&["train"]).success();
    project.commit("first");
    let since = |text: &str| project.mlx(&["train", "-n", "--since", "HEAD"]).success().says(text);

    assert!(!project.mlx(&["train", "-n", "--since", "HEAD"]).success().stderr.contains("since `HEAD` `"));
    project.set("data/c.csv", "c");
    since("step `sum`: since `HEAD` `data/c.csv` changed");
    remove(&project, "data/c.csv");
    remove(&project, "data/b.csv");
    since("step `sum`: since `HEAD` `data/b.csv` changed");
}
