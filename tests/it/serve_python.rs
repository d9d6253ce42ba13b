//! Models in Python: packaged with their class, asked in processes that are replaced when they fail.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bundles::register;
use crate::harness::Project;
use crate::server::{Answer, Server};

/// Adds the columns and an offset, except for rows that begin with one of these numbers.
const CLASS: &str = r#"
import os, sys, time

class BadRequest(Exception):
    pass

class Model:
    def load(self, path):
        with open(f"{path}/offset") as file:
            self.offset = float(file.read())
        print("loaded by", os.getpid())

    def predict(self, inputs, parameters):
        rows = inputs["input"]
        first = rows[0][0]
        if first == 1000:
            os._exit(7)
        if first == 2000:
            time.sleep(600)
        if first == 3000:
            self.hoard = [b"x" * (1 << 20) for _ in range(500)]
            time.sleep(600)
        if first == 4000:
            raise BadRequest("no such customer")
        if first == 5000:
            raise RuntimeError(f"secret of {__file__}")
        if first == 6000:
            os.write(int(sys.argv[1]), b"nonsense" * 100)
        if first == 7000:
            return {"y": [object()]}
        if first == 8000:
            os.fork()
        if first == 9000:
            raise BadRequest(os.getpid())
        scale = parameters.get("scale", 1)
        return {"y": [(float(sum(row)) + self.offset) * scale for row in rows]}
"#;

/// A project with this class, whose bundle is `dist/m-1.tar`.
fn packaged(class: &str) -> Project {
    let project = unpackaged(class, "examples = \"rows.csv\"\n");
    project.mlx(&["package", "m"]).success();
    project
}

pub fn unpackaged(class: &str, manifest: &str) -> Project {
    let manifest = format!("[model.m]\npath = \"model\"\nserve = {{ python = \"serve.py:Model\" }}\n{manifest}");
    let project = Project::with_manifest(&manifest).write("serve.py", class).write("rows.csv", "a,b\n1,2\n3,4\n");
    register(&project, &[("offset", b"0.5")]);
    project
}

#[test]
fn what_lies_beside_the_code_of_an_unpacked_bundle_is_not_run() {
    let project = packaged(CLASS);
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    let predict = ["predict", "out", "--input", "rows.csv"];
    project.mlx(&predict).success().prints("3.5");
    let stranger = "import os; os.close(os.open('../../pwned', os.O_CREAT))";
    project.set("out/code/numpy.py", stranger);

    for command in [&predict[..], &["serve", "out", "--port", "0"], &["bundle", "scan", "out"]] {
        project
            .mlx(command)
            .exits_with(1)
            .says("file `code/numpy.py` of the release is damaged: the bundle did not bring it");
    }

    assert!(!project.exists("pwned") && !project.exists("out/code/__pycache__"));
}

fn ask(server: &Server, first: i32) -> Answer {
    let body = json!({"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP64", "data": [first, 2]}]});
    server.infer(&body.to_string())
}

/// Asks until the server does not ask to come again.
#[track_caller]
fn assert_answers(server: &Server) {
    let answer = loop {
        let answer = ask(server, 1);
        if answer.status != 503 {
            break answer;
        }
        assert!(answer.head.contains("\r\nretry-after: 1\r\n"), "{}", answer.head);
    };
    assert_eq!((answer.status, &answer.json()["outputs"][0]["data"]), (200, &json!([3.5])), "{}", answer.body);
}

#[test]
fn a_class_is_packaged_with_its_code_and_answers_as_it_did_then() {
    let project = packaged(CLASS);
    project.mlx(&["bundle", "inspect", "dist/m-1.tar"]).success().prints("`model` with `Model` in `code/serve.py`");
    // The bundle has all it needs.
    project.set("serve.py", "broken");
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "release"]).success();
    assert_eq!(project.read("release/code/serve.py"), CLASS);

    let server = Server::start(&project, &["release", "--workers", "2"]);

    assert_answers(&server);
    let metadata = server.get("/v2/models/m").json();
    assert!(metadata["platform"].as_str().unwrap().starts_with("python_3."), "{metadata}");
    let input = json!({"name": "input", "datatype": "FP64", "shape": [-1, 2], "columns": ["a", "b"]});
    assert_eq!((&metadata["inputs"][0], &metadata["outputs"][0]["shape"]), (&input, &json!([-1])));
    let scaled = r#"{"dataframe_records": [{"b": 2, "a": 1}], "params": {"scale": 10}}"#;
    assert_eq!(server.post("/invocations", scaled).json(), json!({"predictions": [35.0]}));
    let predicted = project.mlx(&["predict", "dist/m-1.tar", "-i", "rows.csv", "--json"]).success().json();
    assert_eq!(predicted["outputs"][0]["data"], json!([3.5, 7.5]));
}

