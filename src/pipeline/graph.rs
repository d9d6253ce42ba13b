//! The graph of steps: who makes what, who needs it, and whether that can be carried out at all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::ops::Bound;

use super::makers::Makers;
use crate::project::lock::Lock;
use crate::project::manifest::{Manifest, Step};
use crate::project::{Glob, MANIFEST, Project, ProjectPath};
use crate::{Error, Result};

/// A cycle is shown with at most so many of its steps.
const SHOWN_STEPS: usize = 12;

/// The steps of a manifest and what connects them. A step is named by its index in the manifest.
#[derive(Debug)]
pub struct Graph<'m> {
    pub steps: &'m [Step],
    /// Every step after those it needs; otherwise in the order of the manifest.
    pub order: Vec<usize>,
    /// The steps that each step needs, sorted.
    pub needs: Vec<Vec<usize>>,
    /// The steps that need each step, sorted.
    pub needed_by: Vec<Vec<usize>>,
    makers: Makers<'m>,
}

impl<'m> Graph<'m> {
    /// Connects the steps and checks that they make a pipeline: one maker for each output, no output inside another or in
    /// tracked data, no path that leaves the project, no cycle.
    pub fn of(project: &'m Project, lock: &Lock) -> Result<Self> {
        let manifest = &project.manifest;
        let steps = manifest.steps.as_slice();
        let makers = Makers::of(steps)?;
        check_tracked(manifest, lock, &makers)?;
        check_places(project)?;
        check_checkpoints(manifest, lock, &makers)?;
        let needs = needs(steps, &makers)?;
        let mut needed_by = vec![Vec::new(); steps.len()];
        for (step, needs) in needs.iter().enumerate() {
            needs.iter().for_each(|needed| needed_by[*needed].push(step));
        }
        let order = order(steps, &needs, &needed_by)?;
        Ok(Self { steps, order, needs, needed_by, makers })
    }

    /// The named steps and all that they need, in order; every step where none is named.
    pub fn select(&self, names: &[String]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok(self.order.clone());
        }
        let mut chosen = vec![false; self.steps.len()];
        let mut open: Vec<usize> = self.indexes(names)?;
        while let Some(step) = open.pop() {
            if !std::mem::replace(&mut chosen[step], true) {
                open.extend(&self.needs[step]);
            }
        }
        Ok(self.order.iter().copied().filter(|step| chosen[*step]).collect())
    }

    /// The steps with these names, or in groups with these names.
    pub fn indexes(&self, names: &[String]) -> Result<Vec<usize>> {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::with_capacity(self.steps.len());
        for (index, step) in self.steps.iter().enumerate() {
            for name in std::iter::once(&step.name).chain(&step.group) {
                by_name.entry(name).or_default().push(index);
            }
        }
        let mut indexes = Vec::new();
        for name in names {
            indexes.extend(by_name.get(name.as_str()).ok_or_else(|| {
                Error::usage(format!("there is no step `{}` in {MANIFEST}", crate::fs::escape(name.as_bytes())))
                    .with_hint(crate::error::did_you_mean(name, Step::names(self.steps)))
            })?);
        }
        Ok(indexes)
    }

    /// The step one of whose outputs is this path or holds it, and that output.
    pub fn maker(&self, path: &ProjectPath) -> Option<(usize, ProjectPath)> {
        self.makers.maker(path)
    }

    /// The steps that may make what this pattern matches.
    pub fn makers_of(&self, pattern: &Glob) -> Vec<usize> {
        self.makers.of_pattern(pattern)
    }

    /// Refuses a dependency of these steps that nobody makes and that does not lie there.
    pub fn check_sources(&self, project: &Project, lock: &Lock, selected: &[usize]) -> Result<()> {
        let mut seen = HashSet::new();
        for step in selected.iter().map(|index| &self.steps[*index]).filter(|step| !step.frozen) {
            for path in step.inputs() {
                let is_made = || !self.makers.of_path(path).is_empty();
                if !seen.insert(path) || is_made() || path.below(project.root()).symlink_metadata().is_ok() {
                    continue;
                }
                let missing = Error::usage(format!(
                    "step `{}` needs `{path}`, which is not in this workspace and no step makes it ({})",
                    step.name, step.place
                ));
                let is_tracked = lock.paths.keys().any(|tracked| path.is_within(tracked));
                return Err(missing.with_hint(match is_tracked {
                    true => format!("bring it back with `mlx checkout {}`", path.argument()),
                    false => "put it there, correct the path, or name it as an output of the step that makes it".into(),
                }));
            }
            for pattern in &step.patterns {
                if self.makers.of_pattern(pattern).is_empty() && pattern.expand(project.root())?.is_empty() {
                    return Err(Error::usage(format!(
                        "step `{}` needs `{pattern}`, which nothing in this workspace matches and no step makes ({})",
                        step.name, step.place
                    ))
                    .with_hint("put the files there, or correct the pattern"));
                }
            }
        }
        Ok(())
    }
}

