//! A history in small documents: the newest entries in one, and earlier ones by the hundred.

use serde::{Deserialize, Serialize};

use super::history::{self, Entry};
use super::place::Place;
use crate::event::EventSink;
use crate::remote::State;
use crate::{Error, Result};

/// The name of the document with the newest entries; that of an earlier page has its number behind a dot.
const HISTORY: &str = "history";
/// So many entries are written together.
const ENTRIES: usize = 100;
/// So often a document is written that somebody else writes as well.
const ATTEMPTS: usize = 3;

/// Entries of the history, and how many pages there are before this one.
#[derive(Default, Serialize, Deserialize)]
struct Page {
    format: u64,
    before: u64,
    entries: Vec<Entry>,
}

/// What was done, the oldest first.
pub(super) fn history(place: &dyn Place, events: &dyn EventSink) -> Result<Vec<Entry>> {
    let (newest, _) = page(place, HISTORY)?;
    let mut entries = Vec::new();
    for number in 0..newest.before {
        let (page, _) = page(place, &page_name(number))?;
        if page.entries.is_empty() {
            events.warn(format!("page {number} of the history of {} is missing", place.shown()));
        }
        entries.extend(page.entries);
    }
    entries.extend(newest.entries);
    Ok(history::without_repetitions(entries))
}

/// Appends to it.
pub(super) fn append(place: &dyn Place, entry: &Entry) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let (mut page, seen) = page(place, HISTORY)?;
        page.format = 1;
        if page.entries.len() >= ENTRIES {
            // Written before the newest page forgets them; a kill in between writes the same again.
            set(place, &page_name(page.before), Some(&bytes_of(&page)))?;
            page = Page { format: 1, before: page.before + 1, entries: Vec::new() };
        }
        page.entries.push(entry.clone());
        if place.swap(HISTORY, seen.as_ref(), &bytes_of(&page))? {
            return Ok(());
        }
    }
    Err(changed(place, HISTORY))
}

/// A page, and the state of its document.
fn page(place: &dyn Place, name: &str) -> Result<(Page, Option<State>)> {
    let Some(state) = place.document(name)? else { return Ok((Page::default(), None)) };
    let page = serde_json::from_slice(&state.bytes)
        .map_err(|error| Error::failed(format!("the {name} of {} is damaged: {error}", place.shown())))?;
    Ok((page, Some(state)))
}

fn bytes_of(page: &Page) -> Vec<u8> {
    serde_json::to_vec(page).expect("a page has text as keys")
}

fn changed(place: &dyn Place, name: &str) -> Error {
    Error::failed(format!("`{name}` on {} is changed by somebody else", place.shown()))
}

/// Replaces a document, or takes it away.
pub(super) fn set(place: &dyn Place, name: &str, bytes: Option<&[u8]>) -> Result<()> {
    let Some(bytes) = bytes else { return place.delete(name) };
    for _ in 0..ATTEMPTS {
        let seen = place.document(name)?;
        if place.swap(name, seen.as_ref(), bytes)? {
            return Ok(());
        }
    }
    Err(changed(place, name))
}

/// The name of a page of the history that is full.
fn page_name(number: u64) -> String {
    format!("{HISTORY}.{number}")
}