#[test]
fn a_class_that_says_so_gets_a_data_frame() {
    let class = r#"
import pandas as pd

class Model:
    def predict(self, rows: pd.DataFrame) -> pd.DataFrame:
        assert rows["ill"].dtype == bool and list(rows.columns) == ["age", "town", "ill", "seat"], rows.dtypes
        return pd.DataFrame({"next": rows["age"].fillna(-1) + 1, "where": rows["town"].fillna("nowhere")})
"#;
    let manifest = "[env]\npython = { requirements = [\"pandas>=2\", \"requests==2.34.2\"] }\n[step.train]\n\
                    cmd = 'mkdir model; touch model/weights'\nouts = ['model']\n[model.m]\npath = \"model\"\n\
                    serve = { python = \"serve.py:Model\" }\nexamples = \"rows.csv\"\n";
    let project = Project::with_manifest(manifest).write("serve.py", class);
    // Only the last row says that seats are text.
    let rows = format!("age,town,ill,seat\n{},,false,12a\n", "4,Ulm,True,3\n".repeat(20));
    project.set("rows.csv", rows);
    project.mlx(&["train"]).success();
    project.mlx(&["model", "register", "m"]).success();
    project.mlx(&["package", "m"]).success();

    let server = Server::start(&project, &["dist/m-1.tar"]);

    let inputs = server.get("/v2/models/m").json()["inputs"].clone();
    let shown: Vec<&str> = inputs.as_array().unwrap().iter().map(|input| input["datatype"].as_str().unwrap()).collect();
    assert_eq!(shown, ["FP64", "BYTES", "BOOL", "BYTES"]);
    let rows = r#"{"dataframe_records": [{"town": null, "age": 7, "ill": true, "seat": "3"}, {"town": "Bonn", "age": null, "ill": false, "seat": ""}]}"#;
    let predictions = json!([{"next": 8.0, "where": "nowhere"}, {"next": 0.0, "where": "Bonn"}]);
    assert_eq!(server.post("/invocations", rows).json(), json!({ "predictions": predictions }));
    project.set("numbers.csv", "seat,age,town,ill\n1,4,Ulm,true\n");
    project.mlx(&["predict", "dist/m-1.tar", "-i", "numbers.csv"]).success().prints("Ulm");
}

#[test]
fn a_process_that_dies_grows_or_talks_nonsense_costs_the_request_that_it_had() {
    let project = packaged(CLASS);
    let server = Server::start(&project, &["dist/m-1.tar", "--workers", "1", "--memory", "300"]);

    for first in [1000, 3000, 6000] {
        let answer = ask(&server, first);
        assert_eq!(answer.status, 500, "{first}: {}", answer.body);
        assert!(answer.json()["error"].is_string(), "{first}: {}", answer.body);
        assert_answers(&server);
    }

    let said = server.stop().1.join("\n");
    for trouble in ["ended with exit code 7", "and 300 MiB are allowed", "with nonsense"] {
        assert!(said.contains(trouble), "no word of `{trouble}` in\n{said}");
    }
}

#[test]
fn what_becomes_of_a_process_reaches_no_other_request() {
    let project = packaged(CLASS);
    let server = Server::start(&project, &["dist/m-1.tar", "--workers", "2"]);

    // A copy of the process that comes back from `predict` answers nobody.
    for first in [8000, 1, 2, 3, 4] {
        let answer = ask(&server, first);
        let expected = json!([f64::from(first) + 2.5]);
        assert_eq!((answer.status, &answer.json()["outputs"][0]["data"]), (200, &expected), "{}", answer.body);
    }
    // One that ends while nobody asks it costs no request.
    let process: i32 = ask(&server, 9000).json()["error"].as_str().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
    while is_running(&process.to_string()) {
        std::thread::yield_now();
    }
    for first in 1..20 {
        assert_eq!(ask(&server, first).status, 200);
    }

    server.await_line("was ended by signal 9 while nobody asked it");
    server.await_line("Python process 3 of `m` answers");
    assert_answers(&server);
}

