//! What `mlx diff` says of tables.

use insta::assert_snapshot;

use crate::harness::Project;

fn project() -> Project {
    let project = Project::with_manifest("")
        .write("data/prices.csv", "id,price,city\n1,10,Rome\n2,20,Oslo\n3,30,Bonn\n")
        .write("data/notes.jsonl", "{\"id\":1}\n")
        .write("data/not.csv", "a,b\n");
    project.mlx(&["add", "data"]).success();
    project.set("data/prices.csv", "id,price,city,age\n1,10,Rome,3\n2,25.5,Oslo,4\n3,30,Bonn,5\n4,40,Kyiv,6\n");
    project.set("data/notes.jsonl", "{\"id\":1}\n{\"id\":2}\n");
    project.set("data/not.csv", b"\0\0");
    project
}

#[test]
fn changed_tables_show_their_rows_and_columns() {
    let project = project();

    assert_snapshot!(project.mlx(&["diff"]).success().text(), @"
    changed  data/not.csv  (4 B -> 2 B)
             not compared as a table (after): it is no text in UTF-8
    changed  data/notes.jsonl  (9 B -> 18 B)
             rows 1 -> 2: 1 added (row 2)
             `id` 1..1 -> 1..2
    changed  data/prices.csv  (44 B -> 68 B)
             rows 3 -> 4: 1 added (row 4), 1 changed (row 2)
             columns 3 -> 4: added `age` (integer)
             `id` 1..3 -> 1..4
             `price` integer -> float, 10..30 -> 10..40
    3 files changed (88 B)
    ");
    project.mlx(&["add", "data"]).success();
    project.commit("after");
    project.mlx(&["diff", "HEAD"]).success().prints("No file differs");
}

#[test]
fn the_summary_is_part_of_the_document() {
    let project = project();

    let diff = project.mlx(&["diff", "--json"]).success().json();

    let table = &diff["changes"][2]["table"];
    assert_eq!(table["format"], "csv");
    assert_eq!(table["rows"], serde_json::json!({ "added": 1, "removed": 0, "changed": 1, "estimated": false }));
    assert_eq!(table["first_rows"], serde_json::json!({ "added": [4], "removed": [], "changed": [2] }));
    assert_eq!(table["columns_added"][0]["type"], "integer");
    assert!(diff["changes"][0]["note"].as_str().unwrap().contains("it is no text in UTF-8"));
}

#[test]
fn the_summary_is_left_out_on_demand() {
    let project = project();

    assert_snapshot!(project.mlx(&["diff", "--no-summary"]).success().text(), @"
    changed  data/not.csv  (4 B -> 2 B)
    changed  data/notes.jsonl  (9 B -> 18 B)
    changed  data/prices.csv  (44 B -> 68 B)
    3 files changed (88 B)
    ");
}

#[test]
fn many_tables_are_looked_into_on_demand() {
    let project = Project::with_manifest("");
    let write = |content: &str| (0..22).for_each(|number| project.set(format!("data/{number}.csv"), content));
    write("a\n");
    project.mlx(&["add", "data"]).success();
    write("a\n1\n");

    let some = project.mlx(&["diff"]).success().says("Not looked into: 2 changed tables");
    assert_eq!(some.stdout.matches("rows 0 -> 1: 1 added").count(), 20);
    let all = project.mlx(&["diff", "--summary"]).success();
    assert_eq!(all.stdout.matches("rows 0 -> 1: 1 added").count(), 22);
}
