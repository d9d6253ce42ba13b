//! Checking every byte of a pack.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rayon::prelude::*;

use super::read::Pack;
use super::{Entry, HEAD, HEADER, Item, Kind};
use crate::Digest;

/// What is wrong with a pack that can be opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong besides the objects: in header, heads, index or footer.
    pub frame: Option<String>,
    /// Objects that are not what their digest says.
    pub objects: Vec<Digest>,
}

impl Damage {
    pub fn is_none(&self) -> bool {
        self.frame.is_none() && self.objects.is_empty()
    }
}

impl Pack {
    /// Reads everything, and says what is not as it was written. A recipe is looked at by `is_recipe`.
    pub fn damage(self: &Arc<Self>, is_recipe: impl Fn(&Item) -> bool + Sync) -> Damage {
        let entries = (0..self.index().count()).into_par_iter().filter_map(|slot| self.index().entry(slot));
        let objects = entries.filter(|entry| !self.is_sound(entry, &is_recipe)).map(|entry| entry.digest);
        Damage { frame: self.frame_damage(), objects: objects.collect() }
    }

    /// What is wrong besides the objects, which are not read.
    pub fn frame_damage(&self) -> Option<String> {
        let wrong = |slot: usize| match self.index().entry(slot) {
            Some(entry) if self.head(&entry).is_ok_and(|is_right| is_right) => None,
            Some(entry) => Some(format!("the head of object {} in it is damaged", entry.digest)),
            None => Some("an entry of its index makes no sense".to_owned()),
        };
        self.wrong_frame().err().or_else(|| (0..self.index().count()).into_par_iter().find_map_first(wrong))
    }

    /// Whether the stored bytes of an entry are what its digest says.
    fn is_sound(self: &Arc<Self>, entry: &Entry, is_recipe: &(impl Fn(&Item) -> bool + Sync)) -> bool {
        if entry.kind == Kind::Recipe {
            return self.item(entry).is_ok_and(|item| is_recipe(&item));
        }
        let read = self.content(entry).and_then(|mut content| crate::digest::of_reader(&mut content));
        read.is_ok_and(|(found, size)| found == entry.digest && size == entry.size)
    }

    /// Whether the head before an object says what the index does.
    fn head(&self, entry: &Entry) -> io::Result<bool> {
        let mut head = [0; HEAD];
        self.file().read_exact_at(&mut head, entry.offset.saturating_sub(HEAD as u64))?;
        Ok(head == entry.head())
    }

    /// Header, index and footer, and that the objects lie one behind the other with nothing between them.
    fn wrong_frame(&self) -> Result<(), String> {
        let mut header = [0; HEADER.len()];
        let read = self.file().read_exact_at(&mut header, 0);
        if read.is_err() || header != HEADER {
            return Err("its header is damaged".into());
        }
        let named = self.named();
        if self.index().digest() != self.footer().digest || named.is_some_and(|named| named != self.footer().digest) {
            return Err("its index is not what was written".into());
        }
        let mut entries: Vec<Entry> = self.index().entries().collect();
        if !entries.is_sorted_by(|a, b| a.digest < b.digest) {
            return Err("its index is not in order, or names an object twice".into());
        }
        entries.sort_unstable_by_key(|entry| entry.offset);
        let mut end = HEADER.len() as u64;
        for entry in entries {
            if entry.offset != end + HEAD as u64 {
                return Err("its objects overlap, or there is something between them".into());
            }
            end = entry.range().end;
        }
        if end != self.length() {
            return Err("there is something behind its objects".into());
        }
        Ok(())
    }
}
