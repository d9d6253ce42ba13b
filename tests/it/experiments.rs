//! Experiments: runs that are named, tagged, noted, put in order, compared, brought back, exported and taken away.

use serde_json::Value;

use crate::harness::Project;

const MANIFEST: &str = "
[params]
train = { depth = 6 }

[step.prepare]
cmd = 'cp raw clean'
deps = ['raw']
outs = ['clean']

[step.train]
cmd = 'sh train.sh ${train.depth}'
deps = ['clean', 'train.sh']
outs = ['model']
metrics = ['metrics.json']
";

const PROGRAM: &str = "cat clean > model
echo $1 >> model
echo \"{\\\"auc\\\": 0.$1, \\\"loss\\\": [9, 5, $1]}\" > metrics.json
";

fn project() -> Project {
    let project = Project::with_manifest(MANIFEST).write("raw", "1\n").write("train.sh", PROGRAM);
    project.commit("start");
    project
}

/// Trains with this depth; returns the run's id.
fn train(project: &Project, depth: u32, more: &[&str]) -> String {
    let setting = format!("train.depth={depth}");
    let run = project.mlx(&[&["train", "--json", "--set", &setting], more].concat()).success().json();
    run["id"].as_str().unwrap().to_owned()
}

fn ids(project: &Project, arguments: &[&str]) -> Vec<String> {
    let listed = project.mlx(&[&["runs", "list", "--json"], arguments].concat()).success().json();
    listed["runs"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_is_named_tagged_and_noted_and_found_by_its_name() {
    let project = project();
    let first = train(&project, 3, &["--name", "base", "--tag", "good", "--tag", "old", "--note", "the first one"]);
    let second = train(&project, 4, &[]);

    assert_eq!(project.mlx(&["runs", "show", "base", "--json"]).success().json()["id"], first.as_str());
    assert_eq!(project.mlx(&["runs", "show", "@base", "--json"]).success().json()["note"], "the first one");
    project.mlx(&["logs", "base"]).success();
    project.mlx(&["runs", "tag", "latest", "good"]).success().prints("tags: good");
    project.mlx(&["runs", "tag", "base", "good", "--remove"]).success().prints("tags: old");
    assert_eq!(ids(&project, &["--tag", "good"]), std::slice::from_ref(&second));
    project.mlx(&["runs", "name", "latest", "base"]).exits_with(2).says("has the name `base` already");
    project.mlx(&["train", "--name", "base"]).exits_with(2).says("has the name `base` already");
    project.mlx(&["runs", "name", "base", "--remove"]).success();
    project.mlx(&["runs", "name", "latest", "base"]).success();
    project.mlx(&["runs", "note", "base", "better"]).success().prints("note: better");
    assert_eq!(project.mlx(&["runs", "show", "base", "--json"]).success().json()["id"], second.as_str());
    let listed = project.mlx(&["runs"]).success().stdout;
    assert!(listed.contains(" base ") && listed.contains("old"), "{listed}");
    for name in ["abc", "latest", "a b", ""] {
        project.mlx(&["runs", "name", "latest", name]).exits_with(2);
    }
    // The index can go: names stand beside the records.
    std::fs::remove_file(project.path(".mlx/runs.db")).unwrap();
    project.mlx(&["runs", "show", "base"]).success().prints("`base`").prints("better");
}

#[test]
fn runs_are_put_in_order_by_what_they_measured() {
    let project = project();
    let runs: Vec<String> = [5, 9, 7].into_iter().map(|depth| train(&project, depth, &[])).collect();

    assert_eq!(ids(&project, &["--sort", "auc"]), [runs[1].clone(), runs[2].clone(), runs[0].clone()]);
    assert_eq!(ids(&project, &["--sort", "auc", "--ascending", "--limit", "1"]), [runs[0].clone()]);
    assert_eq!(ids(&project, &["--sort", "train.depth", "--limit", "1"]), [runs[1].clone()]);
    project.mlx(&["runs", "show", &runs[0]]).success().prints("█▁▁");
    assert_eq!(ids(&project, &["--sort", "started", "--ascending"]), runs);
    let refused = project.mlx(&["runs", "--sort", "nope"]).exits_with(2);
    refused
        .says("runs can't be put in order by `nope`")
        .says("hint: there are: `duration`, `started`, `auc`, `loss`, `train.depth`\n");
    project.mlx(&["runs", "--sort", "ouc", "--tag", "none"]).exits_with(2).says("did you mean `auc`?");
    Project::with_manifest("").mlx(&["runs", "--sort", "auc"]).success().prints("no runs");
}

#[test]
fn runs_are_compared_down_to_the_lines_of_their_code() {
    let project = project();
    let first = train(&project, 3, &[]);
    project.set("train.sh", format!("{PROGRAM}# better\n"));
    project.set("notes.txt", "new\n");
    let second = train(&project, 4, &[]);
    project.commit("better");
    project.set("raw", "2\n");
    let third = train(&project, 4, &[]);

    let compared = project.mlx(&["compare", &first, &second, "--diff", "--json"]).success().json();
    let files: Vec<(&str, &str)> = compared["code"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap(), file["change"].as_str().unwrap()))
        .collect();
    assert!(files.contains(&("train.sh", "changed")) && files.contains(&("notes.txt", "added")), "{files:?}");
    assert!(compared["diff"].as_str().unwrap().contains("\n+# better\n"), "{compared}");
    assert_eq!(compared["params"][0]["name"], "train.depth");
    assert_eq!((&compared["data"][0]["path"], &compared["data"][0]["change"]), (&"train.sh".into(), &"changed".into()));
    project.mlx(&["compare", &first, &second]).success().prints("+1 -0");
    // What was uncommitted and is committed now is the same code.
    let compared = project.mlx(&["compare", &second, &third, "--json"]).success().json();
    let files = compared["code"].as_array().unwrap();
    assert!(files.iter().all(|file| file["path"] != "train.sh"), "{compared}");
    let text = project.mlx(&["compare", &first, &second, &third]).success().stdout;
    assert!(text.lines().any(|line| line.starts_with("train.depth") && line.split_whitespace().count() == 4), "{text}");
    assert_eq!(
        project.mlx(&["compare", &first, &second, &third, "--json"]).success().json()["comparisons"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_run_comes_back_with_outputs_code_and_settings() {
    let project = project();
    project.set("train.sh", format!("{PROGRAM}# mine\n"));
    let first = train(&project, 3, &[]);
    project.set("train.sh", PROGRAM);
    train(&project, 4, &[]);
    assert_eq!(project.read("model"), "1\n4\n");

    let plan = project.mlx(&["runs", "restore", &first, "--dry-run", "--json"]).success().json();
    assert_eq!((plan["outputs"].as_array().unwrap().len(), plan["files"][0].as_str()), (2, Some("train.sh")));
    assert_eq!(project.read("model"), "1\n4\n");
    project.mlx(&["runs", "restore", &first]).success().prints("mlx train --set train.depth=3");

    assert_eq!(project.read("model"), "1\n3\n");
    assert!(project.read("train.sh").ends_with("# mine\n"));
    let again = project.mlx(&["train", "--set", "train.depth=3", "--locked", "--json"]).success().json();
    assert_eq!(again["steps"][1]["outcome"], "up_to_date");
    project.mlx(&["runs", "restore", &first, "--only", "code"]).success().prints("Nothing of run");
}

const SUM: &str = "
[step.sum]
cmd = 'cat ../data/*.csv > ../sum; echo x > ../trace'
dir = 'work'
deps = ['data/*.csv', { path = 'c.json', key = 'a' }]
outs = ['sum', { path = 'trace', store = false }]
";

#[test]
fn a_run_that_came_back_says_what_of_its_data_is_another_and_explains_itself_truly() {
    let project = Project::with_manifest(SUM).write("work/keep", "").write("c.json", "{\"a\": 1, \"b\": 1}");
    let change = |b: &str, a: u32| {
        project.set("data/a.csv", "a\n");
        project.set("data/b.csv", b);
        project.set("c.json", format!("{{\"a\": {a}, \"b\": 2}}"));
        project.mlx(&["add", "data"]).success();
        project.commit("data");
        project.mlx(&["train", "--json"]).success().json()["id"].as_str().unwrap().to_owned()
    };
    let first = change("b\n", 1);
    let second = change("other\n", 2);

    let restored = project.mlx(&["runs", "restore", &first]).success();
    let restored = restored.prints("1 input is not what the run read, and it stays as here:\n  data/b.csv: ");
    restored.prints("bring it back with `mlx checkout data/b.csv --rev ").says("`mlx train` would make the outputs");

    // Only what differs is a reason, and it comes with the run that has it.
    let explained = project.mlx(&["explain", "sum", "--json"]).success().json();
    let reason = format!("`data/b.csv` changed; key `a` of `c.json` changed; made in run {second}");
    assert_eq!((&explained["action"], &explained["reason"]), (&"restore".into(), &reason.into()));
    let changes = explained["parts"].as_array().unwrap().iter().filter(|part| part["change"] != "same");
    assert_eq!(
        changes.map(|part| part["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["data/b.csv", "key `a` of `c.json`"]
    );
    let again = project.mlx(&["runs", "restore", &first, "--json"]).success().json();
    let remedy = again["inputs"][0]["remedy"].as_str().unwrap().strip_prefix("mlx ").unwrap().to_owned();
    project.mlx(&remedy.split(' ').collect::<Vec<_>>()).success();
    project.set("c.json", "{\"a\": 1}");
    let trained = project.mlx(&["train", "--json"]).success().json();
    assert_eq!(trained["steps"][0]["outcome"], "up_to_date", "{trained}");
    project.mlx(&["runs", "restore", &first]).success().prints(&format!("Nothing of run {first} differs"));
}

#[test]
fn local_changes_are_not_overwritten_unless_that_is_forced() {
    let project = project();
    let first = train(&project, 3, &[]);
    project.set("train.sh", "exit 1\n");
    project.mlx(&["runs", "restore", &first]).exits_with(2).says("`train.sh` holds changes that are in no commit");
    assert_eq!(project.read("train.sh"), "exit 1\n");
    project.set("train.sh", PROGRAM);
    project.set("model", "edited by hand\n");
    project.mlx(&["runs", "restore", &first]).exits_with(2).says("holds changes that are in no store");
    assert_eq!(project.read("model"), "edited by hand\n");

    project.set("train.sh", "exit 1\n");
    project.mlx(&["runs", "restore", &first, "--force"]).success();

    assert_eq!((project.read("model"), project.read("train.sh")), ("1\n3\n".into(), PROGRAM.into()));
    project.commit("later");
    project.set("model", "edited by hand\n");
    project.mlx(&["runs", "restore", &first, "--force"]).success().says("git checkout");
    assert_eq!(project.read("model"), "1\n3\n");
}

#[test]
fn runs_are_exported() {
    let project = project();
    let first = train(&project, 3, &["--name", "base", "--note", "a, \"b\""]);
    train(&project, 4, &[]);

    project.mlx(&["runs", "export", "--output", "runs.csv"]).success().says("Wrote 2 runs");
    let csv = project.read("runs.csv");
    let line = csv.lines().find(|line| line.starts_with(&first)).unwrap();
    assert!(csv.starts_with("id,name,tags,note,status,") && csv.contains("param.train.depth,metric.auc"), "{csv}");
    assert!(line.contains("base") && line.contains("\"a, \"\"b\"\"\"") && line.ends_with(",3,0.3,3"), "{line}");
    let json: Value = serde_json::from_str(&project.mlx(&["runs", "export", "base"]).success().stdout).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["steps"][1]["name"]), (&"base".into(), &"train".into()));
}

#[test]
fn a_run_goes_and_leaves_garbage_unless_a_model_comes_from_it() {
    let project = project();
    project.set("mlx.toml", format!("{MANIFEST}\n[model.m]\npath = 'model'\n"));
    let first = train(&project, 3, &["--name", "base"]);
    let second = train(&project, 4, &[]);
    project.mlx(&["model", "register", "m"]).success();

    project.mlx(&["runs", "rm", &second]).exits_with(2).says("`m` 1 comes from run");
    let plan = project.mlx(&["runs", "rm", "base", "--dry-run", "--json"]).success().json();
    assert!(plan["garbage"]["count"].as_u64().unwrap() >= 2, "{plan}");
    project.mlx(&["runs", "rm", "base"]).success().says("mlx gc --yes");

    assert_eq!(ids(&project, &[]), std::slice::from_ref(&second));
    project.mlx(&["runs", "show", &first]).exits_with(2);
    let freed = project.mlx(&["gc", "--yes", "--grace", "0s", "--json"]).success().json();
    assert_eq!(freed["objects"], plan["garbage"]["count"]);
    project.mlx(&["runs", "rm", &second, "--force"]).success();
    project.mlx(&["verify"]).success();
}
