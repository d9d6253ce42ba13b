//! Who makes what: the steps by the paths and the patterns of their outputs.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use crate::project::manifest::Step;
use crate::project::{Glob, ProjectPath};
use crate::{Error, Result};

/// The outputs of all steps. A step is named by its index.
#[derive(Debug)]
pub struct Makers<'m> {
    by_path: HashMap<&'m ProjectPath, usize>,
    /// The same, sorted by the paths' bytes.
    sorted: BTreeMap<&'m [u8], (&'m ProjectPath, usize)>,
    /// Patterns by the directory that all they match lies in; nothing stands for the project's root.
    patterns: BTreeMap<Vec<u8>, Vec<(&'m Glob, usize)>>,
}

impl<'m> Makers<'m> {
    /// Collects the outputs. Two steps that make the same, and nested outputs, are an error.
    pub fn of(steps: &'m [Step]) -> Result<Self> {
        let by_path = by_path(steps)?;
        let sorted = by_path.iter().map(|(path, step)| (path.as_bytes(), (*path, *step))).collect();
        let mut makers = Self { by_path, sorted, patterns: BTreeMap::new() };
        for (index, step) in steps.iter().enumerate() {
            for out in &step.out_patterns {
                makers.check_pattern(steps, index, &out.pattern)?;
                let base = out.pattern.base().map_or(Vec::new(), |base| base.as_bytes().to_vec());
                makers.patterns.entry(base).or_default().push((&out.pattern, index));
            }
        }
        Ok(makers)
    }

    fn check_pattern(&self, steps: &[Step], index: usize, pattern: &Glob) -> Result<()> {
        let step = &steps[index];
        let refused =
            |what: String, hint: &str| Err(Error::usage(format!("{what} ({})", step.place)).with_hint(hint.to_owned()));
        let own = [crate::project::MANIFEST, crate::project::LOCK].map(ProjectPath::new);
        if let Some(path) = own.iter().flatten().find(|path| pattern.matches(path)) {
            let what =
                format!("step `{}` can't make `{path}`, which says what mlx does and matches `{pattern}`", step.name);
            return refused(what, "give it outputs of its own");
        }
        let of = |other: usize| match other == index {
            true => "another output".to_owned(),
            false => format!("an output of step `{}`", steps[other].name),
        };
        if let Some((other, outer)) = pattern.base().and_then(|base| self.holder(&base)) {
            let what = format!("`{pattern}` of step `{}` lies inside `{outer}`, {}", step.name, of(other));
            return refused(what, "name the outer one only, or put them beside each other");
        }
        let by_name = self.below(pattern.base().as_ref());
        let touched = by_name.into_iter().find(|(path, _)| pattern.matches(path) || pattern.reaches_into(path));
        let touched = touched.map(|(path, other)| (path.to_string(), other)).or_else(|| {
            let overlapping = self.near(pattern.base().as_ref()).find(|(other, _)| pattern.overlaps(other));
            overlapping.map(|(other, step)| (other.to_string(), step))
        });
        match touched {
            Some((output, other)) => {
                let what = format!("`{pattern}` of step `{}` may match `{output}`, {}", step.name, of(other));
                refused(what, "narrow the pattern, or put the outputs into directories of their own")
            }
            None => Ok(()),
        }
    }

    /// The step one of whose outputs is this path or holds it, and that output.
    pub fn maker(&self, path: &ProjectPath) -> Option<(usize, ProjectPath)> {
        let by_name = self.holder(path).map(|(step, output)| (step, output.clone()));
        by_name.or_else(|| {
            let mut near = self.near(Some(path)).filter(|(pattern, _)| pattern.matches(path));
            near.next().map(|(_, step)| (step, path.clone()))
        })
    }

    /// The makers of what this path is, of the directories around it, and of what lies inside.
    pub fn of_path(&self, path: &ProjectPath) -> Vec<usize> {
        let above = self.holder(path).map(|(maker, _)| maker);
        let below = self.below(Some(path)).into_iter().map(|(_, maker)| maker);
        let near = self.near(Some(path)).filter(|(pattern, _)| pattern.matches(path) || pattern.reaches_into(path));
        above.into_iter().chain(below).chain(near.map(|(_, maker)| maker)).collect()
    }