#[test]
fn what_a_class_declares_is_kept() {
    let class = r#"
class Model:
    inputs = {"x": "INT64[-1]"}
    outputs = {"y": "BOOL[-1]"}

    def predict(self, inputs):
        values = [int(value) for value in inputs["x"]]
        return {} if values == [8] else {"y": ["text"] if values == [7] else values}
"#;
    let project = unpackaged(class, "");
    project.mlx(&["package", "m"]).success();
    let server = Server::start(&project, &["dist/m-1.tar", "--workers", "1"]);
    let ask = |values: &str| {
        let count = values.split(',').count();
        server.infer(&format!(
            r#"{{"inputs": [{{"name": "x", "shape": [{count}], "datatype": "INT64", "data": [{values}]}}]}}"#
        ))
    };

    let (good, odd, text, none, again) = (ask("0, 1"), ask("0, 2"), ask("7"), ask("8"), ask("1"));

    assert_eq!(good.json()["outputs"][0]["data"], json!([false, true]));
    assert_eq!((odd.status, text.status, none.status), (500, 500, 500));
    assert_eq!(again.json()["outputs"][0]["data"], json!([true]));
    let said = server.stop().1.join("\n");
    assert!(said.contains("holds more than true and false") && said.contains("BYTES, and declared as BOOL"), "{said}");
    assert!(!said.contains("another is started"), "the process goes on: {said}");
}

#[test]
fn a_process_that_hangs_costs_the_request_that_it_had() {
    let project = packaged(CLASS);
    let server = Server::start(&project, &["dist/m-1.tar", "--workers", "1", "--timeout", "2"]);

    let answer = ask(&server, 2000);

    assert!([500, 504].contains(&answer.status) && answer.json()["error"].is_string(), "{}", answer.body);
    // Where the machine is busy, this one may take as long as well.
    while ask(&server, 1).status != 200 {}
    assert_answers(&server);
    let said = server.stop().1.join("\n");
    assert!(said.contains("gave no answer within 2 s"), "{said}");
}

#[test]
fn an_error_of_the_class_is_told_to_the_log_and_a_bad_request_to_the_client() {
    let project = packaged(CLASS);
    let server = Server::start(&project, &["dist/m-1.tar", "--workers", "1"]);

    let (bad, failed, odd) = (ask(&server, 4000), ask(&server, 5000), ask(&server, 7000));

    assert_eq!((bad.status, bad.json()), (400, json!({"error": "no such customer"})));
    for answer in [failed, odd] {
        assert_eq!((answer.status, answer.json()), (500, json!({"error": "the model failed on this request"})));
    }
    assert_answers(&server);
    let said = server.stop().1.join("\n");
    assert!(said.contains("RuntimeError: secret of") && said.contains("m 1:   File"), "{said}");
    assert!(said.contains("output `y` is lists that hold object"), "{said}");
}

