//! Files made from the definition of the command line are in step with it: `completions/` and `man/`.
//!
//! `MLX_REGENERATE=1 cargo test generated` writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Project;

fn files(directory: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeMap::new() };
    let file = |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into(), fs::read_to_string(&path).unwrap());
    entries.map(|entry| file(entry.unwrap().path())).collect()
}

/// Compares a directory of the repository with what the program makes now, or replaces it.
fn check(name: &str, made: &BTreeMap<String, String>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("MLX_REGENERATE").is_some() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        made.iter().for_each(|(file, text)| fs::write(directory.join(file), text).unwrap());
    }
    let kept = files(&directory);
    let differing: Vec<&String> =
        made.keys().chain(kept.keys()).filter(|file| made.get(*file) != kept.get(*file)).collect();
    assert!(differing.is_empty(), "{name}/ is out of step: {differing:?}; run `MLX_REGENERATE=1 cargo test generated`");
}

#[test]
fn completions_are_in_step() {
    let project = Project::empty();
    let shells = [
        ("bash", "mlx.bash"),
        ("zsh", "_mlx"),
        ("fish", "mlx.fish"),
        ("elvish", "mlx.elv"),
        ("powershell", "_mlx.ps1"),
    ];

    let made = shells.map(|(shell, file)| (file.to_owned(), project.mlx(&["completions", shell]).success().stdout));

    check("completions", &made.into());
}

#[test]
fn man_pages_are_in_step() {
    let project = Project::empty();

    project.mlx(&["man", "pages"]).success();

    check("man", &files(&project.path("pages")));
}

#[test]
fn every_command_has_help_with_examples() {
    let project = Project::empty();
    project.mlx(&["man", "pages"]).success();
    let pages = files(&project.path("pages"));

    for page in pages.keys().filter(|page| *page != "mlx.1") {
        let command: Vec<&str> = page.trim_end_matches(".1").split('-').skip(1).collect();
        let help = project.mlx(&[&command[..], &["--help"]].concat()).success().stdout;
        let is_group = help.contains("<COMMAND>");
        assert!(
            is_group || help.contains("Examples:\n  mlx "),
            "`mlx {}` shows no examples:\n{help}",
            command.join(" ")
        );
    }
}
