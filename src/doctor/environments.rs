//! What the steps run in: whether each environment is there, or can be made.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Check;
use crate::Result;
use crate::env::{Declared, Interpreters, Kind, find_program};
use crate::project::Project;
use crate::project::manifest::DEFAULT_ENVIRONMENT;

/// One check for each declared environment. `first` is the default one, or the lack of it, where it was looked up.
pub fn checks(project: &Project, first: Option<&Declared>, cache: &Path, interpreters: &Interpreters) -> Vec<Check> {
    let mut checks: Vec<Check> =
        first.map(|first| environment("environment", first, interpreters)).into_iter().collect();
    for name in project.manifest.environments.keys().filter(|name| *name != DEFAULT_ENVIRONMENT) {
        let title = format!("environment `{name}`");
        let declared: Result<Declared> = Declared::of(project, name, cache, interpreters, None);
        checks.push(match &declared {
            Ok(declared) => environment(&title, declared, interpreters),
            Err(error) => Check::failed(title, error),
        });
    }
    checks
}

fn environment(title: &str, declared: &Declared, interpreters: &Interpreters) -> Check {
    let Some(digest) = declared.digest() else {
        return Check::notice(
            title,
            "none is declared; steps use the Python above",
            "declare one in mlx.toml: [env] python = { requirements = \"requirements.txt\" }",
        );
    };
    let short = digest.short();
    if declared.is_ready() {
        return Check::good(title, format!("{short} is ready"));
    }
    let has_uv = || find_program("uv", &interpreters.path).is_some();
    let has_venv = || {
        let python = declared.interpreter().map(|python| python.executable.as_path());
        python.is_some_and(|python| can_import(python, "import ensurepip, venv"))
    };
    let has_conda = || {
        interpreters.conda.is_some()
            || ["micromamba", "mamba", "conda"].iter().any(|name| find_program(name, &interpreters.path).is_some())
    };
    let (can_be_made, needs, remedy) = match declared.kind() {
        Some(Kind::Container) => {
            (declared.engine().is_some(), "neither podman nor docker is on PATH", "`apt install podman`")
        }
        Some(Kind::Conda) => (has_conda(), "neither micromamba nor conda is on PATH", "install micromamba, one file"),
        Some(Kind::Python) | None => (
            has_uv() || has_venv(),
            "this Python has no `venv`",
            "install it (`apt install python3-venv`), or install uv",
        ),
    };
    match can_be_made {
        true => Check::good(title, format!("{short} is made when `mlx train` needs it")),
        false => Check::missing(title, format!("{short} can't be made: {needs}"), remedy),
    }
}

fn can_import(python: &Path, code: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-I", "-c", code]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
