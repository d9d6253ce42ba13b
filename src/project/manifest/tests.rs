//! Mistakes in a manifest, and its documents.

use serde_json::{Value, json};

use super::*;

fn error(text: &str) -> String {
    let error = Manifest::parse(text.as_bytes()).unwrap_err();
    format!("{error} | {}", error.hint().unwrap_or_default())
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        ("[step.a]\ncmd = 'x'\ndep = []", "unknown key `dep` in step `a` (mlx.toml, line 3) | did you mean `deps`?"),
        ("[step.a]\ncmd = 3", "`cmd` in step `a` must be a string, not an integer (mlx.toml, line 2) | "),
        ("[step.a]\ndeps = []", "step `a` has no `cmd` (mlx.toml, line 1) | "),
        (
            "[step.a]\ncmd = 'x'\ndeps = ['/etc']",
            "`deps` in step `a`: `/etc` is absolute; paths are relative to the project (mlx.toml, line 3) | ",
        ),
        (
            "[step.'a b']\ncmd = 'x'",
            "`a b` in [step]: the name `a b` may hold letters, digits, `-`, `_` and `.` only (mlx.toml, line 1) | ",
        ),
        (
            "[model.m]\npath='m'\ngates = { a = '0.8' }",
            "gate `a`: `0.8` is no gate; write \">= 0.80\", \"< 0.1\" or \"not worse than @production\" (mlx.toml, line 3) | ",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn bad_syntax_has_line_and_column() {
    assert!(error("[step.a]\ncmd = ").starts_with("mlx.toml, line 2, column 7: "));
    assert!(error("a = 1\na = 2").starts_with("mlx.toml, line 2, column 1: "));
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    error(&format!("a = {}", "[".repeat(10_000)));
    error(&format!("[{}a]", "a.".repeat(10_000)));
}

/// The schema takes the durations that the reader takes, in every place that has one.
#[test]
fn the_schema_has_one_form_of_durations() {
    let text = include_str!("../../../docs/mlx.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let (step, health) =
        ("/properties/step/additionalProperties", "/properties/target/additionalProperties/properties/health");
    let places = [
        (format!("{step}/properties/timeout"), false),
        (format!("{step}/properties/retry/anyOf/1/properties/delay"), true),
        (format!("{step}/properties/resources/properties/time"), false),
        ("/properties/executor/additionalProperties/properties/patience".into(), false),
        (format!("{health}/properties/timeout"), false),
        (format!("{health}/properties/watch"), true),
        ("/properties/target/additionalProperties/properties/resources/properties/time".into(), false),
    ];
    for (place, may_be_zero) in &places {
        let mut number = json!({ "type": "number", "exclusiveMinimum": 0 });
        let mut written = json!({
            "type": "string",
            "pattern": r"^\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*(ms|s|m|min|h|d)?\s*$",
            "not": { "pattern": r"^[\s0.]*[a-z]*\s*$" },
        });
        if *may_be_zero {
            number = json!({ "type": "number", "minimum": 0 });
            written.as_object_mut().unwrap().remove("not");
        }
        assert_eq!(schema.pointer(place).expect(place)["anyOf"], json!([number, written]), "{place}");
    }
    assert_eq!(text.matches("(ms|s|m|min|h|d)").count(), places.len(), "a duration has been added or forgotten");
}

/// Every table of the schema accepts exactly the keys that the reader knows: an unknown key's hint lists them.
#[test]
fn the_schema_and_the_page_name_the_keys_that_the_reader_knows() {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/mlx.schema.json")).unwrap();
    let page = include_str!("../../../docs/MANIFEST.md");
    let tables = [
        ("", "zzzz = 1"),
        ("/properties/project", "project.zzzz = 1"),
        ("/properties/data/additionalProperties/anyOf/1", "data.a = { path = 'a', zzzz = 1 }"),
        ("/properties/env", "env.zzzz = 1"),
        ("/properties/env/properties/python", "env.python = { requirements = [], zzzz = 1 }"),
        ("/properties/env/properties/conda", "env.conda = { file = 'x', zzzz = 1 }"),
        ("/properties/env/properties/container", "env.container = { image = 'x', zzzz = 1 }"),
        ("/properties/env/additionalProperties", "env.a = { zzzz = 1 }"),
        ("/properties/step/additionalProperties", "step.a = { cmd = 'x', zzzz = 1 }"),
        (
            "/properties/step/additionalProperties/properties/deps/items/anyOf/1",
            "step.a = { cmd = 'x', deps = [{ path = 'x', zzzz = 1 }] }",
        ),
        (
            "/properties/step/additionalProperties/properties/outs/items/anyOf/1",
            "step.a = { cmd = 'x', outs = [{ path = 'x', zzzz = 1 }] }",
        ),
        (
            "/properties/step/additionalProperties/properties/metrics/items/anyOf/1",
            "step.a = { cmd = 'x', metrics = [{ path = 'x', zzzz = 1 }] }",
        ),
        (
            "/properties/step/additionalProperties/properties/retry/anyOf/1",
            "step.a = { cmd = 'x', retry = { times = 1, zzzz = 1 } }",
        ),
        (
            "/properties/step/additionalProperties/properties/resources",
            "step.a = { cmd = 'x', resources = { zzzz = 1 } }",
        ),
        ("/properties/sweep/additionalProperties", "sweep.a = { zzzz = 1 }"),
        // Of each kind, one after the other.
        (
            "/properties/executor/additionalProperties",
            "executor.a = { kind = 'slurm', zzzz = 1 } | executor.a = { kind = 'ray', zzzz = 1 } | \
             executor.a = { kind = 'kubernetes', image = 'x', zzzz = 1 }",
        ),
        (
            "/properties/executor/additionalProperties/properties/volumes/additionalProperties",
            "executor.a = { kind = 'kubernetes', image = 'x', volumes = { '/a' = { zzzz = 1 } } }",
        ),
        ("/properties/model/additionalProperties", "model.a = { path = 'x', zzzz = 1 }"),
        (
            "/properties/model/additionalProperties/properties/serve",
            "model.a = { path = 'x', serve = { onnx = 'x', zzzz = 1 } }",
        ),
        (
            "/properties/model/additionalProperties/properties/pickles",
            "model.a = { path = 'x', pickles = { zzzz = 1 } }",
        ),
        (
            "/properties/model/additionalProperties/properties/parity",
            "model.a = { path = 'x', parity = { python = 'x.py:X', zzzz = 1 } }",
        ),
        (
            "/properties/model/additionalProperties/properties/image",
            "model.a = { path = 'x', image = { base = 'x', zzzz = 1 } }",
        ),
        ("/properties/remote/additionalProperties", "remote.a = { url = 'x', zzzz = 1 }"),
        (
            "/properties/target/additionalProperties",
            "target.a = { url = 'x', zzzz = 1 } | target.a = { kind = 'kubernetes', zzzz = 1 }",
        ),
        (
            "/properties/target/additionalProperties/properties/image",
            "target.a = { kind = 'kubernetes', image = { zzzz = 1 } }",
        ),
        (
            "/properties/target/additionalProperties/properties/autoscale",
            "target.a = { kind = 'kubernetes', autoscale = { max = 1, zzzz = 1 } }",
        ),
        (
            "/properties/target/additionalProperties/properties/service",
            "target.a = { kind = 'kubernetes', service = { zzzz = 1 } }",
        ),
        (
            "/properties/target/additionalProperties/properties/resources",
            "target.a = { kind = 'kubernetes', resources = { zzzz = 1 } }",
        ),
        (
            "/properties/target/additionalProperties/properties/health",
            "target.a = { url = 'x', health = { zzzz = 1 } }",
        ),
        ("/properties/target/additionalProperties/properties/auth", "target.a = { url = 'x', auth = { zzzz = 1 } }"),
        (
            "/properties/target/additionalProperties/properties/require",
            "target.a = { url = 'x', require = { zzzz = 1 } }",
        ),
    ];
    for (pointer, text) in tables {
        let errors: Vec<String> = text.split(" | ").map(error).collect();
        let names = |error: &'_ str| -> Vec<String> {
            let listed = error.split("there are: ").nth(1).expect(text);
            listed.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let mut known: Vec<String> = errors.iter().flat_map(|error| names(error)).collect();
        let properties = schema.pointer(pointer).and_then(|table| table["properties"].as_object()).expect(pointer);
        let mut in_schema: Vec<&str> = properties.keys().map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        in_schema.sort_unstable();
        assert_eq!(in_schema, known, "{text}");
        let missing: Vec<_> = known.iter().filter(|key| !page.contains(key.as_str())).collect();
        assert!(missing.is_empty(), "docs/MANIFEST.md does not mention {missing:?}");
    }
}
