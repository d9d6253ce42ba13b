//! The Open Inference Protocol v2 as `mlx serve` speaks it: over plain connections, and with Triton's own client.

use std::io::Read;

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use serde_json::{Value, json};

use crate::bundles::register;
use crate::clients::run_client;
use crate::harness::Project;
use crate::server::{Server, post, rows, unpacked};

const ECHO: &[u8] = include_bytes!("../fixtures/echo.onnx");

#[test]
fn the_protocol_is_spoken_on_versioned_and_unversioned_paths() {
    let project = unpacked();
    let server = Server::start(&project, &["release", "--model-name", "linear"]);

    let server_metadata = server.get("/v2").json();
    assert_eq!((&server_metadata["name"], &server_metadata["models"]), (&json!("mlx"), &json!(["linear"])));
    for (path, body) in [("/v2/health/live", json!({"live": true})), ("/v2/health/ready", json!({"ready": true}))] {
        assert_eq!((server.get(path).status, server.get(path).json()), (200, body));
    }
    for model in ["/v2/models/linear", "/v2/models/linear/versions/1"] {
        assert_eq!(server.get(model).json()["platform"], "onnxruntime_onnx");
        assert_eq!(server.get(&format!("{model}/ready")).status, 200);
        let body = r#"{"id": "seven", "outputs": [{"name": "y", "parameters": {"binary_data": false}}],
            "inputs": [{"data": [1, 2, 3], "datatype": "FP32", "shape": [1, 3], "name": "x"}]}"#;
        let answer = server.post(&format!("{model}/infer"), body);
        assert_eq!((answer.status, &answer.json()["id"]), (200, &json!("seven")));
        assert_eq!(answer.json()["outputs"][0]["data"], json!([2.5]));
    }
    let metrics = server.get("/metrics").body;
    let counted = r#"mlx_inference_requests_total{model="linear",version="1",release=""#;
    let is_it = |line: &str| line.starts_with(counted) && line.ends_with(r#",code="200"} 2"#);
    assert!(metrics.lines().any(is_it), "{metrics}");
}