    /// The makers of what this pattern may match.
    pub fn of_pattern(&self, pattern: &Glob) -> Vec<usize> {
        let base = pattern.base();
        let above = base.as_ref().and_then(|base| self.holder(base)).map(|(maker, _)| maker);
        let below = self.below(base.as_ref()).into_iter();
        let below = below.filter(|(path, _)| pattern.matches(path) || pattern.reaches_into(path));
        let near = self.near(base.as_ref()).filter(|(other, _)| pattern.overlaps(other));
        above.into_iter().chain(below.map(|(_, maker)| maker)).chain(near.map(|(_, maker)| maker)).collect()
    }

    /// An output that is this path, lies in it or holds it, and its step.
    pub fn touching(&self, path: &ProjectPath) -> Option<(String, usize)> {
        let by_name = self.holder(path).map(|(step, output)| (output, step));
        let by_name = by_name.or_else(|| self.below(Some(path)).first().copied());
        by_name.map(|(output, step)| (output.to_string(), step)).or_else(|| {
            let touches = |(pattern, _): &(&Glob, usize)| pattern.matches(path) || pattern.reaches_into(path);
            self.near(Some(path)).find(touches).map(|(pattern, step)| (pattern.to_string(), step))
        })
    }

    /// The output that is this path or a directory above it.
    fn holder(&self, path: &ProjectPath) -> Option<(usize, &'m ProjectPath)> {
        holder(&self.by_path, path)
    }

    /// The outputs strictly below a directory, or all of them.
    fn below(&self, directory: Option<&ProjectPath>) -> Vec<(&'m ProjectPath, usize)> {
        let Some(directory) = directory else { return self.sorted.values().copied().collect() };
        let prefix = [directory.as_bytes(), b"/"].concat();
        let start = Bound::Included(prefix.as_slice());
        let entries = self.sorted.range::<[u8], _>((start, Bound::Unbounded));
        entries.take_while(|(path, _)| path.starts_with(&prefix)).map(|(_, entry)| *entry).collect()
    }

    /// The patterns that start in this directory, above or below it.
    fn near(&self, directory: Option<&ProjectPath>) -> impl Iterator<Item = (&'m Glob, usize)> {
        let mut found = Vec::new();
        if let Some(directory) = directory.filter(|_| !self.patterns.is_empty()) {
            let mut above = Some(directory.clone());
            while let Some(base) = above {
                found.extend(self.patterns.get(base.as_bytes()).into_iter().flatten());
                above = base.parent();
            }
            found.extend(self.patterns.get(&[][..]).into_iter().flatten());
            let prefix = [directory.as_bytes(), b"/"].concat();
            let start = Bound::Included(prefix.as_slice());
            let below = self.patterns.range::<[u8], _>((start, Bound::Unbounded));
            found.extend(below.take_while(|(base, _)| base.starts_with(&prefix)).flat_map(|(_, entries)| entries));
        } else {
            found.extend(self.patterns.values().flatten());
        }
        found.into_iter().copied()
    }
}

/// Each output that has a name, and its step.
fn by_path(steps: &[Step]) -> Result<HashMap<&ProjectPath, usize>> {
    let mut makers = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        for path in step.products() {
            if path.is_of_mlx() {
                let message = format!("step `{}` can't make `{path}`, which says what mlx does", step.name);
                return Err(Error::usage(format!("{message} ({})", step.place)).with_hint("give it another output"));
            }
            let Some(other) = makers.insert(path, index) else { continue };
            let other: &Step = &steps[other];
            return Err(if other.name == step.name {
                Error::usage(format!("step `{}` names the output `{path}` twice ({})", step.name, step.place))
                    .with_hint("name each output once, in `outs` or in `metrics`")
            } else {
                Error::usage(format!("steps `{}` and `{}` both make `{path}` ({})", other.name, step.name, step.place))
                    .with_hint("give each its own output")
            });
        }
    }
    for (index, step) in steps.iter().enumerate() {
        for path in step.products() {
            let Some((other, outer)) = path.parent().and_then(|parent| holder(&makers, &parent)) else { continue };
            let owner = if other == index { String::new() } else { format!(" of step `{}`", steps[other].name) };
            return Err(Error::usage(format!(
                "the output `{path}` of step `{}` lies inside the output `{outer}`{owner} ({})",
                step.name, step.place
            ))
            .with_hint("name the outer one only, or put them beside each other"));
        }
    }
    Ok(makers)
}

/// The entry that is this path or a directory above it.
fn holder<'m>(makers: &HashMap<&'m ProjectPath, usize>, path: &ProjectPath) -> Option<(usize, &'m ProjectPath)> {
    let mut current = Some(path.clone());
    while let Some(candidate) = current {
        if let Some((path, step)) = makers.get_key_value(&candidate) {
            return Some((*step, *path));
        }
        current = candidate.parent();
    }
    None
}
