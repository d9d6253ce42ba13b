//! What a step makes, where the manifest alone does not say it: patterns, outputs that may be missing, outputs that the
//! store does not keep.

use std::path::Path;

use crate::Result;
use crate::project::ProjectPath;
use crate::project::lock::LockedPath;
use crate::project::manifest::Step;

/// Whether these can be all outputs of a step, those in the store and the others.
pub fn fit(step: &Step, outs: &[LockedPath], unstored: &[LockedPath]) -> bool {
    if !step.is_open() && step.unstored.is_empty() {
        return unstored.is_empty() && step.products().eq(outs.iter().map(|out| &out.path));
    }
    let lists = |path: &ProjectPath, list: &[LockedPath]| list.iter().any(|out| out.path == *path);
    let of = |stored: bool| if stored { outs } else { unstored };
    let by_name = step.products().all(|path| {
        let stored = !step.unstored.contains(path);
        !lists(path, of(!stored)) && (step.optional.contains(path) || lists(path, of(stored)))
    });
    let by_pattern = step.out_patterns.iter().all(|out| {
        let matched = |list: &[LockedPath]| list.iter().any(|locked| out.pattern.matches(&locked.path));
        !matched(of(!out.stored)) && (out.optional || matched(of(out.stored)))
    });
    let is_declared = |locked: &LockedPath| {
        step.products().any(|path| locked.path == *path)
            || step.out_patterns.iter().any(|out| out.pattern.matches(&locked.path))
    };
    by_name && by_pattern && outs.iter().chain(unstored).all(is_declared)
}

/// The outputs of a step that lie there: paths, and whether the store keeps them. Those by name first, as the manifest has
/// them, then what each pattern matches.
pub fn lying(step: &Step, root: &Path) -> Result<Vec<(ProjectPath, bool)>> {
    let is_there = |path: &&ProjectPath| path.below(root).symlink_metadata().is_ok();
    let by_name = step.products().filter(is_there).map(|path| (path.clone(), !step.unstored.contains(path)));
    let mut found: Vec<(ProjectPath, bool)> = by_name.collect();
    for out in &step.out_patterns {
        found.extend(out.pattern.expand(root)?.into_iter().map(|path| (path, out.stored)));
    }
    Ok(found)
}

/// What has to be there and is not, of what lies there: a path or a pattern.
pub fn missing(step: &Step, lying: &[(ProjectPath, bool)]) -> Vec<String> {
    let by_name = step.products().filter(|path| !step.optional.contains(*path));
    let by_name = by_name.filter(|path| !lying.iter().any(|(found, _)| found == *path)).map(|path| format!("`{path}`"));
    let is_bare = |out: &&crate::project::manifest::OutputPattern| {
        !out.optional && !lying.iter().any(|(found, _)| out.pattern.matches(found))
    };
    let by_pattern = step.out_patterns.iter().filter(is_bare);
    by_name.chain(by_pattern.map(|out| format!("anything that matches `{}`", out.pattern))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::digest::{Object, ObjectKind};
    use crate::project::Manifest;

    fn step(outs: &str) -> Step {
        Manifest::parse(format!("[step.a]\ncmd = 'x'\nouts = [{outs}]").as_bytes()).unwrap().steps.remove(0)
    }

    fn locked(paths: &[&str]) -> Vec<LockedPath> {
        let object = Object { kind: ObjectKind::File, digest: Digest::of(""), size: 0, files: 1 };
        let locked = |path: &&str| LockedPath { path: ProjectPath::new(path).unwrap(), object: object.clone() };
        paths.iter().map(locked).collect()
    }

    #[test]
    fn outputs_fit_what_the_manifest_says_of_them() {
        let cases: &[(&str, &[&str], &[&str], bool)] = &[
            ("'a', 'b'", &["a", "b"], &[], true),
            ("'a', 'b'", &["a"], &[], false),
            ("'a', { path = 'b', optional = true }", &["a"], &[], true),
            ("'a', { path = 'b', optional = true }", &["a", "b"], &[], true),
            ("'a', { path = 'b', optional = true }", &["a", "c"], &[], false),
            ("'a', { path = 'b', store = false }", &["a"], &["b"], true),
            ("'a', { path = 'b', store = false }", &["a", "b"], &[], false),
            ("'a', { path = 'b', store = false }", &["a"], &[], false),
            ("'d/*'", &["d/x", "d/y"], &[], true),
            ("'d/*'", &[], &[], false),
            ("'d/*'", &["e"], &[], false),
            ("{ path = 'd/*', optional = true }", &[], &[], true),
            ("{ path = 'd/*', store = false }", &[], &["d/x"], true),
            ("{ path = 'd/*', store = false }", &["d/x"], &["d/y"], false),
        ];
        for (outs, stored, unstored, expected) in cases {
            let fits = fit(&step(outs), &locked(stored), &locked(unstored));
            assert_eq!(fits, *expected, "{outs} {stored:?} {unstored:?}");
        }
    }
}
