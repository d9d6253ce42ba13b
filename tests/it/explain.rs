//! `mlx explain`: why a step would run or would not.

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
cmd = 'cat clean code > model; echo ${train.depth} >> model'
deps = ['clean', 'code']
outs = ['model']
variables = { MODE = 'fast' }
";

fn trained() -> Project {
    let project = Project::with_manifest(MANIFEST).write("raw", "1").write("code", "x");
    project.mlx(&["train"]).success();
    project
}

fn explained(project: &Project, arguments: &[&str]) -> Value {
    project.mlx(&[&["explain", "--json"], arguments].concat()).success().json()
}

/// What changed: `kind name`.
fn changed(explanation: &Value) -> Vec<String> {
    let parts = explanation["parts"].as_array().unwrap().iter().filter(|part| part["change"] != "same");
    let text = |part: &Value, key: &str| part[key].as_str().unwrap().to_owned();
    parts.map(|part| format!("{} {}: {}", text(part, "kind"), text(part, "name"), text(part, "change"))).collect()
}

#[test]
fn a_step_that_is_up_to_date_says_who_made_its_outputs() {
    let project = trained();
    let run = project.mlx(&["runs", "--json"]).success().json()["runs"][0]["id"].clone();

    let explanation = explained(&project, &["train"]);

    assert_eq!((explanation["action"].as_str().unwrap(), changed(&explanation)), ("up_to_date", Vec::new()));
    assert_eq!((&explanation["made"]["run"], &explanation["made"]["with_this_key"]), (&run, &Value::Bool(true)));
    assert_eq!(explanation["key"], explanation["last_key"]);
    let output = &explanation["outputs"][0];
    assert_eq!(
        (&output["in_working_tree"], &output["in_store"], &output["on_remote"]),
        (&"as_made".into(), &true.into(), &false.into())
    );
    project.mlx(&["explain", "train"]).success().prints("train is up to date");
}

#[test]
fn what_differs_is_named_with_both_values() {
    let project = trained();
    project.set("code", "y");

    let explanation = explained(&project, &["train", "--set", "train.depth=8"]);

    assert_eq!(explanation["action"], "run");
    assert_eq!(
        changed(&explanation),
        ["parameter train.depth: changed", "dependency code: changed", "variable MODE: unknown"]
    );
    let depth = explanation["parts"].as_array().unwrap().iter().find(|part| part["name"] == "train.depth").unwrap();
    assert_eq!((&depth["before"], &depth["now"]), (&6.into(), &8.into()));
    assert_eq!(explanation["made"]["with_this_key"], false);
    let text = project.mlx(&["explain", "train", "--set", "train.depth=8"]).success().stdout;
    assert!(text.starts_with("train would run: `train.depth` went from 6 to 8; `code` changed\n"), "{text}");
}

#[test]
fn what_waits_for_another_step_and_what_comes_from_the_store_say_so() {
    let project = trained();
    project.set("raw", "2");
    let explanation = explained(&project, &["train"]);
    assert_eq!((&explanation["action"], &explanation["key"]), (&"depends".into(), &Value::Null));
    assert_eq!(explanation["needs"][0]["action"], "run");
    project.mlx(&["explain", "train"]).success().prints("shows later");

    project.set("raw", "1");
    std::fs::remove_file(project.path("model")).unwrap();
    let explanation = explained(&project, &["train"]);
    assert_eq!(
        (&explanation["action"], &explanation["outputs"][0]["in_working_tree"]),
        (&"restore".into(), &"missing".into())
    );

    project.mlx(&["explain", "trian"]).exits_with(2).says("did you mean `train`?");
    let fan = "[step.zeta]\ncmd = 'true'\nforeach = ['b', 'a']\n[step.alpha]\ncmd = 'true'\n";
    let fan = Project::with_manifest(fan);
    fan.mlx(&["explain", "nope"]).exits_with(2).says("hint: there are: `zeta`, `alpha`, `zeta@b`, `zeta@a`\n");
}

#[test]
fn a_step_that_never_ran_has_nothing_to_compare_with() {
    let project = Project::with_manifest(MANIFEST).write("raw", "1");

    let explanation = explained(&project, &["prepare"]);

    assert_eq!(explanation["reason"], "it never ran here");
    assert!(changed(&explanation).iter().all(|change| change.ends_with(": new")), "{explanation}");
    // The input that is missing is shown, too.
    project.set("mlx.toml", MANIFEST.replace("cp raw clean", "cp raw clean; exit 1"));
    project.mlx(&["train", "prepare"]).exits_with(3);
    project.mlx(&["explain", "prepare"]).success().prints("it never came to a good end here").prints("something else");
    project.set("mlx.toml", MANIFEST);
    project.mlx(&["explain", "train"]).success().prints("not there");
}

#[test]
fn parts_of_files_and_what_lies_outside_are_parts_of_the_key() {
    let project = Project::with_manifest(
        "[step.fit]\ncmd='cut -d, -f1 data.csv > o'\ndeps=[{ path = 'data.csv', columns = ['a'] }]\nouts=['o']\n",
    )
    .write("data.csv", "a,b\n1,2\n");
    project.mlx(&["train"]).success();
    project.set("data.csv", "a,b\n1,3\n");
    assert_eq!(changed(&explained(&project, &["fit"])), [""; 0]);

    project.set("data.csv", "a,b\n9,3\n");

    assert_eq!(changed(&explained(&project, &["fit"])), ["part column `a` of `data.csv`: changed"]);
    // What no step makes is known, whatever has to run before; what one makes shows later.
    project.set(
        "mlx.toml",
        "[step.make]\ncmd='echo \"{}\" > m.json'\nouts=['m.json']\n[step.fit]\ncmd='x'\nouts=['o']\n\
         deps=[{ path = 'data.csv', lines = '1' }, { path = 'm.json', key = 'k' }]\n",
    );
    let waits = explained(&project, &["fit"]);
    let part =
        |name: &str| waits["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap().clone();
    assert!(part("lines 1 of `data.csv`")["now"].is_string(), "{waits}");
    assert_eq!(
        (&part("key `k` of `m.json`")["now"], &part("key `k` of `m.json`")["made_by"]),
        (&Value::Null, &"make".into())
    );
}