#[test]
fn what_a_class_takes_is_declared_or_learned_and_else_asked_for() {
    let silent = unpackaged(CLASS, "");
    silent.mlx(&["package", "m"]).exits_with(2).says("declare `inputs` and `outputs` in the class");
    let declared = "
class Model:
    inputs = {'text': 'BYTES[-1]'}
    outputs = [{'name': 'length', 'datatype': 'INT64', 'shape': [-1]}]

    def predict(self, inputs):
        return [len(text) for text in inputs['text']]
";
    let project = unpackaged(declared, "");
    project.mlx(&["package", "m"]).success();
    let server = Server::start(&project, &["dist/m-1.tar"]);
    let outputs = |body: Value| server.infer(&body.to_string()).json()["outputs"].clone();

    let text = json!({"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["Köln", ""]}]});
    assert_eq!(outputs(text), json!([{"name": "length", "datatype": "INT64", "shape": [2], "data": [4, 0]}]));
    let binary =
        br#"{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 7}}]}"#;
    let headers = format!("Inference-Header-Content-Length: {}\r\n", binary.len());
    let body = [binary.as_slice(), b"\x03\0\0\0\xff\0\xfe"].concat();
    assert_eq!(server.send("/v2/models/m/infer", &headers, &body).json()["outputs"][0]["data"], json!([3]));

    let mixed = unpackaged(
        "class Model:\n    def predict(self, inputs):\n        return inputs['town']\n",
        "examples = \"t.csv\"\n",
    );
    mixed.set("t.csv", "town,age\nUlm,3\n");
    mixed.mlx(&["package", "m"]).success();
    let rows = mixed.mlx(&["predict", "dist/m-1.tar", "-i", "t.csv", "--json"]).success().json();
    assert_eq!(rows["outputs"], json!([{"name": "output", "datatype": "BYTES", "shape": [1], "data": ["Ulm"]}]));
}

#[test]
fn a_class_that_does_not_load_is_neither_packaged_nor_served() {
    let broken = unpackaged("class Other: pass\n", "examples = \"rows.csv\"\n");
    broken.mlx(&["package", "m"]).exits_with(1).says("does not start").says("m 1: AttributeError");
    let odd =
        unpackaged("class Model:\n    inputs = {'x': 'FLOAT[-1]'}\n    predict = print\n", "examples = \"rows.csv\"\n");
    odd.mlx(&["package", "m"]).exits_with(1).says("unknown variant `FLOAT`").says("hint: declare them as `inputs = {");
    let missing = unpackaged(CLASS, "examples = \"rows.csv\"\n");
    std::fs::remove_file(missing.path("serve.py")).unwrap();
    missing.mlx(&["package", "m"]).exits_with(1).says("write the file, or correct `serve` of the model");
    for (serve, problem) in [
        ("{ python = \"serve.py\" }", "names no class"),
        ("{ python = \"serve:Model\" }", "is no file that ends in .py"),
        ("{ python = \"../serve.py:Model\" }", "`python` in `serve`"),
        ("{ python = \"serve.py:Model\", onnx = \"model/a.onnx\" }", "either `onnx` or `python`"),
    ] {
        let project = Project::with_manifest(&format!("[model.m]\npath = \"model\"\nserve = {serve}\n"));
        project.mlx(&["status"]).exits_with(2).says(problem);
    }
}

#[test]
fn no_process_outlives_a_server_that_is_killed() {
    let project = packaged(CLASS);
    let mut command = project.command(&["serve", "dist/m-1.tar", "--port", "0", "--workers", "1"]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut lines = std::io::BufRead::lines(stderr).map_while(Result::ok);
    let loaded = lines.find_map(|line| Some(line.split_once("loaded by ")?.1.to_owned())).unwrap();
    assert!(Path::new("/proc").join(&loaded).exists());

    child.kill().unwrap();
    child.wait().unwrap();

    while is_running(&loaded) {
        std::thread::yield_now();
    }
}

/// Whether a process is there that has not ended.
fn is_running(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

#[test]
fn a_class_that_was_replaced_under_the_server_is_not_started_again() {
    let project = packaged(CLASS);
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "release"]).success();
    let server = Server::start(&project, &["release", "--workers", "1"]);
    assert_answers(&server);
    let path = project.path("release/code/serve.py");
    crate::server::replace(&path, CLASS.replace("+ self.offset", "+ 1000").as_bytes());
    assert_answers(&server);

    assert_eq!(ask(&server, 1000).status, 500);
    let refused = server.await_line("file `code/serve.py` of the release is damaged");

    assert!(refused.contains("tried again"), "{refused}");
    let answer = ask(&server, 1);
    assert_eq!((answer.status, answer.json()["error"].is_string()), (503, true), "{}", answer.body);
    assert_eq!(server.get("/v2/health/ready").status, 503);
    crate::server::replace(&path, CLASS.as_bytes());
    server.await_line("of `m` answers");
    assert_answers(&server);
}

#[test]
fn what_a_class_writes_while_it_is_tried_reaches_no_object() {
    let class = r#"
class Model:
    def load(self, path):
        try:
            with open(f"{path}/offset", "r+b") as file:
                file.write(b"9.9")
        except PermissionError:
            pass

    def predict(self, inputs):
        return {"y": [float(sum(row)) for row in inputs["input"]]}
"#;
    let project = packaged(class);
    let digest = |file: &str| mlx::Digest::of(std::fs::read(project.path(file)).unwrap());
    let first = digest("dist/m-1.tar");

    project.mlx(&["package", "m", "-o", "again.tar"]).success();

    project.mlx(&["verify"]).success();
    assert_eq!(digest("again.tar"), first);
    project.mlx(&["bundle", "unpack", "again.tar", "release"]).success();
    assert_eq!(project.read("release/model/offset"), "0.5");
}

/// Weights that were found right are not read again while their file looks the same; one that was written to is.
#[test]
fn weights_that_were_damaged_since_they_were_packaged_are_noticed() {
    use std::os::unix::fs::PermissionsExt;
    let project = unpackaged(CLASS, "examples = \"rows.csv\"\n");
    let weights = crate::harness::noise(2 << 20, 7);
    register(&project, &[("offset", b"0.5"), ("large.bin", &weights)]);
    for code in ["", "# second\n", "# third\n"] {
        project.set("serve.py", format!("{CLASS}{code}"));
        project.mlx(&["package", "m"]).success();
    }
    let hex = mlx::Digest::of(&weights).hex();
    let object = project.path(format!(".mlx/store/objects/{}/{}", &hex[..2], &hex[2..]));
    let modified = object.metadata().unwrap().modified().unwrap();
    let mut damaged = weights;
    damaged[1 << 20] ^= 1;
    std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&object, damaged).unwrap();
    std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o444)).unwrap();
    std::fs::File::open(&object).unwrap().set_modified(modified).unwrap();

    project.set("serve.py", format!("{CLASS}# fourth\n"));
    project.mlx(&["package", "m"]).exits_with(1).says("is damaged: its content hashes to");
}
