//! Rows: which of them two versions of a table do not share.
//!
//! A row is known by a hash of its content. Both versions are read side by side; what one has more often than the other
//! waits until the other brings it too, so that memory holds only what is out of step. Where that becomes too much, only
//! rows whose hash begins with some zero bits are looked at from then on, and the counts are estimated.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{SyncSender, sync_channel};

use serde::Serialize;

use super::Table;
use crate::Result;

/// Rows go from a reader to who compares in groups of this size.
const GROUP: usize = 4096;
/// So many rows may wait for their like, some 70 MB.
const MOST_WAITING: usize = 1 << 20;

/// So many rows are named.
const MOST_SHOWN: usize = 5;

/// How many rows differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RowChanges {
    pub added: u64,
    pub removed: u64,
    /// Pairs of a removed and an added row with the same value in the column that names rows (such as `id`), or with the same
    /// number; they count neither as added nor as removed. `None` where the counts are estimated.
    pub changed: Option<u64>,
    /// Whether the counts are estimates, because too many rows differ to keep all in memory.
    pub estimated: bool,
}

/// The numbers of the first few rows that differ, from 1: of added and changed ones in the version after, of removed ones in
/// the version before. None where the counts are estimated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FirstRows {
    pub added: Vec<u64>,
    pub removed: Vec<u64>,
    pub changed: Vec<u64>,
}

/// A row as it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The hash of its content.
    pub content: u64,
    /// The hash of what names it, where a column does.
    pub key: Option<u64>,
}

/// Reads the rows of one version, and looks at its columns on the way.
pub trait Rows: Send {
    fn next(&mut self) -> Result<Option<Row>>;
    /// What was learned, once there are no more rows.
    fn finish(self) -> Table;
}

