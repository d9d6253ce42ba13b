//! Servers that follow targets of every kind: the canary beside the live release, and releases that are taken back because
//! their server does badly with them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::bundles::register;
use crate::deployed::{LINEAR, linear_with_bias};
use crate::follow::{await_status, is_live, release_of, while_asked};
use crate::server::{Server, rows};
use crate::targets::{self, Place};

/// Adds the columns and an offset; what stands in the place of the mark comes first.
const CLASS: &str = r#"
import os

class Model:
    def load(self, path):
        with open(f"{path}/offset") as file:
            self.offset = float(file.read())

    def predict(self, inputs):
        rows = inputs["input"]
        # MARK
        return {"y": [float(sum(row)) + self.offset for row in rows]}
"#;

/// The manifest of a model that answers, and the rows that are recorded; `health` goes on in the target's table of that name.
fn manifest(place: &Place, serve: &str, health: &str) {
    let model = format!("[model.m]\npath = \"model\"\nserve = {serve}\nexamples = \"rows.csv\"\n");
    let target = format!("[target.production]\nurl = \"{}\"\nmodel = \"m\"\n", place.url);
    let env = "[env]\npython = { requirements = [\"onnxruntime==1.32.0\"] }\n";
    let env = if serve.contains("onnx") { env } else { "" };
    place.project.set("mlx.toml", format!("{env}{model}{target}health = {{ timeout = \"60s\"{health} }}\n"));
    place.project.set("rows.csv", "a,b,c\n1,2,3\n0.5,0,0\n");
}

/// The digest of the release that this brings there.
fn deploy(place: &Place, more: &[&str]) -> String {
    let arguments = [&["deploy", "production", "--json"], more].concat();
    place.mlx(&arguments).success().json()["release"].as_str().unwrap().to_owned()
}

/// A server of another machine that follows the target.
fn follower(place: &Place, variables: &[(&str, &str)]) -> Server {
    let arguments = ["serve", "production", "--follow", "--every", "0.2", "--port", "0"];
    let mut command = place.command_elsewhere(&place.project, "production", &arguments);
    Server::of({
        command.envs(variables.iter().copied());
        command
    })
}

/// Which versions had which outcome, the oldest first.
fn history(place: &Place) -> Vec<String> {
    let listed = place.mlx(&["releases", "production", "--json"]).success().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let done = |entry: &Value| format!("{} {} {}", text(&entry["action"]), entry["version"], text(&entry["outcome"]));
    listed["history"].as_array().unwrap().iter().map(done).collect()
}

/// How many of a hundred requests each release answers.
fn shares(server: &Server) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for _ in 0..100 {
        let answer = server.infer(&rows("[[0, 0, 0]]"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        *shares.entry(release_of(&answer)).or_default() += 1;
    }
    shares
}

fn a_canary_answers_its_part_until_it_is_promoted(place: Option<Place>) {
    let Some(place) = place else { return };
    manifest(&place, "{ onnx = \"model/linear.onnx\" }", "");
    register(&place.project, &[("linear.onnx", LINEAR)]);
    let first = deploy(&place, &[]);
    let server = follower(&place, &[]);
    register(&place.project, &[("linear.onnx", &linear_with_bias(1.5))]);

    let second = deploy(&place, &["--canary", "30%"]);
    let status = await_status(&server, |status| !status["followed"][0]["canary"].is_null());
    assert_eq!(status["followed"][0]["canary"], json!({ "release": second, "percent": 30 }));
    assert_eq!(shares(&server), BTreeMap::from([(first.clone(), 70), (second.clone(), 30)]));
    place.mlx(&["deploy", "production", "--promote"]).success().prints("`m` 2 (");
    await_status(&server, |status| is_live(&second)(status) && status["followed"][0]["canary"].is_null());
    assert_eq!(shares(&server), BTreeMap::from([(second.clone(), 100)]));

    place.mlx(&["rollback", "production"]).success().prints("`m` 1 (");
    await_status(&server, is_live(&first));
    assert_eq!(history(&place), ["deploy 1 live", "deploy 2 canary", "deploy 2 live", "rollback 1 live"]);
}

fn a_release_that_does_badly_on_its_server_is_taken_back(place: Option<Place>) {
    let Some(place) = place else { return };
    let class = |mark: &str| place.project.set("serve.py", CLASS.replace("# MARK", mark));
    let serve = "{ python = \"serve.py:Model\" }";
    manifest(&place, serve, "");
    class("pass");
    register(&place.project, &[("offset", b"0.5")]);
    let first = deploy(&place, &[]);
    let server = follower(&place, &[("REGION", "north")]);
    manifest(&place, serve, &format!(", url = \"http://{}\", watch = \"60s\"", server.address));

    // Where it was packaged nothing is added; over there it is, so that the server says no.
    class("rows = [[*row, len(os.environ.get('REGION', ''))] for row in rows]");
    register(&place.project, &[("offset", b"1.5")]);
    let refused = place.mlx(&["deploy", "production"]).exits_with(4);
    refused.says("does not take it over: the model does not answer as it did").says("`m` 1 (").says("is live again");
    assert_eq!(place.live(), Some(1));

    // It answers the recorded rows, and not what people ask.
    class("if rows[0][0] < 0: raise RuntimeError('no such customer')");
    register(&place.project, &[("offset", b"2.5")]);
    let request = |first| {
        let input = json!({"name": "input", "shape": [1, 3], "datatype": "FP64", "data": [first, 0, 0]});
        json!({ "inputs": [input] }).to_string()
    };
    let ask = || server.infer(&request(-1));
    let (failed, answers) = while_asked(1, ask, || place.mlx(&["deploy", "production"]).exits_with(4));
    failed.says("`m` 3 on `production` was watched and does not do well").says("requests failed").says("is live again");
    let (answered, failed): (Vec<_>, Vec<_>) = answers[0].iter().partition(|answer| answer.status == 200);
    assert!(answered.iter().all(|answer| release_of(answer) == first) && !answered.is_empty());
    assert!(failed.iter().all(|answer| answer.status == 500) && failed.len() >= 20, "{}", failed.len());

    await_status(&server, is_live(&first));
    assert_eq!(place.live(), Some(1));
    assert_eq!(server.infer(&request(0)).status, 200);
    assert_eq!(history(&place), ["deploy 1 live", "deploy 2 returned", "deploy 3 live", "rollback 1 live"]);
}

fn a_target_that_is_gone_is_told_of_and_the_release_stays(place: Option<Place>) {
    let Some(mut place) = place else { return };
    manifest(&place, "{ onnx = \"model/linear.onnx\" }", "");
    register(&place.project, &[("linear.onnx", LINEAR)]);
    let first = deploy(&place, &[]);
    let server = follower(&place, &[]);

    place.server.as_mut().unwrap().stop();

    let status = await_status(&server, |status| !status["followed"][0]["trouble"].is_null());
    assert_eq!(status["followed"][0]["live"], first);
    assert_eq!(shares(&server), BTreeMap::from([(first, 100)]));
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(said.iter().any(|line| line.contains("`production` can't be asked what is live")), "{said:?}");
}

macro_rules! each {
    ($($rule:ident: $($place:ident),*;)*) => { $(
        mod $rule {
            $(#[test] fn $place() { super::$rule(super::targets::$place()); })*
        }
    )* };
}

// A directory has more of the first in `follow`.
each! {
    a_canary_answers_its_part_until_it_is_promoted: ssh, s3, registry, webdav;
    a_target_that_is_gone_is_told_of_and_the_release_stays: s3, registry;
    a_release_that_does_badly_on_its_server_is_taken_back: directory, ssh, s3, registry;
}
