//! What would be garbage if some records went.

use std::collections::HashSet;

use super::roots::{self, History, Neighbours};
use super::{Amount, Workspace};
use crate::Result;
use crate::project::Project;

/// The objects of the store that these records name and nothing else does, in this project or another that uses the store.
pub fn freed_by(project: &Project, workspace: &Workspace, records: &[String]) -> Result<Amount> {
    let store = &workspace.store;
    let without: HashSet<&str> = records.iter().map(String::as_str).collect();
    let mut others = roots::named_by(project, store, History::Whole, &|record| !without.contains(record))?;
    others.extend(Neighbours::of(project, store)?.named(History::Whole)?);
    let kept = store.reach_leniently(others)?;
    let named = store.named_in_records(&|record| without.contains(record))?;
    let mut amount = Amount::default();
    for digest in store.reach_leniently(named)?.difference(&kept) {
        if let Some(bytes) = store.size(digest) {
            amount = Amount { count: amount.count + 1, bytes: amount.bytes + bytes };
        }
    }
    Ok(amount)
}
