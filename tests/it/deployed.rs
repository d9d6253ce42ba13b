//! Deploying models that answer: the probe, and who answers when it says no.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use mlx::bundle::{Assembly, Bundle, Content, Description, File, PlannedLayer};
use mlx::event::{Interrupt, Silent, Watch};
use mlx::store::Store;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bundles::register;
use crate::deploy::{live, releases};
use crate::harness::{Outcome, Project};

pub const LINEAR: &[u8] = include_bytes!("../fixtures/linear.onnx");

/// A project with one version of a model that answers, its rows, and a target.
pub fn with_onnx() -> Project {
    let project = Project::with_manifest(
        "[env]\npython = { requirements = [\"onnxruntime==1.32.0\"] }\n[model.m]\npath = \"model\"\n\
         serve = { onnx = \"model/linear.onnx\" }\nexamples = \"rows.csv\"\n\
         [target.production]\nurl = \"deploy/production\"\nmodel = \"m\"\nhealth = { timeout = \"60s\" }\n",
    )
    .write("rows.csv", "a,b,c\n1,2,3\n0.5,0,0\n");
    register(&project, &[("linear.onnx", LINEAR)]);
    project
}

/// The linear model with another constant term, which is 0.5.
pub fn linear_with_bias(bias: f32) -> Vec<u8> {
    let place = LINEAR.windows(4).rposition(|bytes| bytes == 0.5_f32.to_le_bytes()).unwrap();
    [&LINEAR[..place], &bias.to_le_bytes(), &LINEAR[place + 4..]].concat()
}

/// A running `mlx serve`, killed when dropped, and its address.
struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn of(project: &Project, what: &str, port: &str) -> Self {
        let mut child = project.command(&["serve", what, "--port", port]).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find(|line| line.contains("http://127.0.0.1:")).unwrap();
        let url = line[line.find("http://").unwrap()..].split_whitespace().next().unwrap().to_owned();
        Self { child, url }
    }

    /// What it answers to the rows of the project.
    fn predict(&self, project: &Project) -> Outcome {
        project.mlx(&["predict", &self.url, "--input", "rows.csv", "--json"]).success()
    }
}

fn outputs(answer: &Value) -> &Value {
    &answer["outputs"][0]["data"]
}

#[test]
fn a_deployed_model_answers_as_when_it_was_packaged() {
    let project = with_onnx();

    project.mlx(&["deploy", "production"]).success();

    let server = Server::of(&project, "production", "0");
    let answer = server.predict(&project).json();
    assert_eq!(outputs(&answer), &json!([2.5, 1.0]));
    assert_eq!(answer["parameters"]["run"], "0123456789ab");
    assert_eq!(answer["parameters"]["bundle"], releases(&project)[0]["release"]);
    // From the answer back to the data, with one command.
    let version = format!("{}:{}", answer["model_name"].as_str().unwrap(), answer["model_version"].as_str().unwrap());
    let shown = project.mlx(&["model", "show", &version, "--json"]).success().json();
    assert_eq!(shown["run"], answer["parameters"]["run"]);
    assert_eq!(shown["data"][0]["path"], "raw.csv");
}

/// The newest version as a bundle whose recorded answer is another one.
pub fn tampered(project: &Project) -> PathBuf {
    project.mlx(&["package", "m"]).success();
    project.mlx(&["bundle", "unpack", "dist/m-2.tar", "unpacked"]).success();
    let bundle = Bundle::open(&project.path("dist/m-2.tar")).unwrap();
    let mut description: Description = bundle.description().clone();
    description.smoke.as_mut().unwrap().response["outputs"][0]["data"][0] = json!(99.0);
    let layer = |file: &File| {
        let source = project.path("unpacked").join(&file.path);
        PlannedLayer::weight(Content::from_path(file.path.clone(), source, file.executable).unwrap())
    };
    let layers = description.files.iter().map(layer).collect();
    let store = Store::open(&project.path(".mlx/store")).unwrap();
    let assembly = Assembly::new(description, layers, &store).unwrap();
    let path = project.path("tampered.tar");
    let watch = Watch { events: &Silent, interrupt: &Interrupt::default() };
    assembly.write(&store, &mut fs::File::create(&path).unwrap(), watch).unwrap();
    path
}

#[test]
fn a_release_that_fails_its_probe_leaves_the_old_one_answering() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    let before = live(&project);
    let server = Server::of(&project, "production", "0");
    register(&project, &[("linear.onnx", &linear_with_bias(1.5))]);
    let bundle = tampered(&project);

    let refused = project.mlx(&["deploy", "production", "--bundle", bundle.to_str().unwrap()]).exits_with(4);

    let refused = refused
        .says("`m` 2 (")
        .says("does not answer and is not live")
        .says("last lines of its server:")
        .says("`production` serves `m` 1");
    assert!(refused.stderr.contains("99"), "the server says what was expected:\n{}", refused.stderr);
    assert_eq!(live(&project), before);
    assert_eq!(releases(&project).len(), 1, "the bad release is gone");
    assert_eq!(outputs(&server.predict(&project).json()), &json!([2.5, 1.0]));
    let again = Server::of(&project, "production", "0");
    assert_eq!(outputs(&again.predict(&project).json()), &json!([2.5, 1.0]));
    project.mlx(&["releases", "production", "--history"]).success().prints("refused");
}

#[test]
fn the_whole_of_a_bundle_file_is_deployed() {
    let project = with_onnx();
    project.mlx(&["package", "m", "-o", "m.tar"]).success();
    let elsewhere = Project::with_manifest("[target.here]\nurl = \"here\"\n");

    elsewhere.mlx(&["deploy", "here", "--bundle", project.path("m.tar").to_str().unwrap()]).success();

    let server = Server::of(&elsewhere, "here", "0");
    elsewhere.set("rows.csv", "a,b,c\n0,0,0\n");
    assert_eq!(outputs(&server.predict(&elsewhere).json()), &json!([0.5]));
}

#[test]
fn ctrl_c_while_a_release_is_asked_leaves_the_old_one() {
    let project = with_onnx();
    project.mlx(&["deploy", "production"]).success();
    let before = live(&project);
    register(&project, &[("linear.onnx", &linear_with_bias(1.5))]);
    let manifest = project.read("mlx.toml").replace("timeout = ", "path = \"/never\", timeout = ");
    project.set("mlx.toml", manifest);

    let mut child = project.command(&["deploy", "production", "--verbose"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("whether it answers")).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said: Vec<String> = lines.collect();

    assert_eq!(child.wait().unwrap().code(), Some(130), "{said:?}");
    assert_eq!(live(&project), before);
    project.mlx(&["releases", "production", "--history"]).success().prints("failed: interrupted");
}
