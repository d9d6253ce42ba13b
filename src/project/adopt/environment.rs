//! What a directory says of the packages that its programs need.

use std::path::Path;

use serde_json::Value;

use super::draft::{Draft, list};
use crate::Result;
use crate::fs::read_optional;
use crate::project::assign::toml_text;

const REQUIREMENTS: [&str; 3] = ["requirements.txt", "src/requirements.txt", "requirements/requirements.txt"];
const CONDA: [&str; 4] = ["environment.yml", "environment.yaml", "conda.yaml", "conda.yml"];

/// Takes the first file that says it.
pub fn find(root: &Path, draft: &mut Draft) -> Result<()> {
    if let Some(file) = REQUIREMENTS.iter().find(|file| root.join(file).is_file()) {
        take_requirements(file, draft);
        return Ok(());
    }
    if take_pyproject(root, draft)? {
        return Ok(());
    }
    if let Some(pipfile) = read_toml(root, "Pipfile")?
        && let Some(packages) = pipfile.get("packages")
        && take_packages("Pipfile", packages, draft)
    {
        return Ok(());
    }
    if let Some(file) = CONDA.iter().find(|file| root.join(file).is_file()) {
        return take_conda(root, file, draft);
    }
    if root.join("setup.py").is_file() {
        draft.environment = Some("python = { requirements = [\"-e .\"] }".into());
        draft.source("setup.py");
    }
    Ok(())
}

fn take_requirements(file: &str, draft: &mut Draft) {
    draft.environment = Some(format!("python = {{ requirements = {} }}", toml_text(file)));
    draft.source(file);
}

/// Says whether `pyproject.toml` names packages.
fn take_pyproject(root: &Path, draft: &mut Draft) -> Result<bool> {
    let Some(table) = read_toml(root, "pyproject.toml")? else { return Ok(false) };
    let find = |path: &[&str]| path.iter().try_fold(&table, |value, key| value.get(key));
    if find(&["project", "dependencies"]).is_some() {
        // What can be built is a package that its own programs import.
        let is_built = find(&["build-system"]).is_some();
        let requirements = if is_built { "[\"-e .\"]" } else { "\"pyproject.toml\"" };
        draft.environment = Some(format!("python = {{ requirements = {requirements} }}"));
        draft.source("pyproject.toml");
        return Ok(true);
    }
    Ok(match find(&["tool", "poetry", "dependencies"]) {
        Some(packages) => take_packages("pyproject.toml", packages, draft),
        None => false,
    })
}

/// Takes packages as Poetry and Pipenv list them: a table of names and versions.
fn take_packages(file: &str, packages: &toml::Value, draft: &mut Draft) -> bool {
    let Some(packages) = packages.as_table() else { return false };
    let mut lines = Vec::new();
    for (name, wanted) in packages.iter().filter(|(name, _)| *name != "python") {
        match package(name, wanted) {
            Some(line) => lines.push(toml_text(&line)),
            None => draft.left.push(format!("the package `{name}` of {file}")),
        }
    }
    draft.environment = Some(format!("python = {{ requirements = {} }}", list(lines)));
    draft.source(file);
    true
}

/// The line of a requirements file that asks for the same; `None` where it says more than a version and extras.
fn package(name: &str, wanted: &toml::Value) -> Option<String> {
    let (version, extras) = match wanted {
        toml::Value::String(version) => (version.as_str(), String::new()),
        toml::Value::Table(table) => {
            let is_known = |key: &String| matches!(key.as_str(), "version" | "extras" | "index" | "source");
            if !table.keys().all(is_known) {
                return None;
            }
            let extras = table.get("extras").and_then(toml::Value::as_array).into_iter().flatten();
            let extras: Vec<&str> = extras.filter_map(toml::Value::as_str).collect();
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            (table.get("version").and_then(toml::Value::as_str).unwrap_or("*"), extras)
        }
        _ => return None,
    };
    let version = version.replace(' ', "");
    let range = match (version.strip_prefix('^'), version.strip_prefix('~').filter(|rest| !rest.starts_with('='))) {
        (Some(from), _) => below_next(from, false)?,
        (None, Some(from)) => below_next(from, true)?,
        (None, None) if version == "*" || version.is_empty() => String::new(),
        (None, None) if version.starts_with(|first: char| first.is_ascii_digit()) => format!("=={version}"),
        (None, None) => version,
    };
    Some(format!("{name}{extras}{range}"))
}

