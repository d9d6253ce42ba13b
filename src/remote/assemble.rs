//! Large objects of a remote, put together from their chunks: piece by piece, so that memory stays bounded.

use std::collections::HashMap;

use super::catalog::Catalog;
use super::chunks::{Chunk, NotARecipe, Recipe};
use super::{Transfer, is_of_one_file, parts};
use crate::digest::Hasher;
use crate::store::pack::Entry;
use crate::store::tree;
use crate::{Digest, Error, Result};

/// So much of a large object is put together at once.
const WINDOW_BYTES: u64 = 8 << 20;

/// Chunks in a row, and where the first of them begins in the object.
#[derive(Debug)]
pub struct Window {
    pub start: u64,
    pub chunks: Vec<Chunk>,
}

/// Cuts a recipe into windows.
pub fn windows(recipe: &Recipe) -> Vec<Window> {
    let mut windows = Vec::new();
    let (mut window, mut length) = (Window { start: 0, chunks: Vec::new() }, 0);
    for chunk in &recipe.chunks {
        window.chunks.push(*chunk);
        length += chunk.size;
        if length >= WINDOW_BYTES {
            let next = Window { start: window.start.saturating_add(length), chunks: Vec::new() };
            windows.push(std::mem::replace(&mut window, next));
            length = 0;
        }
    }
    if !window.chunks.is_empty() {
        windows.push(window);
    }
    windows
}

impl Transfer<'_> {
    /// The recipe that stands in a pack for an object; an error for one of a version that is not known; `None` where it is damaged, or one of an object of another size.
    pub(super) fn recipe(&self, catalog: &Catalog, pack: usize, entry: &Entry) -> Result<Option<Recipe>> {
        let segment = parts::Segment { range: entry.range(), entries: vec![*entry] };
        let items = match parts::read(self.remote, &catalog.packs[pack], &segment) {
            Err(error) if is_of_one_file(&error) => return Ok(None),
            items => items?,
        };
        match items.first().map(|item| Recipe::decode(&item.stored)) {
            Some(Ok(recipe)) => Ok(Some(recipe).filter(|recipe| recipe.size() == entry.size)),
            Some(Err(NotARecipe::Version(version))) => Err(Error::failed(format!(
                "object {} lies on the remote `{}` as a recipe of version {version}, which this mlx does not know",
                entry.digest,
                self.remote.url()
            ))
            .with_hint("install the mlx that wrote it")),
            Some(Err(NotARecipe::Malformed(_))) | None => Ok(None),
        }
    }

    /// The bytes of some chunks in a row; `None` where one is damaged or not there. What is in `contents` need not come;
    /// `came` hears how many bytes did.
    pub(super) fn chunks(
        &self,
        catalog: &Catalog,
        chunks: &[Chunk],
        mut contents: HashMap<Digest, Vec<u8>>,
        came: &dyn Fn(u64),
    ) -> Result<Option<Vec<u8>>> {
        let mut by_pack: HashMap<usize, Vec<Entry>> = HashMap::new();
        for chunk in chunks.iter().filter(|chunk| !contents.contains_key(&chunk.digest)) {
            let Some((pack, entry)) = catalog.find_whole(&chunk.digest, chunk.size) else { return Ok(None) };
            let entries = by_pack.entry(pack).or_default();
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        for (pack, entries) in by_pack {
            for segment in parts::segments(entries) {
                self.watch.interrupt.check()?;
                let items = match parts::read(self.remote, &catalog.packs[pack], &segment) {
                    Err(error) if is_of_one_file(&error) => return Ok(None),
                    items => items?,
                };
                came(segment.range.end - segment.range.start);
                for item in items {
                    let digest = item.digest;
                    let Some(content) = parts::checked(item) else { return Ok(None) };
                    contents.insert(digest, content);
                }
            }
        }
        let mut bytes = Vec::new();
        for chunk in chunks {
            match contents.get(&chunk.digest).filter(|content| content.len() as u64 == chunk.size) {
                Some(content) => bytes.extend_from_slice(content),
                None => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    /// Whether what a recipe makes is the object that it stands for: its chunks are read and hashed.
    pub(super) fn is_made(&self, catalog: &Catalog, pack: usize, entry: &Entry) -> Result<bool> {
        let Some(recipe) = self.recipe(catalog, pack, entry)? else { return Ok(false) };
        let mut hasher = Hasher::new();
        for Window { chunks, .. } in windows(&recipe) {
            self.watch.interrupt.check()?;
            match self.chunks(catalog, &chunks, HashMap::new(), &|_| {})? {
                Some(bytes) => hasher.update(&bytes),
                None => return Ok(false),
            }
        }
        Ok(hasher.finish().0 == entry.digest)
    }

    /// The object that a recipe makes, held in memory, for a listing; `None` where it makes another, or one too long.
    pub(super) fn made(&self, catalog: &Catalog, pack: usize, entry: &Entry) -> Result<Option<Vec<u8>>> {
        if entry.size > tree::LARGEST {
            return Ok(None);
        }
        let Some(recipe) = self.recipe(catalog, pack, entry)? else { return Ok(None) };
        let mut content = Vec::new();
        for Window { chunks, .. } in windows(&recipe) {
            match self.chunks(catalog, &chunks, HashMap::new(), &|_| {})? {
                Some(bytes) => content.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
        Ok(Some(content).filter(|content| Digest::of(content) == entry.digest))
    }
}
