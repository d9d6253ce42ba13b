//! Many small files of records on a remote become one.
//!
//! The new file is written first; then the list for who can't list says so; then those in whose place it came are taken away.
//! Who is interrupted leaves records in two files, which is as good as in one. Any number of machines may do this at once:
//! nobody deletes a file before all its lines lie in another that is younger, for the name of a new file was never there
//! before (its head holds a random word). So the youngest file that has a line stays, whoever folds what.
//!
//! Lines are taken over as they stand, those of a newer mlx too. A file that is damaged, or of another version, stays.

use std::collections::{BTreeSet, HashSet};
use std::io::Read;

use anyhow::Context;

use super::layout::{self, RECORDS, record_file};
use super::memory::Seen;
use super::records::{Known, TEXT_OF_FILE, encode_folded};
use super::{RemoteError, Transfer, is_forbidden};
use crate::{Digest, Result};

/// So many small files are put together, and no fewer.
const MANY: usize = 16;
/// A file that is larger stays as it is.
const SMALL_BYTES: u64 = 1 << 20;
/// Of so many files a new one says that it came in their place. Who has read one that is not among them reads more than
/// need be, and loses nothing.
const MOST_REPLACED: usize = 4096;

/// What is put into one new file.
#[derive(Default)]
struct Fold {
    files: Vec<Digest>,
    lines: Vec<Vec<u8>>,
    seen: HashSet<Digest>,
    length: usize,
    /// What the files themselves came in the place of.
    replaced: BTreeSet<Digest>,
}

impl Fold {
    fn add(&mut self, file: Digest, lines: Vec<Vec<u8>>, replaced: Vec<Digest>) {
        self.files.push(file);
        self.replaced.extend(replaced);
        for line in lines {
            if self.seen.insert(Digest::of(&line)) {
                self.length += line.len();
                self.lines.push(line);
            }
        }
    }

    /// The bytes of the new file.
    fn encode(&self) -> Result<Vec<u8>> {
        let older = self.replaced.iter().take(MOST_REPLACED.saturating_sub(self.files.len()));
        let replaces = self.files.iter().chain(older).copied().collect();
        encode_folded(&self.lines, replaces, nonce()?)
    }
}

/// New files, and those in whose place they came.
#[derive(Default)]
struct Folded {
    new: Vec<(Digest, Seen)>,
    old: HashSet<Digest>,
    /// Those of the new files of which this machine knows all that is in them.
    known: HashSet<Digest>,
}

impl Transfer<'_> {
    /// Puts small files of records together where there are many; `there` is a listing of them. What this machine knows of
    /// the files it knows of the new one.
    pub(super) fn fold_records(&self, known: &mut Known, there: &[(Digest, Seen)]) -> Result<()> {
        let small: Vec<&(Digest, Seen)> = there.iter().filter(|(_, seen)| seen.size < SMALL_BYTES).collect();
        if small.len() < MANY || known.is_lasting() {
            return Ok(());
        }
        // Where nobody can list, the list is all that leads to a file, and others may be writing theirs.
        match self.remote.list(RECORDS) {
            Err(error) if matches!(error.downcast_ref(), Some(RemoteError::Unsupported(_))) => return Ok(()),
            listed => drop(listed?),
        }
        let Folded { new, old, known: known_new } = self.write_folded(known, &small)?;
        // Who can't list must not be sent to what is gone.
        self.publish_records(&new, |digest| !old.contains(digest))?;
        for digest in &old {
            match self.remote.delete(&record_file(digest)) {
                Err(error) if is_forbidden(&error) => {
                    known.set_lasting();
                    break;
                }
                deleted => deleted?,
            }
        }
        let there = layout::listed_records(self.remote)?;
        let is_there: HashSet<Digest> = there.iter().map(|(digest, _)| *digest).collect();
        for (digest, seen) in there.into_iter().filter(|(digest, _)| known_new.contains(digest)) {
            known.has_read(&digest, seen);
        }
        old.iter().filter(|digest| !is_there.contains(digest)).for_each(|digest| known.forget_file(digest));
        known.save();
        self.publish_records(&[], |_| true)
    }

    /// Writes the new files, each as soon as it is long enough.
    fn write_folded(&self, known: &Known, small: &[&(Digest, Seen)]) -> Result<Folded> {
        let (mut folded, mut fold) = (Folded::default(), Fold::default());
        for (digest, seen) in small {
            self.watch.interrupt.check()?;
            // One that another takes away at this moment is in his.
            let Some(Ok(file)) = self.read_file(digest, seen, |_, line| line)? else { continue };
            let length: usize = file.records.iter().map(Vec::len).sum();
            if length > TEXT_OF_FILE {
                continue;
            }
            if fold.length + length > TEXT_OF_FILE {
                self.write_fold(known, std::mem::take(&mut fold), &mut folded)?;
            }
            fold.add(*digest, file.records, file.head.replaces);
        }
        self.write_fold(known, fold, &mut folded)?;
        Ok(folded)
    }

    fn write_fold(&self, known: &Known, fold: Fold, folded: &mut Folded) -> Result<()> {
        if fold.files.len() < 2 {
            return Ok(());
        }
        let bytes = fold.encode()?;
        let new = self.write_records(&bytes)?;
        folded.new.push((new, Seen { size: bytes.len() as u64, version: String::new() }));
        // What was not read before is read from the new file.
        if fold.files.iter().all(|file| known.knows_file(file)) {
            folded.known.insert(new);
        }
        folded.old.extend(fold.files);
        Ok(())
    }
}

