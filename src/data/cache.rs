//! What takes room in the store: where it lies, who needs it, and what is needed by nobody.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::Serialize;

use super::Workspace;
use super::roots::{self, History, Origin, Root};
use crate::event::Watch;
use crate::fs::quote;
use crate::project::Project;
use crate::store::{Named, Place, Stored};
use crate::{Digest, Result};

/// What takes room.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cache {
    /// The directory of the store.
    pub store: String,
    /// Other projects that use it.
    pub neighbours: Vec<String>,
    /// Objects that are files of their own.
    pub loose: Amount,
    /// Objects in packs.
    pub packed: Amount,
    /// Files of packs.
    pub packs: u64,
    /// Left by a collection that was killed; the next one removes it.
    pub trash: Amount,
    /// Damaged content that was put aside.
    pub quarantine: Amount,
    /// Files that were being written when a process was killed, or are now, in the store or in `.mlx`.
    pub temporary: Amount,
    /// Python environments, which all projects of the user share.
    pub environments: Amount,
    /// What the objects are needed for, each under the first that applies.
    pub needed_for: Vec<Need>,
    /// Tracked paths, outputs, records and projects by what they alone take and share, the largest first.
    pub entries: Vec<Entry>,
}

/// Objects or files, and the room they take on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub count: u64,
    pub bytes: u64,
}

impl Amount {
    fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, bytes: self.bytes + other.bytes }
    }

    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What objects are needed for, and how much that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Need {
    pub purpose: Purpose,
    #[serde(flatten)]
    pub amount: Amount,
}

/// Why an object is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A tracked path, as `mlx.lock` names it now.
    Path,
    /// An output of a step, as `mlx.lock` names it now.
    Output,
    /// Runs, models, bundles and other records.
    Record,
    /// A dependency of a step, as `mlx.lock` names it now, that nothing else keeps.
    Dependency,
    /// Other commits only.
    History,
    /// Other projects only.
    OtherProject,
    /// Nothing: `mlx gc` would remove it.
    Nothing,
}

/// What one thing with a name needs of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub name: String,
    pub purpose: Purpose,
    /// All that it needs.
    #[serde(flatten)]
    pub amount: Amount,
    /// What it shares with other entries.
    pub shared_bytes: u64,
}

impl From<Origin> for Purpose {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Path => Self::Path,
            Origin::Output => Self::Output,
            Origin::Record => Self::Record,
            Origin::Dependency => Self::Dependency,
            Origin::History => Self::History,
            Origin::Neighbour => Self::OtherProject,
        }
    }
}

/// Looks at all that lies in the store, without reading the content of files; `environments` is where environments lie.
pub fn cache(project: &Project, workspace: &Workspace, environments: &Path, watch: Watch<'_>) -> Result<Cache> {
    let store = &workspace.store;
    let _no_gc = store.hold_off_gc();
    // An object that lies in several places takes the room of all of them.
    let mut room: HashMap<Digest, u64> = HashMap::new();
    let (mut loose, mut packed) = (Amount::default(), Amount::default());
    for Stored { digest, bytes, is_packed, .. } in store.inventory()? {
        *room.entry(digest).or_default() += bytes;
        if is_packed { &mut packed } else { &mut loose }.add(bytes);
    }
    let groups = groups(roots::all(project, store, History::Whole, &mut Vec::new(), watch.events)?);
    let mut users: HashMap<Digest, (u32, Purpose)> = HashMap::new();
    let mut reached = Vec::with_capacity(groups.len());
    for (name, purpose, named) in groups {
        watch.interrupt.check()?;
        // What never came here takes no room.
        let mut objects = store.reach_leniently(named)?;
        objects.retain(|digest| room.contains_key(digest));
        // Of dependencies and other versions of a path only what is not needed otherwise is its own.
        if matches!(purpose, Purpose::Dependency | Purpose::History) {
            objects.retain(|digest| users.get(digest).is_none_or(|(_, first)| *first == purpose));
        }
        for digest in &objects {
            users.entry(*digest).or_insert((0, purpose)).0 += 1;
        }
        reached.push((name, purpose, objects));
    }
    let mut needs: BTreeMap<Purpose, Amount> = BTreeMap::new();
    for (digest, bytes) in &room {
        let purpose = users.get(digest).map_or(Purpose::Nothing, |(_, purpose)| *purpose);
        needs.entry(purpose).or_default().add(*bytes);
    }
    let entry = |(name, purpose, objects): (String, Purpose, HashSet<Digest>)| {
        let mut entry = Entry { name, purpose, amount: Amount::default(), shared_bytes: 0 };
        for digest in &objects {
            entry.amount.add(room[digest]);
            entry.shared_bytes += if users[digest].0 > 1 { room[digest] } else { 0 };
        }
        entry
    };
    let mut entries: Vec<Entry> = reached.into_iter().map(entry).filter(|entry| entry.amount.count > 0).collect();
    entries.sort_by(|a, b| b.amount.bytes.cmp(&a.amount.bytes).then_with(|| a.name.cmp(&b.name)));
    Ok(Cache {
        store: quote(store.root()),
        neighbours: store.neighbours(project)?.iter().map(quote).collect(),
        loose,
        packed,
        packs: store.pack_count()?,
        trash: files_below(&store.place(Place::Trash)),
        quarantine: files_below(&store.place(Place::Quarantine)),
        temporary: files_below(&store.place(Place::Temporary)).and(files_below(&workspace.scratch)),
        environments: files_below(environments),
        needed_for: needs.into_iter().map(|(purpose, amount)| Need { purpose, amount }).collect(),
        entries,
    })
}

/// The roots of each thing with a name: a path, an output, a record, the versions of a path in other commits, another
/// project as a whole. In the order of their purposes.
fn groups(roots: Vec<Root>) -> Vec<(String, Purpose, HashSet<Named>)> {
    let mut groups: BTreeMap<(Purpose, String), HashSet<Named>> = BTreeMap::new();
    for Root { named, name, origin, .. } in roots {
        let name = match origin {
            Origin::History => {
                let path = name.rsplit_once(" in commit ").map_or(name.as_str(), |(path, _)| path);
                format!("{path} (other versions)")
            }
            Origin::Neighbour => name.rsplit_once(" of ").map_or("other projects", |(_, project)| project).to_owned(),
            _ => name,
        };
        groups.entry((origin.into(), name)).or_default().insert(named);
    }
    groups.into_iter().map(|((purpose, name), named)| (name, purpose, named)).collect()
}

/// All files below a directory, by the blocks they take; nothing where there is no such directory.
pub fn files_below(directory: &Path) -> Amount {
    use std::os::unix::fs::MetadataExt;
    let mut amount = Amount::default();
    let files = walkdir::WalkDir::new(directory).into_iter().filter_map(std::result::Result::ok);
    for metadata in files.filter_map(|entry| entry.metadata().ok()).filter(|metadata| metadata.is_file()) {
        amount.add(metadata.blocks() * 512);
    }
    amount
}
