//! The index `.mlx/runs.db`: an SQLite database made from the records of the runs, plus the runs that go on now.
//!
//! Its schema is versioned (`PRAGMA user_version`). A damaged file is set aside and made again from the records; a file
//! of a newer mlx is left alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::{Run, RunId, Summary, read_record};
use crate::event::{Event, EventSink};
use crate::fs::{FileLock, create_dir_all, quote};
use crate::project::Project;
use crate::store::Store;
use crate::{Error, Result};

/// The version of the schema that this program writes.
const SCHEMA_VERSION: i64 = 1;

/// `started` counts microseconds since 1970. `summary` is the JSON of [`Summary`]; `run` is the whole run as JSON while
/// it goes on, before it has a record.
const SCHEMA: &str = "
    CREATE TABLE run (
        id TEXT NOT NULL PRIMARY KEY,
        started INTEGER NOT NULL,
        status TEXT NOT NULL,
        summary TEXT NOT NULL,
        run TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX run_started ON run (started DESC, id);
";

pub struct Index {
    path: PathBuf,
    /// Held while a damaged database is replaced.
    lock: PathBuf,
    store: Store,
    connection: Mutex<Connection>,
}

/// Why the database can't be used as it is.
enum Trouble {
    Damaged,
    Other(Error),
}

impl Index {
    /// Opens the database, or makes it from the records.
    pub fn open(project: &Project, store: &Store, events: &dyn EventSink) -> Result<Self> {
        let path = project.home_state("runs.db");
        create_dir_all(path.parent().unwrap_or(project.root()))?;
        let lock = project.home_state("locks/runs-db");
        let connection = match connect(&path) {
            Ok(connection) => connection,
            Err(Trouble::Other(error)) => return Err(error),
            Err(Trouble::Damaged) => {
                let connection = mend(&path, &lock)?;
                events.emit(Event::Warning {
                    message: format!("`{}` was damaged; it is made again from the runs' records", quote(&path)),
                    hint: Some("the damaged file lies beside it".into()),
                });
                connection
            }
        };
        Ok(Self { path, lock, store: store.clone(), connection: Mutex::new(connection) })
    }

    /// Adds or replaces the row of a run; while it goes on, with the whole of it.
    pub fn put(&self, run: &Run, goes_on: bool) -> Result<()> {
        self.with(|connection| insert(connection, run, goes_on))
    }

    /// Takes the row of a run away.
    pub fn remove(&self, id: &RunId) -> Result<()> {
        self.with(|connection| connection.execute("DELETE FROM run WHERE id = ?1", [id.as_str()]).map(drop))
    }

    /// Brings the rows in line with the records: some may have come or gone by other ways than this index.
    pub fn refresh(&self) -> Result<()> {
        let mut connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match self.align(&connection) {
            Ok(()) => Ok(()),
            Err(Trouble::Other(error)) => Err(error),
            Err(Trouble::Damaged) => self.replace(&mut connection),
        }
    }

    /// The newest run, if there is one.
    pub fn latest(&self) -> Result<Vec<RunId>> {
        self.ids("SELECT id FROM run ORDER BY started DESC, id LIMIT 1", &[])
    }

    /// The runs whose id begins so, the newest first.
    pub fn starting_with(&self, prefix: &str) -> Result<Vec<RunId>> {
        self.ids("SELECT id FROM run WHERE substr(id, 1, length(?1)) = ?1 ORDER BY started DESC, id", &[prefix])
    }

    /// The runs that have started and not finished, whether their process lives or not.
    pub fn running(&self) -> Result<Vec<RunId>> {
        self.ids("SELECT id FROM run WHERE run IS NOT NULL ORDER BY started DESC, id", &[])
    }

    /// All summaries, the newest first; read one by one, since most lists are short.
    pub fn summaries(&self) -> Result<impl Iterator<Item = Result<Summary>> + '_> {
        let texts: Vec<String> = self.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT summary FROM run ORDER BY started DESC, id")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })?;
        Ok(texts.into_iter().map(|text| self.decode(&text)))
    }

    /// A run that goes on, as it was when it started.
    pub fn started(&self, id: &RunId) -> Result<Option<Run>> {
        let text: Option<Option<String>> = self.with(|connection| {
            let mut statement = connection.prepare_cached("SELECT run FROM run WHERE id = ?1")?;
            statement.query_row([id.as_str()], |row| row.get(0)).optional()
        })?;
        text.flatten().map(|text| self.decode(&text)).transpose()
    }

    fn ids(&self, query: &str, parameters: &[&str]) -> Result<Vec<RunId>> {
        let texts: Vec<String> = self.with(|connection| {
            let mut statement = connection.prepare_cached(query)?;
            statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(0))?.collect()
        })?;
        Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Works with the database; where it turns out to be damaged, once more with a new one.
    fn with<T>(&self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match work(&connection).map_err(|error| trouble(&self.path, error)) {
            Ok(result) => Ok(result),
            Err(Trouble::Other(error)) => Err(error),
            Err(Trouble::Damaged) => {
                self.replace(&mut connection)?;
                work(&connection).map_err(|error| trouble(&self.path, error).into_error(&self.path))
            }
        }
    }

    /// Puts a sound database with all recorded runs in the place of a damaged one.
    fn replace(&self, connection: &mut Connection) -> Result<()> {
        *connection = mend(&self.path, &self.lock)?;
        self.align(connection).map_err(|trouble| trouble.into_error(&self.path))
    }

    /// Adds rows for records that have none, and takes away rows whose record is gone.
    fn align(&self, connection: &Connection) -> Result<(), Trouble> {
        let names = self.store.records("runs").map_err(Trouble::Other)?;
        let recorded: BTreeSet<&str> = names.iter().filter_map(|name| name.strip_prefix("runs/")).collect();
        let damaged = |error| trouble(&self.path, error);
        let rows = rows(connection).map_err(damaged)?;
        let indexed: BTreeSet<&str> = rows.iter().filter(|row| row.has_record).map(|row| row.id.as_str()).collect();
        let missing = recorded.difference(&indexed).filter_map(|id| id.parse().ok());
        let missing: Vec<RunId> = missing.collect();
        let gone: Vec<&&str> = indexed.difference(&recorded).collect();
        if missing.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let runs = missing.iter().map(|id| read_record(&self.store, id));
        let runs: Vec<Run> = runs.filter_map(Result::transpose).collect::<Result<_>>().map_err(Trouble::Other)?;
        let change = || -> rusqlite::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            runs.iter().try_for_each(|run| insert(&transaction, run, false))?;
            gone.iter().try_for_each(|id| transaction.execute("DELETE FROM run WHERE id = ?1", [id]).map(drop))?;
            transaction.commit()
        };
        change().map_err(damaged)
    }

    fn decode<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T> {
        let value = serde_json::from_str(text)
            .map_err(|error| trouble_hint(anyhow::Error::new(error).context("a row of it is damaged"), &self.path))?;
        Ok(value)
    }
}