/// A word that nobody else comes upon.
fn nonce() -> Result<String> {
    let mut bytes = [0; 16];
    let mut source = std::fs::File::open("/dev/urandom").context("cannot open `/dev/urandom`")?;
    source.read_exact(&mut bytes).context("cannot read `/dev/urandom`")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::Ordering;

    use serde_json::json;

    use super::*;
    use crate::event::{Interrupt, Silent, Watch};
    use crate::remote::Remote;
    use crate::remote::faltering::Faltering;
    use crate::remote::records::Record;
    use crate::store::Store;

    /// Those who push and pull, each with a memory of its own.
    struct Team {
        dir: tempfile::TempDir,
        store: Store,
        interrupt: Interrupt,
    }

    impl Team {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("store")).unwrap();
            Self { dir, store, interrupt: Interrupt::default() }
        }

        fn place(&self) -> Faltering {
            Faltering::new(&self.dir.path().join("remote"))
        }

        fn with<T>(&self, who: &str, remote: &dyn Remote, work: impl FnOnce(Transfer<'_>, &mut Known) -> T) -> T {
            let memory = self.dir.path().join(who);
            let watch = Watch { events: &Silent, interrupt: &self.interrupt };
            let transfer = Transfer { remote, store: &self.store, memory: &memory, jobs: 1, watch };
            work(transfer, &mut Known::open(&memory, remote.url()))
        }

        /// Sends the record with this number.
        fn push(&self, who: &str, remote: &dyn Remote, number: usize) -> Result<u64> {
            self.with(who, remote, |transfer, known| {
                transfer.read_records(known, names)?;
                let record = Record { name: format!("steps/{number:03}"), record: json!({ "number": number }) };
                transfer.send_records(known, vec![(record, String::new())], &[])
            })
        }

        /// The names that come to somebody, and how often he was given one.
        fn pull(&self, who: &str, remote: &dyn Remote) -> (BTreeSet<String>, usize) {
            self.with(who, remote, |transfer, known| {
                let (mut all, mut count) = (BTreeSet::new(), 0);
                let take = |records: Vec<Record>| {
                    count += records.len();
                    all.extend(records.iter().map(|record| record.name.clone()));
                    names(records)
                };
                assert!(transfer.read_records(known, take).unwrap().is_empty());
                (all, count)
            })
        }

        /// A remote to which one has pushed until it would fold with the next push.
        fn full(&self) -> Faltering {
            let place = self.place();
            for number in 0..MANY - 1 {
                self.push("one", &place, number).unwrap();
            }
            place
        }

        fn files(&self) -> usize {
            std::fs::read_dir(self.dir.path().join("remote/records")).unwrap().count()
        }
    }

    fn names(records: Vec<Record>) -> Result<Vec<(String, String)>> {
        Ok(records.into_iter().map(|record| (record.name, String::new())).collect())
    }

    fn expected(count: usize) -> BTreeSet<String> {
        (0..count).map(|number| format!("steps/{number:03}")).collect()
    }

    #[test]
    fn many_pushes_leave_few_files_with_all_records() {
        let team = Team::new();
        let place = team.place();
        for number in 0..40 {
            team.push("one", &place, number).unwrap();
            assert!(team.files() < MANY, "{} files after {number}", team.files());
            if number == 10 {
                assert_eq!(team.pull("other", &place).0, expected(11));
            }
        }

        assert_eq!(team.pull("new", &place), (expected(40), 40));
        assert_eq!(team.pull("other", &place).0, expected(40), "it reads the new file, which has all");
        assert_eq!(team.pull("one", &place), (BTreeSet::new(), 0), "what it folded it knows");
        assert_eq!(team.pull("other", &place), (BTreeSet::new(), 0));
    }

    #[test]
    fn who_stops_at_any_moment_loses_nothing() {
        let mut stopped = 0;
        for left in 0..40 {
            let team = Team::new();
            let place = team.full();

            place.left.store(left, Ordering::SeqCst);
            let pushed = team.push("two", &place, MANY - 1);
            let is_through = place.left.swap(usize::MAX, Ordering::SeqCst) > 0;

            stopped += usize::from(!is_through);
            let there = team.pull("new", &place).0;
            assert!(there == expected(MANY) || (pushed.is_err() && there == expected(MANY - 1)), "{left}: {there:?}");
            team.push("two", &place, MANY - 1).unwrap();
            assert_eq!(team.pull("newer", &place).0, expected(MANY), "{left}");
        }
        assert!((MANY..40).contains(&stopped), "{stopped}");
    }

    #[test]
    fn two_who_fold_the_same_files_lose_none() {
        let team = Team::new();
        let place = team.full();
        // Both have listed the same, and go on one after the other.
        let listing =
            |who: &str| team.with(who, &place, |transfer, _| layout::listed_records(transfer.remote).unwrap());
        let mut there = listing("two");
        there.push((Digest::of("gone"), Seen { size: 7, version: String::new() }));

        for (round, who) in ["two", "three", "two"].into_iter().enumerate() {
            team.with(who, &place, |transfer, known| transfer.fold_records(known, &there)).unwrap();
            assert_eq!(team.pull(&format!("after {round}"), &place).0, expected(MANY - 1));
        }
        assert_eq!(team.files(), 1);
    }

    #[test]
    fn who_push_and_fold_at_once_lose_nothing() {
        let team = Team::new();
        std::thread::scope(|scope| {
            for who in 0..4 {
                let team = &team;
                scope.spawn(move || {
                    for number in 0..20 {
                        team.push(&format!("{who}"), &team.place(), 20 * who + number).unwrap();
                    }
                });
            }
        });

        assert_eq!(team.pull("new", &team.place()).0, expected(80));
        assert!(team.files() < MANY + 4, "{}", team.files());
    }

    #[test]
    fn who_reads_while_files_are_folded_gets_all() {
        let team = Team::new();
        let place = team.full();
        let files = place.list(RECORDS).unwrap();
        // What another put into a new file after the reader listed.
        let copy = |name: &str, to: &Path| std::fs::copy(team.dir.path().join("remote").join(name), to).unwrap();
        let aside: Vec<_> = files.iter().map(|file| team.dir.path().join(Digest::of(&file.name).short())).collect();
        for (file, to) in files.iter().zip(&aside) {
            copy(&file.name, to);
        }
        team.push("one", &place, MANY - 1).unwrap();
        for (file, from) in files.iter().zip(&aside) {
            std::fs::copy(from, team.dir.path().join("remote").join(&file.name)).unwrap();
        }
        *place.going.lock().unwrap() = files.iter().map(|file| file.name.clone()).collect();

        assert_eq!(team.pull("reader", &place).0, expected(MANY));
    }

    #[test]
    fn where_nobody_may_delete_nothing_is_folded_again_and_again() {
        let team = Team::new();
        let place = Faltering { is_lasting: true, ..team.place() };

        for number in 0..30 {
            team.push("one", &place, number).unwrap();
        }

        assert_eq!((team.files(), team.pull("new", &place).0), (31, expected(30)));
    }

    #[test]
    fn what_is_damaged_or_of_another_version_stays() {
        let team = Team::new();
        let place = team.full();
        let newer = zstd::bulk::compress(b"{\"mlx_records\": 2, \"records\": 0}\n", 3).unwrap();
        for (name, bytes) in [(Digest::of(&newer), newer.as_slice()), (Digest::of("x"), b"rubbish")] {
            std::fs::write(team.dir.path().join("remote").join(record_file(&name)), bytes).unwrap();
        }

        team.push("one", &place, MANY - 1).unwrap();

        assert_eq!(team.files(), 3);
    }
}