#[test]
fn every_bad_request_gets_an_error_in_json_and_the_next_good_one_an_answer() {
    let project = unpacked();
    let server = Server::start(&project, &["release", "--max-body", "1"]);
    let model = "/v2/models/m";
    let infer = "/v2/models/m/infer";
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let overflowing = rows("[[1, 2, 3]]").replace("[1, 3]", "[4611686018427387904, 4, 3]");
    let large = format!("{}{}", rows("[[1, 2, 3]]"), " ".repeat(2 << 20));
    let chunked = |body: &str| {
        let head =
            format!("POST {infer} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = body
            .as_bytes()
            .chunks(1 << 16)
            .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)));
        format!("{head}{}0\r\n\r\n", chunk.collect::<String>())
    };
    let with_header = |header: &str| post(infer, "{}").replace("Host: x", &format!("Host: x\r\n{header}"));
    let cases: Vec<(String, u16, &str)> = vec![
        (post(infer, ""), 400, "EOF while parsing"),
        (post(infer, "{"), 400, "EOF while parsing"),
        (post(infer, "[]"), 400, "no JSON object"),
        (post(infer, "\u{0}\u{1}"), 400, "no JSON object"),
        (post(infer, &deep), 400, "no JSON object"),
        (post(infer, &rows("[[1, 2, 3]]").replace("[[1, 2, 3]]", &deep)), 400, "recursion limit exceeded"),
        (
            post(infer, &rows("[[NaN, 2, 3]]".replace("NaN", "0").as_str()).replace("[[0,", "[[NaN,")),
            400,
            "expected value",
        ),
        (post(infer, &rows("[[0, 2, 3]]").replace("[[0,", "[[Infinity,")), 400, "expected value"),
        (post(infer, &rows("[[0, 2, 3]]").replace("[[0,", "[[1e400,")), 400, "number out of range"),
        (post(infer, &rows("[[1e39, 2, 3]]")), 400, "which FP32 can't hold"),
        (post(infer, &rows("[[1, 2]]")), 400, "which is 3 elements, and its data has 2"),
        (
            post(infer, &rows("[[1, 2, \\\"a\\\"]]".replace('\\', "").as_str())),
            400,
            "is \\\"a\\\", which FP32 can't hold",
        ),
        (post(infer, &rows("[[1, 2, 3]]").replace("FP32", "INT64")), 400, "input `x` is FP32, not INT64"),
        (post(infer, &rows("[[1, 2, 3]]").replace("\"x\"", "\"z\"")), 400, "the model has no input `z`"),
        (
            post(infer, &rows("[[1, 2, 3]]").replace("[1, 3]", "[3]")),
            400,
            "has shape [3], and its data is nested as [1, 3]",
        ),
        (
            post(infer, &rows("[[1, 2, 3]]").replace("[[1, 2, 3]]", "[1, 2, 3]").replace("[1, 3]", "[3]")),
            400,
            "has shape [-1, 3], where -1 is any length, not [3]",
        ),
        (post(infer, &rows("[[1, 2, 3]]").replace("[1, 3]", "[-1, 3]")), 400, "a dimension below 0"),
        (post(infer, &overflowing), 400, "more than memory can hold"),
        (post(infer, r#"{"inputs": [], "inputs": []}"#), 400, "duplicate field `inputs`"),
        (post(infer, r#"{"inputs": []}"#), 400, "input `x` is missing"),
        (post(infer, r#"{"inputs": null}"#), 400, "invalid type: null"),
        (post(infer, &rows("[[1, 2, 3]]").replacen('{', r#"{"id": 7, "#, 1)), 400, "invalid type: integer `7`"),
        (post(infer, &rows("[[1, 2, 3]]").replacen('{', r#"{"outputs": [{"name": "z"}], "#, 1)), 400, "no output `z`"),
        (
            post(infer, &rows("[[1, 2, 3]]").replacen('{', r#"{"outputs": [{"name": "y"}, {"name": "y"}], "#, 1)),
            400,
            "output `y` is asked for twice",
        ),
        (post(infer, &rows("[[1, 2, 3]]").replace(", \"data\": [[1, 2, 3]]", "")), 400, "data"),
        (post(infer, &large), 413, "larger than 1048576 bytes"),
        (chunked(&large), 413, "larger than 1048576 bytes"),
        // Who asks first hears it before it has sent anything.
        (
            format!("POST {infer} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n"),
            413,
            "larger than 1048576 bytes",
        ),
        (chunked("{}"), 400, "missing field `inputs`"),
        (with_header("Inference-Header-Content-Length: 3"), 400, "the whole request has 2"),
        (with_header("Inference-Header-Content-Length: -1"), 400, "is no number"),
        (with_header("Content-Encoding: gzip"), 400, "the compressed body can't be unpacked"),
        (with_header("Content-Encoding: br"), 400, "none of gzip, deflate and identity"),
        (with_header("Content-Length: 2\r\nTransfer-Encoding: nonsense"), 400, "can't be read as an HTTP/1.1 request"),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1 << 17)), 414, "address is too long"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)), 431, "headers are too large"),
        ("NONSENSE\r\n\r\n".into(), 400, "can't be read as an HTTP/1.1 request"),
        ("GET / HTTP/9.9\r\n\r\n".into(), 400, "can't be read as an HTTP/1.1 request"),
        (post("/v2/models/other/infer", "{}"), 404, "unknown model `other`; `m` is served"),
        (post("/v2/models/..%2F..%2Fetc%2Fpasswd/infer", "{}"), 404, "unknown model `../../etc/passwd`"),
        (post("/v2/models/../../etc/infer", "{}"), 404, "there is nothing at this path"),
        (post("/v2/models/%ff%0a/infer", "{}"), 400, "the path is no UTF-8"),
        (post("/v2/models/m/versions/2/infer", "{}"), 404, "has no version `2` here; 1 is served"),
        (post("/v2/models/m/versions/..%2f1/infer", "{}"), 404, "has no version `../1` here"),
        (post("/v2", "{}"), 405, "does not take this method"),
        (post(infer, "{}").replace("POST", "GET"), 405, "does not take this method"),
        (post(model, "{}"), 405, "does not take this method"),
        (post("/", "{}"), 405, "does not take this method"),
        (post("/nothing", "{}"), 404, "there is nothing at this path"),
    ];

    for (request, status, message) in cases {
        let answer = server.exchange(request.as_bytes());
        let shown = &request[..request.len().min(300)];
        assert_eq!(answer.status, status, "{shown}\n{}", answer.body);
        let error = answer.json();
        assert!(error["error"].is_string() && error.as_object().unwrap().len() == 1, "{shown}\n{error}");
        assert!(answer.body.contains(message), "{shown}\n{error}\nsays nothing of {message}");
        assert!(!answer.body.contains(&*project.root().to_string_lossy()), "a path leaks: {error}");
        server.assert_answers();
    }
}

/// A bundle of a model that gives back what it is given, of every datatype.
fn echo() -> Project {
    let manifest = "[env]\npython = { requirements = [\"onnxruntime==1.32.0\"] }\n[model.m]\npath = \"model\"\n\
        serve = { onnx = \"model/echo.onnx\" }\n";
    let project = Project::with_manifest(manifest);
    register(&project, &[("echo.onnx", ECHO)]);
    project.mlx(&["package", "m"]).success();
    project
}

/// Every datatype with two elements that are its extremes.
fn extremes() -> Vec<(&'static str, Value)> {
    vec![
        ("BOOL", json!([true, false])),
        ("UINT8", json!([0, 255])),
        ("UINT16", json!([0, 65535])),
        ("UINT32", json!([0, 4_294_967_295_u32])),
        ("UINT64", json!([0, u64::MAX])),
        ("INT8", json!([-128, 127])),
        ("INT16", json!([-32768, 32767])),
        ("INT32", json!([i32::MIN, i32::MAX])),
        ("INT64", json!([i64::MIN, i64::MAX])),
        ("FP16", json!([-65504.0, 0.5])),
        ("FP32", json!([1.5, null])),
        ("FP64", json!([1e300, 0.1])),
        ("BYTES", json!(["", "Gr\u{f6}\u{df}e \"1\""])),
    ]
}

#[test]
fn every_datatype_comes_back_as_it_was_sent_in_json_and_in_binary() {
    let project = echo();
    let server = Server::start(&project, &["dist/m-1.tar"]);
    let metadata = server.get("/v2/models/m").json();
    assert_eq!(metadata["inputs"][12], json!({"name": "BYTES", "datatype": "BYTES", "shape": [-1, -1]}));
    assert_eq!(server.get("/v2").json()["extensions"], json!(["binary_tensor_data"]));

    let inputs = |nest: bool| -> Vec<Value> {
        let input = |(name, data): (&str, Value)| {
            let data = if nest { json!([data]) } else { data };
            json!({"name": name, "datatype": name, "shape": [1, 2], "data": data})
        };
        extremes().into_iter().map(input).collect()
    };
    let expected: Vec<Value> = extremes()
        .into_iter()
        .map(|(name, data)| json!({"name": format!("{name}_back"), "datatype": name, "shape": [1, 2], "data": data}))
        .collect();
    for nest in [false, true] {
        let answer = server.infer(&json!({"id": "1", "inputs": inputs(nest)}).to_string()).json();
        assert_eq!((&answer["id"], &answer["outputs"]), (&json!("1"), &json!(expected)));
    }

    // What it gives in binary is what it takes in binary.
    let body = json!({"inputs": inputs(false), "parameters": {"binary_data_output": true}});
    let first = server.infer(&body.to_string());
    let (head, tail) = split(&first);
    let binary = |output: &Value| {
        let name = output["name"].as_str().unwrap().trim_end_matches("_back").to_owned();
        json!({"name": name, "datatype": output["datatype"], "shape": output["shape"], "parameters": output["parameters"]})
    };
    let inputs: Vec<Value> = head["outputs"].as_array().unwrap().iter().map(binary).collect();
    let body = json!({"inputs": inputs, "outputs": [
        {"name": "INT64_back"}, {"name": "BYTES_back", "parameters": {"binary_data": true}}]});
    let json_bytes = body.to_string().len();
    let headers = format!("Inference-Header-Content-Length: {json_bytes}\r\n");
    let second = server.send("/v2/models/m/infer", &headers, &[body.to_string().as_bytes(), &tail].concat());

    let (head, tail) = split(&second);
    assert_eq!(head["outputs"][0]["data"], json!([i64::MIN, i64::MAX]));
    assert_eq!(head["outputs"][1]["parameters"]["binary_data_size"], tail.len());
    assert_eq!(tail, [b"\0\0\0\0\x0b\0\0\0", "Gr\u{f6}\u{df}e \"1\"".as_bytes()].concat());
}

/// JSON and tensors of an answer in binary.
fn split(answer: &crate::server::Answer) -> (Value, Vec<u8>) {
    let header = "inference-header-content-length: ";
    let length = answer.head.lines().find_map(|line| line.strip_prefix(header)).expect(&answer.body);
    let (json, tail) = answer.bytes.split_at(length.parse().unwrap());
    (serde_json::from_slice(json).unwrap(), tail.to_vec())
}

#[test]
fn binary_that_does_not_fit_its_description_is_refused() {
    let project = echo();
    let server = Server::start(&project, &["dist/m-1.tar"]);
    let ask = |shape: &str, datatype: &str, size: &str, tail: &[u8]| {
        let head = format!(
            r#"{{"inputs": [{{"name": "{datatype}", "shape": {shape}, "datatype": "{datatype}", "parameters": {{"binary_data_size": {size}}}}}]}}"#
        );
        let headers = format!("Inference-Header-Content-Length: {}\r\n", head.len());
        let answer = server.send("/v2/models/m/infer", &headers, &[head.as_bytes(), tail].concat());
        assert_eq!(answer.status, 400, "{}", answer.body);
        answer.json()["error"].as_str().unwrap().to_owned()
    };

    assert!(ask("[1,2]", "FP32", "8", &[0; 7]).contains("8 bytes in binary, and 7 are left"));
    assert!(ask("[1,2]", "FP32", "8", &[0; 9]).contains("1 bytes are left"));
    assert!(ask("[1,3]", "FP32", "8", &[0; 8]).contains("has 8 bytes, and 3 elements of FP32 take 4 each"));
    assert!(ask("[4611686018427387904,4]", "FP64", "0", b"").contains("more than memory can hold"));
    assert!(ask("[4611686018427387904,1]", "BYTES", "0", b"").contains("has 0 elements"));
    assert!(ask("[1,1]", "BYTES", "8", b"\xff\xff\xff\xffabcd").contains("ends within element 0"));
    assert!(ask("[1,1]", "BYTES", "18446744073709551616", b"").contains("can't be read"));
    assert!(ask("[1,1]", "BOOL", "1", &[7]).contains("has the byte 7"));
}

#[test]
fn bodies_are_compressed_both_ways_where_the_client_says_so() {
    let project = unpacked();
    let server = Server::start(&project, &["release", "--max-body", "1"]);
    let gzip = |bytes: &[u8]| {
        let mut packed = Vec::new();
        GzEncoder::new(bytes, Compression::fast()).read_to_end(&mut packed).unwrap();
        packed
    };
    let many = rows(&format!("[{}]", vec!["[1, 2, 3]"; 500].join(",")));
    let infer = "/v2/models/m/infer";

    let plain = server.send(infer, "", many.as_bytes());
    let packed = server.send(infer, "Content-Encoding: gzip\r\nAccept-Encoding: gzip, br\r\n", &gzip(many.as_bytes()));

    assert!(packed.head.contains("\r\ncontent-encoding: gzip\r\n") && packed.bytes.len() < plain.bytes.len());
    let mut text = String::new();
    GzDecoder::new(packed.bytes.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), plain.json());
    let bomb = server.send(infer, "Content-Encoding: gzip\r\n", &gzip(&vec![b' '; 64 << 20]));
    assert_eq!((bomb.status, bomb.json()["error"].is_string()), (413, true));
    server.assert_answers();
}

#[test]
fn several_models_and_versions_are_served_by_one_server() {
    let project = unpacked();
    let newer = crate::server::packaged().0;
    register(&newer, &[("linear.onnx", include_bytes!("../fixtures/linear.onnx")), ("more", b"new")]);
    newer.mlx(&["package", "m"]).success();
    let (first, second) = (project.path("release"), newer.path("dist/m-2.tar"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let server = Server::start(&project, &[second, first]);

    let version = |path: &str| {
        let answer = server.post(&format!("/v2/models/m{path}/infer"), &rows("[[1, 2, 3]]"));
        answer.json()["model_version"].as_str().map(str::to_owned)
    };

    assert_eq!((version(""), version("/versions/1")), (Some("2".into()), Some("1".into())));
    assert_eq!(server.get("/v2/models/m").json()["versions"], json!(["1", "2"]));
    assert_eq!(
        server.get("/v2/models/m/versions/3").json()["error"],
        "model `m` has no version `3` here; 1, 2 are served"
    );
    assert_eq!(server.get("/v2").json()["models"], json!(["m"]));
    let metrics = server.get("/metrics").body;
    for version in [1, 2] {
        let counted = format!(r#"mlx_inference_requests_total{{model="m",version="{version}",release=""#);
        let is_it = |line: &str| line.starts_with(&counted) && line.ends_with(r#",code="200"} 1"#);
        assert!(metrics.lines().any(is_it), "{metrics}");
    }
    project.mlx(&["serve", first, first]).exits_with(2).says("version 1 of `m` is to be served twice");
}

#[test]
fn the_client_of_triton_gets_its_answers_in_json_and_in_binary() {
    let project = echo();
    let server = Server::start(&project, &["dist/m-1.tar"]);

    run_client(&["tritonclient[http]==2.73.0"], include_str!("clients/triton.py"), &server.address.to_string());
}
