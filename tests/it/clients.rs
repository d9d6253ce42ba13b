//! Clients that others wrote, from PyPI: each runs as the step of a project, in an environment that is made once.

use std::process::Stdio;

use crate::harness::Project;

/// Runs a Python program with these packages against a server; it fails where the server's answers are not as expected.
#[track_caller]
pub fn run_client(requirements: &[&str], program: &str, address: &str) {
    let manifest = format!(
        "[env]\npython = {{ requirements = {requirements:?} }}\n[step.ask]\ncmd = \"python client.py {address}\"\n\
         deps = [\"client.py\"]\n"
    );
    let project = Project::with_manifest(&manifest).write("client.py", program);
    let mut command = project.command(&["train"]);
    project.outcome(command.stdin(Stdio::null())).success();
}
