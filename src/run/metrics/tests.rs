//! Tests of reading metrics.

use proptest::prelude::*;

use super::*;

fn metrics(name: &str, text: &str) -> Metrics {
    read(Path::new(name), text.as_bytes()).unwrap()
}

fn error(name: &str, text: &str) -> String {
    read(Path::new(name), text.as_bytes()).unwrap_err().to_string()
}

fn last<const N: usize>(values: [(&str, f64); N]) -> BTreeMap<String, f64> {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

fn points(metrics: &Metrics) -> Vec<(&str, u64, f64)> {
    metrics.history.iter().map(|point| (point.metric.as_str(), point.step, point.value)).collect()
}

#[test]
fn all_formats_of_tables_give_the_same() {
    let expected = last([("accuracy", 0.93), ("test.auc", 1.0)]);
    let cases = [
        ("m.json", r#"{"accuracy": 0.93, "test": {"auc": 1, "name": "x", "ok": true, "none": null}}"#),
        ("m.yaml", "accuracy: 0.93\ntest:\n  auc: 1\n  name: x\n  ok: true\n  none: ~\n"),
        ("m.yml", "accuracy: 0.93\ntest: {auc: 1}\n"),
        ("m.TOML", "accuracy = 0.93\n[test]\nauc = 1\nname = 'x'\nday = 2020-01-01\n"),
    ];
    for (name, text) in cases {
        assert_eq!(metrics(name, text), Metrics { last: expected.clone(), ..Metrics::default() }, "{name}");
    }
}

#[test]
fn lists_of_numbers_and_of_tables_are_histories() {
    let numbers = metrics("m.json", r#"{"loss": [0.9, 0.5], "confusion": [[1, 2], [3, 4]], "empty": []}"#);
    let rows = metrics("m.json", r#"[{"epoch": 5, "loss": 0.9}, {"epoch": 6, "loss": 0.5}]"#);

    assert_eq!(
        (numbers.last.clone(), points(&numbers)),
        (last([("loss", 0.5)]), vec![("loss", 0, 0.9), ("loss", 1, 0.5)])
    );
    assert_eq!((rows.last.clone(), points(&rows)), (last([("loss", 0.5)]), vec![("loss", 5, 0.9), ("loss", 6, 0.5)]));
}

#[test]
fn columns_are_histories_counted_by_step_or_row() {
    let epochs = metrics("m.csv", "epoch,loss,note,acc\n1.0,0.9,start,\n2,0.5,,0.8\n");
    let rows = metrics("m.tsv", "loss\n0.9\n0.5\n");

    assert_eq!(epochs.last, last([("acc", 0.8), ("loss", 0.5)]));
    assert_eq!(points(&epochs), [("acc", 2, 0.8), ("loss", 1, 0.9), ("loss", 2, 0.5)]);
    assert_eq!(points(&rows), [("loss", 0, 0.9), ("loss", 1, 0.5)]);
}

#[test]
fn numbers_that_are_not_finite_are_left_out_with_a_warning() {
    let cases = [
        ("m.json", r#"{"a": 1, "b": NaN, "c": -Infinity, "d \" NaN": "x"}"#),
        ("m.yaml", "a: 1\nb: .nan\nc: -.inf\n"),
        ("m.toml", "a = 1\nb = nan\nc = -inf\n"),
        ("m.csv", "a,b,c\n1,nan,-inf\n"),
    ];
    for (name, text) in cases {
        let metrics = metrics(name, text);
        assert_eq!(metrics.last, last([("a", 1.0)]), "{name}");
        let expected = ["b", "c"]
            .map(|metric| format!("{name}: `{metric}` has values that are not finite; they are not recorded"));
        assert_eq!(metrics.warnings, expected);
    }
}

#[test]
fn mistakes_are_named_with_their_line() {
    let cases = [
        ("m.json", "{\n\"a\": 1,\n}", "m.json, line 3: trailing comma"),
        ("m.yaml", "a: 1\nb: [1\n", "m.yaml, line "),
        ("m.toml", "a = 1\nb = \n", "m.toml, line 2: "),
        ("m.csv", "a,b\n1,2\n3\n", "m.csv, line 3: it has 1 fields, and the header 2"),
        ("m.csv", "a,b\n1,2\n3,x\n", "m.csv, line 3: `b` is `x`, which is no number"),
        ("m.csv", "step,b\nfirst,2\n", "m.csv, line 2: `first` is no count for `step`"),
        ("m.json", "", "m.json, line 1: EOF while parsing a value"),
        ("m.txt", "a", "`m.txt` is no file of metrics: its ending does not say what it holds"),
    ];
    for (name, text, expected) in cases {
        let error = error(name, text);
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(read(Path::new("m.json"), b"{\n\xff").unwrap_err().to_string().contains("line 2: the text is not UTF-8"));
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    error("m.json", &"[".repeat(100_000));
    error("m.yaml", &"[".repeat(100_000));
    error("m.toml", &format!("a = {}", "[".repeat(100_000)));
}

#[test]
fn a_long_history_keeps_its_ends() {
    let rows: String = (0..100_000).map(|row| format!("{row}\n")).collect();

    let metrics = metrics("m.csv", &format!("loss\n{rows}"));

    assert_eq!(metrics.history.len(), HISTORY_LIMIT);
    assert_eq!((metrics.history[0].step, metrics.history[HISTORY_LIMIT - 1].step), (0, 99_999));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, ending in prop::sample::select(vec!["json", "yaml", "toml", "csv", "tsv"])) {
        let _ = read(Path::new(&format!("m.{ending}")), &bytes);
    }

    #[test]
    fn what_json_holds_is_read(values in prop::collection::btree_map("[a-z\"\\\\NI]{1,6}", -1e300..1e300, 0..9)) {
        let text = serde_json::to_string(&values).unwrap();

        prop_assert_eq!(metrics("m.json", &text).last, values);
    }

    #[test]
    fn columns_read_back(losses in prop::collection::vec(-1e9..1e9, 1..50)) {
        let rows: String = losses.iter().enumerate().map(|(step, loss)| format!("{step},{loss}\n")).collect();

        let metrics = metrics("m.csv", &format!("step,loss\n{rows}"));

        let expected: Vec<_> = losses.iter().enumerate().map(|(step, loss)| ("loss", step as u64, *loss)).collect();
        prop_assert_eq!(points(&metrics), expected);
    }
}