/// Refuses outputs that are tracked data, lie in it or hold it.
fn check_tracked(manifest: &Manifest, lock: &Lock, makers: &Makers<'_>) -> Result<()> {
    let declared = manifest.data.values().map(|source| (&source.path, Some(source.place.as_str())));
    let tracked = lock.paths.keys().map(|path| (path, None));
    for (path, place) in declared.chain(tracked) {
        let Some((output, step)) = makers.touching(path) else { continue };
        let step = &manifest.steps[step];
        let how = match place {
            Some(place) => format!("[data] names ({place})"),
            None => "`mlx add` tracks".to_owned(),
        };
        let relation = if output == path.to_string() {
            format!("is data that {how}")
        } else {
            format!("overlaps the data `{path}` that {how}")
        };
        return Err(Error::usage(format!("the output `{output}` of step `{}` {relation} ({})", step.name, step.place))
            .with_hint("a path is either data or made by a step: give the step another output"));
    }
    Ok(())
}

/// Refuses checkpoints that touch what matters to any step: what lies in one changes while its step runs, and goes.
fn check_checkpoints(manifest: &Manifest, lock: &Lock, makers: &Makers<'_>) -> Result<()> {
    let steps = &manifest.steps;
    let own = steps.iter().filter_map(|step| Some((step.checkpoint.as_ref()?, step)));
    let mut checkpoints: BTreeMap<&[u8], (&ProjectPath, &Step)> = BTreeMap::new();
    let refused = |step: &Step, path: &ProjectPath, what: String, hint: &str| {
        let message = format!("the checkpoint `{path}` of step `{}` {what} ({})", step.name, step.place);
        Err(Error::usage(message).with_hint(hint.to_owned()))
    };
    for (path, step) in own {
        if path.is_of_mlx() {
            return refused(step, path, "is what says what mlx does".into(), "give it a directory of its own");
        }
        if let Some((output, other)) = makers.touching(path) {
            let what = format!("touches the output `{output}` of step `{}`", steps[other].name);
            return refused(step, path, what, "an output is kept, a checkpoint goes: put them beside each other");
        }
        if let Some((_, other)) = checkpoints.insert(path.as_bytes(), (path, step)) {
            let what = format!("is that of step `{}` too", other.name);
            return refused(step, path, what, "give each step its own, with `${item}` or `${key}` in its path");
        }
    }
    if checkpoints.is_empty() {
        return Ok(());
    }
    let around = |path: &ProjectPath| {
        let mut above = std::iter::successors(Some(path.clone()), ProjectPath::parent);
        above.find_map(|above| checkpoints.get(above.as_bytes()).copied())
    };
    let touched = |path: &ProjectPath| {
        around(path).or_else(|| {
            let prefix = [path.as_bytes(), b"/"].concat();
            let mut below = checkpoints.range::<[u8], _>((Bound::Included(prefix.as_slice()), Bound::Unbounded));
            below.next().filter(|(below, _)| below.starts_with(&prefix)).map(|(_, found)| *found)
        })
    };
    for &(path, step) in checkpoints.values() {
        if let Some((around, other)) = path.parent().and_then(|parent| around(&parent)) {
            return refused(
                step,
                path,
                format!("lies in `{around}`, that of step `{}`", other.name),
                "put them beside each other",
            );
        }
    }
    let tracked = lock.paths.keys().chain(manifest.data.values().map(|source| &source.path));
    if let Some((data, (path, step))) = tracked.into_iter().find_map(|data| Some((data, touched(data)?))) {
        return refused(step, path, format!("touches the data `{data}`"), "give it a directory of its own");
    }
    for reader in steps.iter().filter(|step| !step.frozen) {
        let read = reader.inputs().find_map(|input| Some((input.to_string(), touched(input)?)));
        let matched = || {
            let reached = |pattern: &Glob| pattern.base().and_then(|base| around(&base));
            reader.patterns.iter().find_map(|pattern| Some((pattern.to_string(), reached(pattern)?)))
        };
        if let Some((input, (path, step))) = read.or_else(matched) {
            let what = format!("touches `{input}`, on which step `{}` depends", reader.name);
            return refused(step, path, what, "name what is to be read in `outs`, and put the checkpoint beside it");
        }
    }
    Ok(())
}

