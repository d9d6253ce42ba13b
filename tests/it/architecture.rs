//! The layers of `docs/ARCHITECTURE.md`: a module uses only what stands below it or to its right.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers as the page draws them, from the block that names `cli` first.
fn layers() -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    let block =
        page.split("```").find(|block| block.trim_start().starts_with("cli")).expect("the page draws the layers");
    let words =
        |line: &str| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    // What stands after a wide gap explains the line.
    block
        .lines()
        .map(|line| line.split("    ").next().unwrap_or_default())
        .map(words)
        .filter(|line: &Vec<_>| !line.is_empty())
        .collect()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names of modules that a source names after `crate::`, those in braces included.
fn uses(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in text.split("crate::").skip(1) {
        let group = rest.strip_prefix('{').and_then(|group| group.split("};").next());
        let first =
            |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match group {
            Some(group) => names.extend(group.split(',').map(first)),
            None => names.push(first(rest)),
        }
    }
    names
}

#[test]
fn modules_use_only_what_stands_below_or_to_the_right() {
    let layers = layers();
    let places: BTreeMap<&str, (usize, usize)> = layers
        .iter()
        .enumerate()
        .flat_map(|(row, line)| line.iter().enumerate().map(move |(column, name)| (name.as_str(), (row, column))))
        .collect();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    let mut checked = 0;

    for file in &files {
        let relative = file.strip_prefix(&src).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some((row, column)) = places.get(module) else {
            wrong.push(format!("{}: no layer names `{module}`", relative.display()));
            continue;
        };
        for used in uses(&fs::read_to_string(file).unwrap()) {
            let Some((used_row, used_column)) = places.get(used.as_str()) else { continue };
            checked += 1;
            if used != module && (used_row < row || (used_row == row && used_column < column)) {
                wrong.push(format!("{} uses `{used}`, which stands above it", relative.display()));
            }
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 20, "the test sees the code: {checked} uses");
}
