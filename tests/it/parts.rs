//! Dependencies on parts of files and on what lies outside of the project, through the program.

use super::harness::{Outcome, Project};
use super::steps::assert_outcomes;
use super::web::{Manner, Server};

fn project(dependency: &str) -> Project {
    let manifest = format!(
        "[step.use]\ncmd = 'echo x >> ran; echo made > out'\ndeps = [{dependency}]\nouts = ['out']\n\
         variables = {{ PREFIX = 'p' }}"
    );
    Project::with_manifest(&manifest)
}

#[track_caller]
fn plan_says(project: &Project, text: &str) -> Outcome {
    project.mlx(&["train", "-n"]).success().prints(text)
}

const UP_TO_DATE: [(&str, &str); 1] = [("use", "up_to_date")];
const RAN: [(&str, &str); 1] = [("use", "ran")];

#[test]
fn other_columns_do_not_matter() {
    let project = project("{ path = 'data.csv', columns = ['age', 'fare'] }").write("data.csv", "age,fare,x\n1,2,3\n");
    assert_outcomes(&project, &[], &RAN);
    let lock = project.read("mlx.lock");
    assert!(lock.contains("version = 3\n") && lock.contains("what = \"column `age` of `data.csv`\", digest"), "{lock}");

    project.set("data.csv", "x,fare,age,new\n9,2,\"1\",4\n");
    assert_outcomes(&project, &[], &UP_TO_DATE);
    assert_eq!(project.read("mlx.lock"), lock);
    project.set("data.csv", "age,fare\n7,2\n");
    plan_says(&project, "column `age` of `data.csv` changed");
    assert_outcomes(&project, &[], &RAN);

    project.set("data.csv", "age,x\n7,2\n");
    project
        .mlx(&["train"])
        .exits_with(2)
        .says("step `use` needs column `age` of `data.csv`, column `fare` of `data.csv`: it has no column `fare`");
    std::fs::remove_file(project.path("data.csv")).unwrap();
    project.mlx(&["train"]).exits_with(2).says("step `use` needs `data.csv`, which is not in this workspace");
}

#[test]
fn other_lines_do_not_matter() {
    let project = project("{ path = 'w.txt', lines = '1-2' }").write("w.txt", "a\nb\nc\n");
    assert_outcomes(&project, &[], &RAN);

    project.set("w.txt", "a\nb\nd\ne\n");
    assert_outcomes(&project, &[], &UP_TO_DATE);
    project.set("w.txt", "a\nB\nd\ne\n");
    plan_says(&project, "lines 1-2 of `w.txt` changed");
    assert_outcomes(&project, &[], &RAN);
}

#[test]
fn other_keys_do_not_matter() {
    let project = project("{ path = 'c.yaml', key = 'train.lr' }").write("c.yaml", "train: { lr: 1 }\n");
    assert_outcomes(&project, &[], &RAN);

    project.set("c.yaml", "# a comment\ntrain:\n  lr: 1\n  depth: 3\n");
    assert_outcomes(&project, &[], &UP_TO_DATE);
    project.set("c.yaml", "train: { lr: 2 }\n");
    plan_says(&project, "key `train.lr` of `c.yaml` changed");
    project.set("c.yaml", "train: { l: 2 }\n");
    project.mlx(&["train"]).exits_with(2).says("there is no `train.lr` in `c.yaml`").says("did you mean `train.l`?");
    project.set("c.yaml", "train: [\n");
    project.mlx(&["train"]).exits_with(2).says("`c.yaml`: ");
}