/// Refuses paths that leave the project through a symbolic link. One look for each directory is enough.
fn check_places(project: &Project) -> Result<()> {
    let mut seen = HashSet::new();
    for step in &project.manifest.steps {
        for path in step.inputs().chain(step.products()).chain(&step.dir).chain(&step.checkpoint) {
            let Some(parent) = path.parent() else { continue };
            if seen.insert(parent) {
                project
                    .resolve(path)
                    .map_err(|error| error.context(format!("step `{}` ({})", step.name, step.place)))?;
            }
        }
        for pattern in step.patterns.iter().chain(step.out_patterns.iter().map(|out| &out.pattern)) {
            // What matches lies in its directory, which no link may lead to.
            let Some(Ok(inside)) = pattern.base().map(|base| base.join("x")) else { continue };
            project
                .resolve(&inside)
                .map_err(|error| error.context(format!("step `{}` ({})", step.name, step.place)))?;
        }
    }
    Ok(())
}

/// The steps that each step needs: the makers of what it depends on, of directories around that, and of what lies inside.
fn needs(steps: &[Step], makers: &Makers<'_>) -> Result<Vec<Vec<usize>>> {
    let mut all = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let mut needs = Vec::new();
        // What a frozen step was made from does not matter any more.
        if !step.frozen {
            for path in step.inputs() {
                add_needs(&mut needs, makers.of_path(path), index, step, path)?;
            }
            for pattern in &step.patterns {
                add_needs(&mut needs, makers.of_pattern(pattern), index, step, pattern)?;
            }
        }
        needs.sort_unstable();
        needs.dedup();
        all.push(needs);
    }
    Ok(all)
}

fn add_needs(
    needs: &mut Vec<usize>,
    makers: Vec<usize>,
    index: usize,
    step: &Step,
    input: &dyn std::fmt::Display,
) -> Result<()> {
    if makers.contains(&index) {
        return Err(Error::usage(format!(
            "step `{}` depends on itself: it needs `{input}` and makes it ({})",
            step.name, step.place
        ))
        .with_hint("take it out of `deps`, or write the output to another place"));
    }
    needs.extend(makers);
    Ok(())
}

/// Each step after those it needs, and else as the manifest has them.
fn order(steps: &[Step], needs: &[Vec<usize>], needed_by: &[Vec<usize>]) -> Result<Vec<usize>> {
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        open.iter().enumerate().filter(|(_, count)| **count == 0).map(|(step, _)| Reverse(step)).collect();
    let mut order = Vec::with_capacity(steps.len());
    while let Some(Reverse(step)) = ready.pop() {
        order.push(step);
        for next in &needed_by[step] {
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.push(Reverse(*next));
            }
        }
    }
    if order.len() == steps.len() { Ok(order) } else { Err(cycle(steps, needs, &open)) }
}

