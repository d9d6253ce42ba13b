//! What a step takes of a machine, as `resources` says it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::project::reader::{Item, Table};

/// What a step takes of the machine it runs on. None of it is part of the step key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resources {
    /// Processors; here it is of those that `--jobs` allows. 1 where nothing is said.
    pub cpus: u64,
    /// 0 where nothing is said.
    pub gpus: u64,
    pub memory_bytes: Option<u64>,
    /// What a scheduler is told that the step takes at most; where nothing is said, its `timeout` for each attempt of
    /// `retry`, and what lies between them.
    pub time: Option<Duration>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpus: 1, gpus: 0, memory_bytes: None, time: None }
    }
}

impl Resources {
    /// Takes `resources`, or `cpus` as its short form, out of a step's table. `time` is what it takes at most where they
    /// do not say. Tells as well whether they say that there is no GPU among them.
    pub(super) fn take(step: &mut Table<'_>, time: Option<Duration>) -> Result<(Self, bool)> {
        let short = step.take("cpus");
        let (mut resources, hides_gpus) = match (step.take("resources"), &short) {
            (Some(item), None) => Self::of(item)?,
            (Some(_), Some(short)) => {
                return Err(short
                    .error("the step has `resources` too")
                    .with_hint("write `resources = { cpus = …, … }` alone"));
            }
            (None, _) => (Self { cpus: short.map_or(Ok(1), |item| item.integer(1))?, ..Self::default() }, false),
        };
        resources.time = resources.time.or(time);
        Ok((resources, hides_gpus))
    }

    /// Reads the table `resources`.
    pub(super) fn of(item: Item<'_>) -> Result<(Self, bool)> {
        let mut table = item.table("`resources`".into())?;
        let mut resources = Self::default();
        resources.cpus = table.take("cpus").map_or(Ok(resources.cpus), |item| item.integer(1))?;
        let gpus = table.take("gpus").map(|item| item.integer(0)).transpose()?;
        resources.gpus = gpus.unwrap_or(resources.gpus);
        resources.memory_bytes = table.take("memory").map(Item::size).transpose()?;
        resources.time = table.take("time").map(Item::duration).transpose()?;
        table.finish()?;
        Ok((resources, gpus == Some(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Manifest;

    fn resources(text: &str) -> Result<Resources> {
        Ok(Manifest::parse(format!("[step.a]\ncmd = 'x'\n{text}").as_bytes())?.steps.remove(0).resources)
    }

    #[test]
    fn all_of_them_are_read() {
        let text = "resources = { cpus = 4, gpus = 1, memory = '8GB', time = '2h' }\ntimeout = '1h'";

        let expected =
            Resources { cpus: 4, gpus: 1, memory_bytes: Some(8_000_000_000), time: Some(Duration::from_secs(7200)) };
        assert_eq!(resources(text).unwrap(), expected);
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let limited = Resources { time: Some(Duration::from_secs(90)), ..Resources::default() };

        assert_eq!(resources("").unwrap(), Resources::default());
        assert_eq!(resources("cpus = 3").unwrap(), Resources { cpus: 3, ..Resources::default() });
        assert_eq!(resources("timeout = 90\nresources = {}").unwrap(), limited);
    }

    #[test]
    fn nonsense_is_named_with_its_place() {
        let cases = [
            ("cpus = 1\nresources = { gpus = 1 }", "`cpus` in step `a`: the step has `resources` too"),
            ("resources = { cpus = 0 }", "`cpus` in `resources`: expected a whole number from 1 up (mlx.toml, line 3)"),
            ("resources = { memory = '8 cows' }", "`memory` in `resources`: `8 cows` is no size"),
            ("resources = { memory = 0 }", "`memory` in `resources`: expected a whole number from 1 up"),
            ("resources = { memory = '99999999TiB' }", "is no size"),
            ("resources = { cpu = 1 }", "unknown key `cpu` in `resources`"),
        ];
        for (text, expected) in cases {
            let error = resources(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
