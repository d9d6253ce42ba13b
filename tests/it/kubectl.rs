//! A cluster that is none, and the `kubectl` that leads to it: `kubectl.py`, installed in the home of a project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::harness::Project;
use crate::server::Server;

/// A `kubectl` that is not a real one, and its cluster; what runs there ends when this is dropped.
pub struct Kubectl {
    bin: PathBuf,
    state: PathBuf,
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        if self.state.join("mlx").exists() {
            let _ = self.command(&["teardown"]).output();
        }
    }
}

impl Kubectl {
    /// One that carries out Jobs.
    pub fn install(project: &Project) -> Self {
        let (bin, state) = (project.home().join("bin"), project.home().join("cluster"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
        for (from, to) in [("kubectl.py", "kubectl"), ("kubectl_objects.py", "kubectl_objects.py")] {
            let mut install = Command::new("install");
            let status = install.args(["-D", "-m", "755"]).arg(source.join(from)).arg(bin.join(to)).status();
            assert!(status.unwrap().success());
        }
        fs::create_dir(&state).unwrap();
        Self { bin, state }
    }

    /// One that serves: where an image is given that has mlx, it is this very one.
    pub fn serving(project: &Project) -> Self {
        let kubectl = Self::install(project);
        fs::write(kubectl.state.join("mlx"), env!("CARGO_BIN_EXE_mlx")).unwrap();
        kubectl
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What a program has to have in its environment to reach the cluster.
    pub fn environment(&self) -> [(String, String); 2] {
        let path = std::env::var("PATH").unwrap();
        let state = self.state.to_str().unwrap().to_owned();
        [("PATH".into(), format!("{}:{path}", self.bin.display())), ("FAKE_KUBECTL".into(), state)]
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join("kubectl"));
        command.args(arguments).envs(self.environment());
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        assert!(status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// The objects of a kind.
    pub fn get(&self, kind: &str) -> Vec<Value> {
        let list: Value = serde_json::from_str(&self.run(&["get", kind, "--output=json"])).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The objects with these labels that pods are made of or that are pods, by their name.
    pub fn labelled(&self, kind: &str, selector: &str) -> Vec<String> {
        let list = self.run(&["get", kind, "--output=json", "--selector", selector]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    pub fn create(&self, object: &Value) {
        let mut command = self.command(&["create", "--filename=-", "--output=name"]);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), object.to_string().as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// What goes wrong in the cluster from now on: `pull`, `unschedulable`, `quota`, `crash` (of a version), `unknown` (kinds).
    pub fn set_faults(&self, faults: &Value) {
        fs::write(self.state.join("faults.json"), faults.to_string()).unwrap();
    }

    /// From now on calls that match the pattern are refused with these words.
    pub fn refuse(&self, call: &str, says: &str) {
        let refusals = json!([{ "call": call, "says": says }]);
        fs::write(self.state.join("refusals.json"), refusals.to_string()).unwrap();
    }

    /// All calls so far.
    pub fn calls(&self) -> String {
        fs::read_to_string(self.state.join("log")).unwrap()
    }

    /// The server that the Service leads to, for as long as the result lives.
    pub fn service(&self, name: &str) -> Server {
        Server::forwarded(self.command(&["port-forward", "--address=127.0.0.1", &format!("service/{name}"), ":8080"]))
    }
}