impl Trouble {
    fn into_error(self, path: &Path) -> Error {
        match self {
            Trouble::Damaged => trouble_hint(anyhow::anyhow!("it is damaged"), path),
            Trouble::Other(error) => error,
        }
    }
}

fn trouble_hint(cause: anyhow::Error, path: &Path) -> Error {
    Error::from(cause.context(format!("cannot use the index `{}`", quote(path))))
        .with_hint("delete it: it is made again from the runs' records")
}

fn trouble(path: &Path, error: rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged,
        _ => Trouble::Other(
            Error::from(anyhow::Error::new(error).context(format!("cannot use the index `{}`", quote(path))))
                .with_hint("is the disk full, or the directory not yours to write?"),
        ),
    }
}

fn connect(path: &Path) -> Result<Connection, Trouble> {
    let open = || -> rusqlite::Result<(Connection, i64)> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        // Moving the write-ahead log into the database at each close would sync twice for every run.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 100)?;
        let version = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        Ok((connection, version))
    };
    let (connection, version) = open().map_err(|error| trouble(path, error))?;
    if version > SCHEMA_VERSION {
        let message = format!("`{}` has schema {version}; this mlx knows up to {SCHEMA_VERSION}", quote(path));
        return Err(Trouble::Other(Error::failed(message).with_hint(
            "a newer mlx works here: install it, or delete the file (it is made again from the runs' records)",
        )));
    }
    let set_up = || -> rusqlite::Result<()> {
        // A commit survives the end of the process; after a power cut the records bring back what is missing.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        if version < SCHEMA_VERSION {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            create(&connection)?;
        }
        // A file that was cut off or overwritten in parts may still have a sound first page.
        connection.prepare_cached("SELECT id FROM run LIMIT 1")?.exists([]).map(drop)
    };
    set_up().map_err(|error| match error.sqlite_error_code() {
        // A table is missing: it is a database, but none of ours.
        Some(ErrorCode::Unknown) => Trouble::Damaged,
        _ => trouble(path, error),
    })?;
    Ok(connection)
}

/// Makes the tables, alone: of two processes that come at once, the second finds them made.
fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < SCHEMA_VERSION {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

struct Row {
    id: String,
    /// Whether the run has ended and is kept as a record.
    has_record: bool,
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached("SELECT id, run IS NULL FROM run")?;
    statement.query_map([], |row| Ok(Row { id: row.get(0)?, has_record: row.get(1)? }))?.collect()
}

fn insert(connection: &Connection, run: &Run, goes_on: bool) -> rusqlite::Result<()> {
    let to_text = |result: serde_json::Result<String>| {
        result.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    };
    let summary = to_text(serde_json::to_string(&Summary::of(run)))?;
    let whole = goes_on.then(|| to_text(serde_json::to_string(run))).transpose()?;
    let status = run.status.word();
    connection
        .prepare_cached("INSERT OR REPLACE INTO run (id, started, status, summary, run) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![run.id.as_str(), run.started.as_microsecond(), status, summary, whole])
        .map(drop)
}

/// A sound database in the place of a damaged one, which is set aside.
fn mend(path: &Path, lock: &Path) -> Result<Connection> {
    let _alone = FileLock::exclusive(lock, "mlx", |_| {})?;
    // Whoever held the lock before may have done it.
    if let Ok(connection) = connect(path)
        && is_sound(&connection)
    {
        return Ok(connection);
    }
    set_aside(path)?;
    connect(path).map_err(|trouble| trouble.into_error(path))
}

fn is_sound(connection: &Connection) -> bool {
    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).is_ok_and(|answer| answer == "ok")
}

/// Moves a damaged database out of the way, and takes its companions away, which would be taken for the new one's.
fn set_aside(path: &Path) -> Result<()> {
    let stamp = jiff::Timestamp::now().as_millisecond();
    let aside = path.with_extension(format!("db.damaged-{stamp}"));
    std::fs::rename(path, &aside).with_context(|| format!("cannot rename `{}`", quote(path)))?;
    for companion in ["db-wal", "db-shm"].map(|extension| path.with_extension(extension)) {
        match std::fs::remove_file(&companion) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error)
                    .with_context(|| format!("cannot remove `{}`", quote(&companion)))
                    .map_err(Into::into);
            }
            _ => {}
        }
    }
    Ok(())
}