#[test]
fn of_a_variable_only_a_digest_is_kept() {
    let project = project("{ env = 'TOKEN' }");
    let train = |value: &str, arguments: &[&str]| {
        let mut command = project.command(&[&["train"], arguments].concat());
        project.outcome(command.env("TOKEN", value)).success()
    };
    assert_outcomes(&project, &[], &RAN);
    train("hunter2", &["-n"]).prints("variable `TOKEN` changed");
    train("hunter2", &[]).prints("ran");
    train("hunter2", &[]).prints("up to date");
    train("other", &["-n"]).prints("variable `TOKEN` changed");
    plan_says(&project, "variable `TOKEN` changed; made in run");

    let mut kept = vec![project.read("mlx.lock")];
    kept.push(train("hunter2", &["--json"]).stdout);
    kept.push(project.mlx(&["runs", "show", "latest", "--json"]).success().stdout);
    assert!(kept.iter().all(|text| !text.contains("hunter2")));
    let found = project.other("grep", &["-r", "hunter2", ".mlx", "mlx.lock"]).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn a_command_is_what_it_prints() {
    let project = project("{ command = 'echo x >> asked; cat \"$PREFIX\"-version' }").write("p-version", "1");
    assert_outcomes(&project, &[], &RAN);
    assert_eq!(project.read("asked").lines().count(), 1, "asked once in a run");
    assert_outcomes(&project, &[], &UP_TO_DATE);

    project.set("p-version", "2");
    plan_says(&project, "output of `echo x >> asked; cat \"$PREFIX\"-version` changed");
    std::fs::remove_file(project.path("p-version")).unwrap();
    project.mlx(&["train"]).exits_with(1).says("the command `echo x").says("p-version");
}

#[test]
fn parameters_reach_a_command_without_becoming_a_part_of_it() {
    let manifest = "[params]\nname = 'a b; touch hacked'\n[step.use]\ncmd = 'echo x > out'\nouts = ['out']\n\
                    deps = [{ command = 'echo \"${name}\"' }, { command = 'echo ${HOME}' }]";
    let project = Project::with_manifest(manifest);

    assert_outcomes(&project, &[], &RAN);
    assert!(!project.exists("hacked"));
    assert_outcomes(&project, &[], &UP_TO_DATE);
    plan_says(&project, "up to date");
    project.mlx(&["train", "-n", "--set", "name=other"]).success().prints("`name` went from");
}

#[test]
fn a_command_is_asked_once_for_all_steps() {
    let project = Project::with_manifest(
        "[step.t]\nforeach = ['a', 'b', 'c', 'd']\ncmd = 'touch ${item}'\nouts = ['${item}']\n\
         deps = [{ command = 'echo x >> asked; cat version' }]",
    )
    .write("version", "1");

    project.mlx(&["train"]).success();

    assert_eq!(project.read("asked").lines().count(), 1);
}

#[test]
fn a_url_is_its_version_or_else_its_content() {
    let server = Server::start("1,2", Some("\"v1\""), Manner::Whole);
    let project = project(&format!("{{ url = '{}' }}", server.url("prices.csv")));
    assert_outcomes(&project, &[], &RAN);
    server.set("other content that nobody reads", Some("\"v1\""));
    assert_outcomes(&project, &[], &UP_TO_DATE);
    assert!(server.asked().iter().all(|line| line.starts_with("HEAD")), "{:?}", server.asked());
    server.set("1,2", Some("\"v2\""));
    plan_says(&project, "prices.csv` changed");
    assert_outcomes(&project, &[], &RAN);

    server.set("a", None);
    assert_outcomes(&project, &[], &RAN);
    assert_outcomes(&project, &[], &UP_TO_DATE);
    server.set("b", None);
    assert_outcomes(&project, &[], &RAN);
}

#[test]
fn nonsense_is_named_with_its_place() {
    let cases = [
        ("{}", "a dependency of step `use` says no single thing (mlx.toml, line 3)"),
        ("{ path = 'x', lines = '1', key = 'a' }", "says no single thing"),
        ("{ path = 'x', env = 'A' }", "says no single thing"),
        ("{ columns = ['a'] }", "says no single thing"),
        ("{ path = 'x', columns = [] }", "says no single thing"),
        ("{ path = 'x', line = '1' }", "unknown key `line` in a dependency of step `use` (mlx.toml, line 3)"),
        ("{ path = '../x', lines = '1' }", "`deps` in step `use`: `../x` leaves the project (mlx.toml, line 3)"),
        ("{ path = 'x', lines = '3-2' }", "`deps` in step `use`: `3-2` is no range of lines"),
        ("{ env = 'A=1' }", "`deps` in step `use`: a variable has a name without `=`"),
        ("{ command = ' ' }", "`deps` in step `use`: the command is empty"),
        ("{ url = 'data.csv' }", "`deps` in step `use`: `data.csv` is no URL of a file elsewhere"),
        ("{ url = 'https://h/x?token=1' }", "the query of `https://h/x` may hold a secret"),
        ("{ url = 'https://me:pass@h/x' }", "holds a password"),
        ("{ path = 'dir', lines = '1' }", "step `use` needs lines 1 of `dir`: `dir` is a directory"),
        ("{ path = 'dir/t.txt', columns = ['a'] }", "it is neither CSV nor Parquet by its name"),
    ];
    for (dependency, message) in cases {
        let project = project(dependency).write("dir/t.txt", "x");
        project.mlx(&["train"]).exits_with(2).says(message);
        assert!(!project.exists("ran"));
    }
}

#[test]
fn a_part_of_an_output_orders_steps_and_stops_the_wave() {
    let project = Project::with_manifest(
        "[step.use]\ncmd = 'cut -d, -f1 made.csv > out'\ndeps = [{ path = 'made.csv', columns = ['a'] }]\nouts = ['out']\n\
         [step.make]\ncmd = 'cp in.csv made.csv'\ndeps = ['in.csv']\nouts = ['made.csv']",
    )
    .write("in.csv", "a,b\n1,2\n");
    assert_outcomes(&project, &[], &[("make", "ran"), ("use", "ran")]);

    project.set("in.csv", "a,b\n1,3\n");
    assert_outcomes(&project, &[], &[("make", "ran"), ("use", "up_to_date")]);
    std::fs::remove_file(project.path("made.csv")).unwrap();
    std::fs::remove_file(project.path("out")).unwrap();
    plan_says(&project, "depends on what `make` makes");
    assert_outcomes(&project, &[], &[("make", "restored"), ("use", "restored")]);
}