/// The error that shows one cycle. Every step that is still open needs another one that is, so that walking back from
/// any of them comes around.
fn cycle(steps: &[Step], needs: &[Vec<usize>], open: &[usize]) -> Error {
    let mut place_of = HashMap::new();
    let mut walk = Vec::new();
    let mut current = open.iter().position(|count| *count > 0).unwrap_or_default();
    let start = loop {
        if let Some(start) = place_of.insert(current, walk.len()) {
            break start;
        }
        walk.push(current);
        current = needs[current].iter().copied().find(|needed| open[*needed] > 0).unwrap_or(current);
    };
    // Walked from user to maker; shown from maker to user, from the step that stands first in the manifest.
    let mut around: Vec<usize> = walk[start..].iter().rev().copied().collect();
    let first = around.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(place, _)| place);
    around.rotate_left(first);
    let mut names: Vec<&str> = around.iter().map(|step| steps[*step].name.as_str()).collect();
    names.push(names[0]);
    if names.len() > SHOWN_STEPS {
        names.splice(SHOWN_STEPS - 2..names.len() - 2, ["…"]);
    }
    let place = &steps[around[0]].place;
    Error::usage(format!("the steps go in a circle: {} ({place})", names.join(" -> ")))
        .with_hint("each arrow means that the right step depends on an output of the left one; take one away")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(manifest: &str) -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(MANIFEST), manifest).unwrap();
        let project = Project::open(dir.path()).unwrap();
        (dir, project)
    }

    fn error(manifest: &str) -> String {
        let (_dir, project) = project(manifest);
        Graph::of(&project, &Lock::default()).unwrap_err().to_string()
    }

    fn names(graph: &Graph<'_>, order: &[usize]) -> Vec<String> {
        order.iter().map(|step| graph.steps[*step].name.clone()).collect()
    }

    #[test]
    fn outputs_and_the_directories_around_them_connect_steps() {
        let (_dir, project) = project(
            "[step.last]\ncmd='x'\ndeps=['data']\n[step.part]\ncmd='x'\ndeps=['data/a/x.csv']\nouts=['part']\n\
             [step.first]\ncmd='x'\nouts=['data/a']\n[step.other]\ncmd='x'\n",
        );

        let graph = Graph::of(&project, &Lock::default()).unwrap();

        assert_eq!(names(&graph, &graph.order), ["first", "last", "part", "other"]);
        assert_eq!(names(&graph, &graph.select(&["part".into()]).unwrap()), ["first", "part"]);
        assert!(graph.select(&["prat".into()]).unwrap_err().hint().unwrap().contains("`part`"));
    }

    #[test]
    fn patterns_connect_steps() {
        let (_dir, project) = project(
            "[step.last]\ncmd='x'\ndeps=['in/*.csv', 'plots/**/*.png']\n[step.plot]\ncmd='x'\nouts=['plots/*/x.png']\n\
             [step.one]\ncmd='x'\ndeps=['plots/a/x.png']\nouts=['in/one.csv']\n[step.dir]\ncmd='x'\nouts=['in/sub']\n\
             [step.all]\ncmd='x'\ndeps=['plots']\n",
        );

        let graph = Graph::of(&project, &Lock::default()).unwrap();

        let needs: Vec<Vec<String>> = graph.needs.iter().map(|needs| names(&graph, needs)).collect();
        assert_eq!(needs, [vec!["plot", "one"], vec![], vec!["plot"], vec![], vec!["plot"]]);
    }

    #[test]
    fn a_circle_is_shown_as_a_path() {
        let text = "[step.z]\ncmd='x'\ndeps=['c']\nouts=['z']\n[step.a]\ncmd='x'\ndeps=['c']\nouts=['a']\n\
                    [step.b]\ncmd='x'\ndeps=['a']\nouts=['b']\n[step.c]\ncmd='x'\ndeps=['b']\nouts=['c']\n";

        assert!(
            error(text).starts_with("the steps go in a circle: a -> b -> c -> a (mlx.toml, line "),
            "{}",
            error(text)
        );
    }

    #[test]
    fn a_long_circle_is_cut() {
        let step =
            |index: usize| format!("[step.s{index}]\ncmd='x'\ndeps=['o{}']\nouts=['o{index}']\n", (index + 1) % 9000);
        let text: String = (0..9000).map(step).collect();

        assert!(error(&text).contains(" -> … -> "), "{}", error(&text));
    }

    #[test]
    fn overlapping_outputs_are_refused() {
        let cases = [
            ("[step.a]\ncmd='x'\ndeps=['d']\nouts=['d']", "step `a` depends on itself"),
            ("[step.a]\ncmd='x'\ndeps=['d']\nouts=['d/e']", "step `a` depends on itself"),
            ("[step.a]\ncmd='x'\nouts=['d','d']", "names the output `d` twice"),
            ("[step.a]\ncmd='x'\nouts=['d', 'd/m']", "lies inside the output `d` ("),
            ("[step.a]\ncmd='x'\nouts=['d']\nmetrics=['d']", "names the output `d` twice"),
            ("[step.a]\ncmd='x'\nouts=['d']\n[step.b]\ncmd='x'\nouts=['d']", "steps `a` and `b` both make `d`"),
            ("[step.a]\ncmd='x'\nouts=['d/e/f']\n[step.b]\ncmd='x'\nouts=['d']", "inside the output `d` of step `b`"),
            ("[data]\nr='d'\n[step.a]\ncmd='x'\nouts=['d']", "is data that [data] names (mlx.toml, line 2)"),
            ("[data]\nr='d'\n[step.a]\ncmd='x'\nouts=['d/e']", "overlaps the data `d`"),
            ("[data]\nr='d/e'\n[step.a]\ncmd='x'\nouts=['d']", "overlaps the data `d/e`"),
            (
                "[data]\nr='d/e'\n[step.a]\ncmd='x'\nouts=['d/*']",
                "the output `d/*` of step `a` overlaps the data `d/e`",
            ),
            ("[step.a]\ncmd='x'\ndeps=['d/*.csv']\nouts=['d/e.csv']", "it needs `d/*.csv` and makes it"),
            ("[step.a]\ncmd='x'\nouts=['d/*', 'd/e']", "`d/*` of step `a` may match `d/e`, another output"),
            ("[step.a]\ncmd='x'\nouts=['d', 'd/*']", "`d/*` of step `a` lies inside `d`, another output"),
            (
                "[step.a]\ncmd='x'\nouts=['d/*.a']\n[step.b]\ncmd='x'\nouts=['d/b*']",
                "`d/b*` of step `b` may match `d/*.a`, an output of step `a`",
            ),
            ("[step.a]\ncmd='x'\nouts=['*.toml']", "can't make `mlx.toml`"),
            ("[step.a]\ncmd='x'\nouts=['d']\ncheckpoint='d/c'", "`d/c` of step `a` touches the output `d` of step `a`"),
            ("[step.a]\ncmd='x'\ncheckpoint='c'\n[step.b]\ncmd='x'\ncheckpoint='c'", "is that of step `a` too"),
            ("[step.a]\ncmd='x'\ncheckpoint='c'\n[step.b]\ncmd='x'\ncheckpoint='c/d'", "lies in `c`, that of step `a`"),
            ("[step.a]\ncmd='x'\ncheckpoint='d/c'\n[step.b]\ncmd='x'\ndeps=['d']", "touches `d`, on which step `b`"),
            ("[step.a]\ncmd='x'\ncheckpoint='c'\n[step.b]\ncmd='x'\ndeps=['c/*.pt']", "touches `c/*.pt`, on which"),
            ("[data]\nr='c/x'\n[step.a]\ncmd='x'\ncheckpoint='c'", "touches the data `c/x`"),
        ];
        for (text, expected) in cases {
            assert!(error(text).contains(expected), "{}", error(text));
        }
    }
}