/// Reads both versions to their ends. The error of one is inside, so that the caller knows whose it is.
pub fn compare(
    before: impl Rows,
    after: impl Rows,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<(Result<Table>, Result<Table>, RowChanges, FirstRows)> {
    std::thread::scope(|scope| {
        let (before_sender, before_groups) = sync_channel(2);
        let (after_sender, after_groups) = sync_channel(2);
        let before = scope.spawn(move || send(before, &before_sender));
        let after = scope.spawn(move || send(after, &after_sender));
        let mut waiting = Waiting::new(MOST_WAITING);
        loop {
            go_on()?;
            match (before_groups.recv().ok(), after_groups.recv().ok()) {
                (None, None) => break,
                (before, after) => waiting.take(&before.unwrap_or_default(), &after.unwrap_or_default()),
            }
        }
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Table>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let (changes, first) = waiting.changes();
        Ok((join(before), join(after), changes, first))
    })
}

fn send(mut rows: impl Rows, sender: &SyncSender<Vec<Row>>) -> Result<Table> {
    loop {
        let mut group = Vec::with_capacity(GROUP);
        while group.len() < GROUP
            && let Some(row) = rows.next()?
        {
            group.push(row);
        }
        let is_last = group.len() < GROUP;
        // Who compares may have given up.
        if sender.send(group).is_err() || is_last {
            return Ok(rows.finish());
        }
    }
}

/// The rows that one version has more often than the other, as far as both are read.
struct Waiting {
    rows: HashMap<u64, Surplus>,
    /// How many rows may wait.
    most: usize,
    /// How many leading bits of a row's hash must be zero for it to be looked at.
    zero_bits: u32,
    number: u64,
}

struct Surplus {
    /// Above zero where the version after has more of them.
    count: i64,
    key: Option<u64>,
    /// The number of the last such row.
    number: u64,
}

impl Waiting {
    fn new(most: usize) -> Self {
        Self { rows: HashMap::new(), most, zero_bits: 0, number: 0 }
    }

    fn take(&mut self, before: &[Row], after: &[Row]) {
        for place in 0..before.len().max(after.len()) {
            self.number += 1;
            let (before, after) = (before.get(place), after.get(place));
            if before.map(|row| row.content) == after.map(|row| row.content) {
                continue;
            }
            before.into_iter().for_each(|row| self.count(row, -1));
            after.into_iter().for_each(|row| self.count(row, 1));
        }
        while self.rows.len() > self.most {
            self.zero_bits += 1;
            let zero_bits = self.zero_bits;
            self.rows.retain(|content, _| content.leading_zeros() >= zero_bits);
        }
    }

    fn count(&mut self, row: &Row, count: i64) {
        if row.content.leading_zeros() < self.zero_bits {
            return;
        }
        let surplus = self.rows.entry(row.content).or_insert(Surplus { count: 0, key: None, number: 0 });
        *surplus = Surplus { count: surplus.count + count, key: row.key, number: self.number };
        if surplus.count == 0 {
            self.rows.remove(&row.content);
        }
    }

    fn changes(&self) -> (RowChanges, FirstRows) {
        let sum = |sign: i64| {
            let counts = self.rows.values().map(|surplus| surplus.count * sign).filter(|count| *count > 0);
            counts.sum::<i64>().unsigned_abs() << self.zero_bits
        };
        let (added, removed) = (sum(1), sum(-1));
        if self.zero_bits > 0 {
            return (RowChanges { added, removed, changed: None, estimated: true }, FirstRows::default());
        }
        let Pairs { changed: pairs, added: alone, removed: gone } = self.pairs();
        let changed = pairs.len() as u64;
        let changes =
            RowChanges { added: added - changed, removed: removed - changed, changed: Some(changed), estimated: false };
        (changes, FirstRows { added: first(alone), removed: first(gone), changed: first(pairs) })
    }

    /// Which removed rows have an added row in their place.
    fn pairs(&self) -> Pairs {
        // Where a name occurs more than once, it names no row.
        let mut keys: HashMap<u64, [i64; 2]> = HashMap::new();
        for surplus in self.rows.values() {
            if let Some(key) = surplus.key {
                keys.entry(key).or_default()[usize::from(surplus.count > 0)] += surplus.count.abs();
            }
        }
        keys.retain(|_, counts| *counts == [1, 1]);
        let is_paired = |surplus: &&Surplus| surplus.key.is_some_and(|key| keys.contains_key(&key));
        let by_key = self.rows.values().filter(|surplus| is_paired(surplus) && surplus.count > 0);
        let mut changed: Vec<u64> = by_key.map(|surplus| surplus.number).collect();
        let (added, removed): (Vec<&Surplus>, Vec<&Surplus>) =
            self.rows.values().filter(|surplus| !is_paired(surplus)).partition(|surplus| surplus.count > 0);
        let numbers = |rows: &[&Surplus]| rows.iter().map(|surplus| surplus.number).collect::<HashSet<u64>>();
        let (new, old) = (numbers(&added), numbers(&removed));
        changed.extend(added.iter().map(|surplus| surplus.number).filter(|number| old.contains(number)));
        Pairs {
            changed,
            added: new.difference(&old).copied().collect(),
            removed: old.difference(&new).copied().collect(),
        }
    }
}

/// Numbers of rows, in any order.
struct Pairs {
    changed: Vec<u64>,
    added: Vec<u64>,
    removed: Vec<u64>,
}

fn first(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.sort_unstable();
    numbers.truncate(MOST_SHOWN);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rows given by their contents; a row's key is the content without its last digit.
    fn changes(before: &[u64], after: &[u64], most: usize) -> RowChanges {
        let mut waiting = Waiting::new(most);
        // Hashes are spread over all bits.
        let spread = |number: u64| (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let rows = |contents: &[u64]| -> Vec<Row> {
            contents.iter().map(|content| Row { content: spread(*content), key: Some(content / 10) }).collect()
        };
        let (before, after) = (rows(before), rows(after));
        let groups = before.len().max(after.len()).div_ceil(3);
        for group in 0..groups {
            let part = |rows: &[Row]| rows.iter().skip(group * 3).take(3).copied().collect::<Vec<_>>();
            waiting.take(&part(&before), &part(&after));
        }
        waiting.changes().0
    }

    fn exact(added: u64, removed: u64, changed: u64) -> RowChanges {
        RowChanges { added, removed, changed: Some(changed), estimated: false }
    }

    #[test]
    fn rows_are_compared_wherever_they_stand() {
        assert_eq!(changes(&[10, 20, 30], &[30, 10, 20], 100), exact(0, 0, 0));
        assert_eq!(changes(&[10, 20, 30], &[5, 10, 20, 30, 40], 100), exact(2, 0, 0));
        assert_eq!(changes(&[10, 10, 20], &[10, 20], 100), exact(0, 1, 0));
        assert_eq!(changes(&[10, 20, 30], &[10, 21, 30], 100), exact(0, 0, 1));
        // Another key, but the same row.
        assert_eq!(changes(&[10, 20, 30], &[10, 70, 30], 100), exact(0, 0, 1));
        // The same key, but another row.
        assert_eq!(changes(&[10, 20, 30], &[10, 30, 50, 60, 21], 100), exact(2, 0, 1));
    }

    #[test]
    fn too_many_rows_are_estimated() {
        let (before, after): (Vec<u64>, Vec<u64>) = ((0..100_000).collect(), (50_000..300_000).collect());

        let RowChanges { added, removed, changed, estimated } = changes(&before, &after, 5_000);

        assert!(estimated && changed.is_none());
        assert!((180_000..220_000).contains(&added), "{added}");
        assert!((40_000..60_000).contains(&removed), "{removed}");
    }

    proptest! {
        #[test]
        fn counts_add_up(before in prop::collection::vec(0u64..40, 0..30), after in prop::collection::vec(0u64..40, 0..30)) {
            let found = changes(&before, &after, 1000);

            prop_assert_eq!(before.len() as u64 + found.added, after.len() as u64 + found.removed);
            prop_assert_eq!(changes(&after, &before, 1000), RowChanges { added: found.removed, removed: found.added, ..found });
        }
    }
}
