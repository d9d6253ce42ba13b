//! Taking runs away: their records and labels. What they alone named is garbage then, which `mlx gc` removes.

use jiff::Timestamp;
use serde_json::json;

use super::label::label_name;
use super::{Run, RunId, Runs, Status, record_name};
use crate::data::IMPORTED;
use crate::store::Store;
use crate::{Error, Result};

/// The directory of the marks of runs that were taken away, so that they do not come back from a remote.
const REMOVED: &str = "removed";

/// Whether this run was here and was taken away.
pub fn was_removed(store: &Store, id: &RunId) -> Result<bool> {
    Ok(store.record(&format!("{REMOVED}/{id}"))?.is_some())
}

impl Runs {
    /// Takes runs away for good.
    ///
    /// # Errors
    /// Refuses one that goes on, before any of them goes.
    pub fn remove(&self, runs: &[Run]) -> Result<()> {
        if let Some(run) = runs.iter().find(|run| run.status == Status::Running) {
            return Err(Error::usage(format!("run {} goes on", run.id)).with_hint("wait for it, or stop it first"));
        }
        for Run { id, .. } in runs {
            let mark = json!({ "version": 1, "run": id, "removed": Timestamp::now() }).to_string();
            self.store.create_record(&format!("{REMOVED}/{id}"), mark.as_bytes())?;
            self.store.delete_record(&record_name(id))?;
            self.store.delete_record(&label_name(id))?;
            self.store.delete_record(&format!("{IMPORTED}/{id}"))?;
            self.index.remove(id)?;
            let _ = std::fs::remove_dir_all(self.root.join(crate::project::STATE).join("logs").join(id.as_str()));
        }
        Ok(())
    }

    /// The names of the records that a run consists of.
    pub fn records_of(id: &RunId) -> [String; 2] {
        [record_name(id), label_name(id)]
    }
}
