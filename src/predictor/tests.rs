//! Requests, rows and answers, on a predictor small enough to see through.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Adds up each row of `x` and says how many rows there were.
struct Sum(Signature);

impl Sum {
    fn new() -> Self {
        let tensor = |name: &str, datatype, shape: &[i64], columns: &[&str]| Tensor {
            name: name.into(),
            datatype,
            shape: shape.into(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        };
        Self(Signature {
            inputs: vec![tensor("x", Datatype::Fp32, &[-1, 2], &["a", "b"])],
            outputs: vec![tensor("sum", Datatype::Fp32, &[-1], &[]), tensor("rows", Datatype::Int64, &[], &[])],
        })
    }
}

impl Predictor for Sum {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn platform(&self) -> &str {
        "sum"
    }

    fn warm(&self, _: &InferRequest) -> Result<()> {
        Ok(())
    }

    fn infer(&self, request: &InferRequest) -> Result<InferResponse> {
        self.0.check(request)?;
        let Elements::Fp32(x) = &request.inputs[0].data else { panic!("the signature was checked") };
        let sums: Vec<f32> = x.chunks(2).map(|row| row.iter().sum()).collect();
        let rows = sums.len();
        let sum = NamedTensor { name: "sum".into(), shape: vec![rows], data: Elements::Fp32(sums) };
        let count = NamedTensor { name: "rows".into(), shape: vec![], data: Elements::Int64(vec![rows as i64]) };
        Ok(InferResponse::of(vec![sum, count], request))
    }
}

fn ask(body: &str) -> Result<String, String> {
    let request = InferRequest::from_json(body.as_bytes()).map_err(|error| error.to_string())?;
    let response = Sum::new().infer(&request).map_err(|error| error.to_string())?;
    Ok(serde_json::to_string(&response).unwrap())
}

fn one(shape: &str, datatype: &str, data: &str) -> String {
    format!(r#"{{"inputs": [{{"name": "x", "shape": {shape}, "datatype": "{datatype}", "data": {data}}}]}}"#)
}

#[test]
fn data_is_flat_or_nested_and_keys_come_in_any_order() {
    let answer = r#"{"outputs":[{"name":"sum","datatype":"FP32","shape":[2],"data":[3.0,7.5]},{"name":"rows","datatype":"INT64","shape":[],"data":[2]}]}"#;

    assert_eq!(ask(&one("[2,2]", "FP32", "[1, 2, 3, 4.5]")).unwrap(), answer);
    assert_eq!(ask(&one("[2,2]", "FP32", "[[1, 2], [3, 4.5]]")).unwrap(), answer);
    let reversed = r#"{"inputs": [{"data": [[1,2],[3,4.5]], "datatype": "FP32", "parameters": {"a": [1]}, "shape": [2,2], "name": "x"}], "id": null}"#;
    assert_eq!(ask(reversed).unwrap(), answer);
}

#[test]
fn only_the_outputs_that_are_asked_for_come_in_their_order() {
    let body = |outputs: &str| {
        let inputs = r#"[{"name": "x", "shape": [1,2], "datatype": "FP32", "data": [1,2]}]"#;
        format!(r#"{{"inputs": {inputs}, "outputs": {outputs}}}"#)
    };

    let rows = r#"{"outputs":[{"name":"rows","datatype":"INT64","shape":[],"data":[1]}]}"#;
    assert_eq!(ask(&body(r#"[{"name": "rows"}]"#)).unwrap(), rows);
    let both = ask(&body(r#"[{"name": "rows", "parameters": {"binary_data": false}}, {"name": "sum"}]"#)).unwrap();
    assert!(both.find("rows").unwrap() < both.find("sum").unwrap());
    assert_eq!(ask(&body(r#"[{"name": "no"}]"#)).unwrap_err(), "the model has no output `no`; it gives `sum`, `rows`");
    assert_eq!(ask(&body(r#"[{"name": "sum"}, {"name": "sum"}]"#)).unwrap_err(), "output `sum` is asked for twice");
}

#[test]
fn bad_requests_say_what_is_wrong() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let twice = r#"{"inputs": [{"name": "x", "shape": [1,2], "datatype": "FP32", "data": [1,2]}, {"name": "x", "shape": [1,2], "datatype": "FP32", "data": [1,2]}]}"#;
    let cases = [
        ("", "EOF while parsing"),
        ("[]", "the request is no JSON object"),
        ("{}", "missing field `inputs`"),
        (r#"{"inputs": []}"#, "input `x` is missing"),
        (twice, "input `x` is given twice"),
        (r#"{"inputs": [{"name": "x", "shape": [1,2], "datatype": "FP32"}]}"#, "tensor `x` has no data"),
        (r#"{"inputs": [{"name": "x", "datatype": "FP32", "data": [1,2]}]}"#, "tensor `x` has no shape"),
        (r#"{"inputs": [{"name": "y", "shape": [1], "datatype": "FP32", "data": [1]}]}"#, "the model has no input `y`"),
        (&one("[1,2]", "FP64", "[1,2]"), "input `x` is FP32, not FP64"),
        (&one("[1,2]", "FLOAT", "[1,2]"), "unknown variant `FLOAT`"),
        (&one("[1,3]", "FP32", "[1,2,3]"), "input `x` has shape [-1, 2], where -1 is any length, not [1, 3]"),
        (&one("[1,2]", "FP32", "[1,2,3]"), "tensor `x` has shape [1, 2], which is 2 elements, and its data has 3"),
        (&one("[-1,2]", "FP32", "[1,2]"), "the shape [-1, 2] has a dimension below 0"),
        (&one("[9223372036854775807,9]", "FP32", "[1,2]"), "more than memory can hold"),
        (&one("[9999999999999999999,9]", "FP32", "[1,2]"), "expected i64"),
        (&one("[2,2]", "FP32", "[[1,2],[3]]"), "lists of different lengths side by side: 2 and 1"),
        (&one("[2,2]", "FP32", "[[1,2],3,4]"), "the data of `x` mixes lists and elements"),
        (&one("[1,4]", "FP32", "[[1,2],[3,4]]"), "has shape [1, 4], and its data is nested as [2, 2]"),
        (&one("[1,2]", "FP32", &deep), "recursion limit exceeded"),
        (&one("[1,2]", "FP32", "[NaN,1]"), "expected value at line 1"),
        (&one("[1,2]", "FP32", "[1e999,1]"), "number out of range"),
        (&one("[1,2]", "FP32", "[1e300,1]"), "which FP32 can't hold"),
        (&one("[1,2]", "FP32", r#"["1",1]"#), "element 0 of `x` is \"1\", which FP32 can't hold"),
        (&one("[1,2]", "FP32", "[1,{}]"), "expected a number, a string, true, false, null or a list of them"),
        (&one("[1,2]", "FP32", "5"), "expected a list of elements"),
        (&one("[1,2]", "UINT8", "[1,256]"), "element 1 of `x` is 256, which UINT8 can't hold"),
        (&one("[1,2]", "INT8", "[1,1.5]"), "element 1 of `x` is 1.5, which INT8 can't hold"),
        (&one("[1,2]", "INT64", "[1,null]"), "element 1 of `x` has no value, and INT64 has no way to say that"),
        (&one("[1,2]", "BOOL", "[true,2]"), "element 1 of `x` is 2, which BOOL can't hold"),
        (&one("[1,2]", "BYTES", r#"["a",2]"#), "element 1 of `x` is 2, which BYTES can't hold"),
    ];
    let unexpected = cases.map(|(body, expected)| {
        let error = ask(body).unwrap_err();
        (!error.contains(expected)).then(|| format!("{body}\nsays: {error}\nnot:  {expected}\n"))
    });
    assert_eq!(unexpected.into_iter().flatten().collect::<String>(), "");
}

#[test]
fn whole_numbers_keep_all_their_digits() {
    let body = one("[1,2]", "INT64", "[9223372036854775807, -9223372036854775808]");

    let request = InferRequest::from_json(body.as_bytes()).unwrap();

    assert_eq!(request.inputs[0].data, Elements::Int64(vec![i64::MAX, i64::MIN]));
}

#[test]
fn rows_of_a_table_become_the_input_whatever_else_the_table_has() {
    let signature = Sum::new().0;
    let expected = InferRequest {
        inputs: vec![NamedTensor { name: "x".into(), shape: vec![2, 2], data: Elements::Fp32(vec![1., 2., 3., 4.5]) }],
        ..InferRequest::default()
    };

    let csv = rows::from_csv(&signature, b"\xef\xbb\xbfb,label,a\n2,yes,1\n4.5,no,3\n");
    assert_eq!(csv.unwrap(), expected);
    for json in [
        r#"[[1, 2], [3, 4.5]]"#,
        r#"[{"a": 1, "b": 2, "label": "yes"}, {"b": 4.5, "a": 3}]"#,
        &one("[2,2]", "FP32", "[[1,2],[3,4.5]]"),
    ] {
        assert_eq!(rows::from_json(&signature, json.as_bytes()).unwrap(), expected, "{json}");
    }
    let single = rows::from_json(&signature, b"[7, 8]").unwrap();
    assert_eq!(single, rows::from_json(&signature, br#"{"a": 7, "b": 8}"#).unwrap());
    // A text is a row of its own.
    let text = Tensor { name: "text".into(), datatype: Datatype::Bytes, shape: vec![-1], columns: vec![] };
    let texts = Signature { inputs: vec![text], outputs: vec![] };
    let listed = rows::from_json(&texts, br#"["one", "two"]"#).unwrap();
    assert_eq!(listed, rows::from_csv(&texts, b"id,text\n1,one\n2,two\n").unwrap());
    assert_eq!(listed.inputs[0].shape, [2]);
}

#[test]
fn a_model_with_an_input_a_column_takes_them_by_name() {
    let mut signature = Sum::new().0;
    signature.inputs = vec![
        Tensor { name: "age".into(), datatype: Datatype::Int64, shape: vec![-1, 1], columns: vec![] },
        Tensor { name: "town".into(), datatype: Datatype::Bytes, shape: vec![-1], columns: vec![] },
    ];

    let request = rows::from_csv(&signature, "town,age\nKöln,4\n\"Ulm, Donau\",5\n".as_bytes()).unwrap();

    let [age, town] = request.inputs.as_slice() else { panic!("{request:?}") };
    assert_eq!((age.shape.as_slice(), &age.data), (&[2, 1][..], &Elements::Int64(vec![4, 5])));
    let towns = Elements::Bytes(vec!["Köln".into(), "Ulm, Donau".into()]);
    assert_eq!((town.shape.as_slice(), &town.data), (&[2][..], &towns));
}

#[test]
fn an_infinity_is_refused_because_the_request_would_say_missing() {
    let signature = Sum::new().0;
    for number in ["inf", "-Infinity", "1e400", "-1e999"] {
        let error = rows::from_csv(&signature, format!("a,b\n1,{number}\n").as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "line 2, column `b` is infinite or too large, which a request can't carry", "{number}");
    }
}

#[test]
fn bad_rows_say_where() {
    let signature = Sum::new().0;
    let mut unnamed = signature.clone();
    unnamed.inputs[0].columns.clear();
    let csv = |signature, text: &str| rows::from_csv(signature, text.as_bytes()).unwrap_err().to_string();
    let json = |signature, text: &str| rows::from_json(signature, text.as_bytes()).unwrap_err().to_string();

    assert_eq!(csv(&signature, "a,b\n1,2\n3,x\n"), "line 3, column `b` is \"x\", which FP32 can't hold");
    assert_eq!(csv(&signature, "a,c\n1,2\n"), "column `b` is missing: there are: `a`, `c`");
    assert_eq!(csv(&signature, "\u{1b}[2J,c\n1,2\n"), r"column `a` is missing: there are: `\x1b[2J`, `c`");
    assert_eq!(csv(&signature, "a,a\n1,2\n"), "two columns have the name `a`");
    assert_eq!(csv(&signature, "1,2\n3,4\n"), "the first line of the CSV must name the columns, and has only numbers");
    assert_eq!(csv(&signature, "a,b\n"), "there are no rows");
    assert_eq!(csv(&signature, ""), "the CSV is empty; its first line must name the columns");
    assert_eq!(csv(&signature, "a;b\n1;2\n"), "the columns of the CSV must be separated by commas");
    assert!(csv(&signature, "a,b\n1\n").contains("line: 2"), "{}", csv(&signature, "a,b\n1\n"));
    assert_eq!(csv(&unnamed, "p,q,r\n1,2,3\n"), "input `x` takes 2 columns a row, and there are 3");
    assert_eq!(json(&signature, "[[1,2],[3]]"), "row 1 has 1 values, and the first has 2");
    assert_eq!(json(&signature, r#"[{"a": 1, "b": 2}, {"a": 3}]"#), "row 1 has no `b`");
    assert_eq!(json(&signature, r#"[[1, true]]"#), "row 0, value 1 is true, which FP32 can't hold");
    assert_eq!(json(&signature, "[]"), "there are no rows");
    assert!(json(&signature, "[1, [2]]").contains("neither a request, nor rows"));
}

#[test]
fn answers_match_within_the_tolerance_and_differences_are_named() {
    let answer = |sum: f64, label: &str| {
        json!({"outputs": [
            {"name": "sum", "datatype": "FP64", "shape": [2], "data": [1000.0, sum]},
            {"name": "label", "datatype": "BYTES", "shape": [1], "data": [label]},
        ]})
    };
    let expected = answer(100.0, "yes");

    assert_eq!(matches(&expected, &answer(100.000_05, "yes"), 1e-6), Ok(()));
    assert_eq!(
        matches(&expected, &answer(100.1, "yes"), 1e-6).unwrap_err(),
        "output `sum`, element 1: 100.1 instead of 100"
    );
    assert_eq!(
        matches(&expected, &answer(100.0, "no"), 1e-6).unwrap_err(),
        "output `label`, element 0: no instead of yes"
    );
    assert_eq!(matches(&expected, &json!({"outputs": []}), 1e-6).unwrap_err(), "output `sum` is missing");
    assert_eq!(matches(&json!({"outputs": []}), &expected, 1e-6).unwrap_err(), "output `sum` was not expected");
    let missing = json!({"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [null]}]});
    assert_eq!(matches(&missing, &missing, 1e-6), Ok(()));
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        floats in proptest::collection::vec(any::<f32>().prop_filter("JSON has none", |x| x.is_finite()), 0..20),
        words in proptest::collection::vec(".{0,9}", 0..20),
        id in proptest::option::of(".*"),
    ) {
        let tensor = |name: &str, data: Elements| NamedTensor { name: name.into(), shape: vec![data.len()], data };
        let inputs = vec![tensor("floats", Elements::Fp32(floats)), tensor("words", Elements::Bytes(words.into_iter().map(String::into_bytes).collect()))];
        let request = InferRequest { id, inputs, outputs: vec!["a".into()], ..InferRequest::default() };

        let written = serde_json::to_vec(&request).unwrap();

        prop_assert_eq!(InferRequest::from_json(&written).unwrap(), request);
    }

    #[test]
    fn no_body_makes_it_panic(body in ".{0,60}", data in r#"[\[\]0-9,eE.+"a-]{0,40}"#, shape in r"[\[\]0-9,-]{0,12}") {
        let _ = InferRequest::from_json(body.as_bytes());
        let _ = InferRequest::from_json(one(&shape, "FP32", &data).as_bytes());
        let _ = rows::from_csv(&Sum::new().0, body.as_bytes());
        let _ = rows::from_json(&Sum::new().0, data.as_bytes());
    }
}