/// Poetry's `^1.2.3` and `~1.2.3`: from this version on, and below the next one that may break something.
fn below_next(from: &str, is_tilde: bool) -> Option<String> {
    let numbers = from.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>()?;
    let place = match is_tilde {
        true => usize::from(numbers.len() > 1),
        false => numbers.iter().position(|number| *number > 0).unwrap_or(numbers.len() - 1),
    };
    let mut next: Vec<u64> = numbers[..=place].to_vec();
    next[place] += 1;
    let next = next.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    Some(format!(">={from},<{next}"))
}

fn read_toml(root: &Path, file: &str) -> Result<Option<toml::Value>> {
    let Some(bytes) = read_optional(&root.join(file))? else { return Ok(None) };
    let text = String::from_utf8(bytes).ok();
    Ok(text.and_then(|text| text.parse::<toml::Table>().ok()).map(toml::Value::Table))
}

/// Takes a file of conda, and shows what pip would need in its place.
pub fn take_conda(root: &Path, file: &str, draft: &mut Draft) -> Result<()> {
    let Some(bytes) = read_optional(&root.join(file))? else { return Ok(()) };
    let document: Value =
        std::str::from_utf8(&bytes).ok().and_then(|text| serde_saphyr::from_str(text).ok()).unwrap_or_default();
    let wanted = document["dependencies"].as_array().into_iter().flatten().flat_map(|dependency| match dependency {
        Value::String(text) => of_conda(text).into_iter().collect::<Vec<_>>(),
        other => other["pip"].as_array().into_iter().flatten().filter_map(Value::as_str).map(toml_text).collect(),
    });
    let lines = list(wanted).replace('\n', "\n# ");
    draft.environment = Some(format!(
        "conda = {{ file = {} }}\n# Without conda, with packages of the same names for pip:\n# python = {{ requirements = {lines} }}",
        toml_text(file)
    ));
    draft.source(file);
    Ok(())
}

/// Takes an environment of MLflow's own kind, a `python_env.yaml`.
pub fn take_python_env(root: &Path, file: &str, draft: &mut Draft) -> Result<()> {
    let Some(bytes) = read_optional(&root.join(file))? else { return Ok(()) };
    let text = String::from_utf8_lossy(&bytes);
    let document: Value = serde_saphyr::from_str(&text).unwrap_or_default();
    let lines: Vec<&str> =
        document["dependencies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let included = |line: &str| line.strip_prefix("-r").map(|file| file.trim().to_owned());
    match lines.as_slice() {
        [line] if included(line).is_some_and(|file| root.join(file).is_file()) => {
            take_requirements(&included(line).unwrap_or_default(), draft);
        }
        lines => {
            let lines = list(lines.iter().map(|line| toml_text(line)));
            draft.environment = Some(format!("python = {{ requirements = {lines} }}"));
        }
    }
    draft.source(file);
    Ok(())
}

/// `conda-forge::numpy=1.26=py311` as pip writes it; nothing for Python and pip themselves.
fn of_conda(text: &str) -> Option<String> {
    let text = text.rsplit("::").next()?.trim();
    let end = text.find(|character: char| "=<>!~ ".contains(character)).unwrap_or(text.len());
    let (name, version) = text.split_at(end);
    if matches!(name, "" | "python" | "pip") {
        return None;
    }
    let version = version.replace(' ', "");
    let version = match version.strip_prefix('=') {
        Some(exact) if !exact.starts_with('=') => format!("=={}", exact.split('=').next().unwrap_or_default()),
        _ => version,
    };
    Some(toml_text(&format!("{name}{version}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_poetry_and_pipenv_are_written_for_pip() {
        let cases = [
            ("'*'", Some("six")),
            ("'^1.2.3'", Some("six>=1.2.3,<2")),
            ("'^0.2'", Some("six>=0.2,<0.3")),
            ("'~1.2.3'", Some("six>=1.2.3,<1.3")),
            ("'>=1, <3'", Some("six>=1,<3")),
            ("'1.16.0'", Some("six==1.16.0")),
            ("{ version = '~=1.1', extras = ['a', 'b'] }", Some("six[a,b]~=1.1")),
            ("{ git = 'https://host/six' }", None),
        ];
        for (wanted, line) in cases {
            let table: toml::Table = format!("six = {wanted}").parse().unwrap();
            assert_eq!(package("six", &table["six"]).as_deref(), line, "{wanted}");
        }
    }

    #[test]
    fn packages_of_conda_are_named_for_pip() {
        let cases = [
            ("numpy>=1.14.3", Some("\"numpy>=1.14.3\"")),
            ("conda-forge::numpy=1.26=py311_0", Some("\"numpy==1.26\"")),
            ("scikit-learn ==1.2", Some("\"scikit-learn==1.2\"")),
            ("python=3.8", None),
            ("pip", None),
        ];
        for (conda, pip) in cases {
            assert_eq!(of_conda(conda).as_deref(), pip, "{conda}");
        }
    }
}
