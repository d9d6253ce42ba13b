//! What stands under `outs` and `metrics`: paths, patterns, and tables that say more of them.

use super::text::Text;
use crate::Result;
use crate::project::Glob;
use crate::project::reader::Item;

/// An output as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredOutput {
    pub path: Text,
    /// The step may end well without it.
    pub optional: bool,
    /// The store keeps its content.
    pub stored: bool,
}

/// A pattern of outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputPattern {
    pub pattern: Glob,
    /// The step may end well without any.
    pub optional: bool,
    /// The store keeps their content.
    pub stored: bool,
}

impl DeclaredOutput {
    pub(super) fn all(item: Item<'_>, key: &'static str, step: &str) -> Result<Vec<Self>> {
        item.items()?.into_iter().map(|item| Self::of(item, key, step)).collect()
    }

    fn of(item: Item<'_>, key: &'static str, step: &str) -> Result<Self> {
        if !item.is_table() {
            return Ok(Self { path: Text::of(item, key)?, optional: false, stored: true });
        }
        let mut table = item.table(format!("an output of step `{step}`"))?;
        let path = table.take("path");
        let optional = table.take("optional").map_or(Ok(false), Item::boolean)?;
        let stored = table.take("store").map_or(Ok(true), Item::boolean)?;
        let path = Text::of(path.ok_or_else(|| table.missing("path"))?, key)?;
        table.finish()?;
        Ok(Self { path, optional, stored })
    }
}
