//! A tracking server for programs that already speak MLflow: what they log becomes lines of the step's metrics.
//!
//! While a step runs, `MLFLOW_TRACKING_URI` names this server, which is part of this process and listens on this machine
//! alone. So `mlflow.autolog()` lands in the run without a change of code. Each program has an address of its own, with a part
//! that nobody guesses. Who has a tracking server already, and says so by that variable, keeps it.

mod ledger;
mod protocol;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::Result;
use crate::event::{Event, EventSink};
use crate::project::ProjectPath;
use crate::remote::backend::unique;
use ledger::Ledger;

/// The variable by which MLflow's clients find their server.
const ADDRESS_VARIABLE: &str = "MLFLOW_TRACKING_URI";
/// Where a client writes that has no server.
const OWN_FILES: [&[u8]; 2] = [b"mlruns", b"mlflow.db"];
/// What a client sends at once is smaller by its own limits.
const MOST_BODY_BYTES: usize = 32 << 20;

/// Starts the server once somebody needs it.
pub struct Tracking {
    variable: fn(&str) -> Option<OsString>,
    server: OnceLock<Option<Server>>,
}

/// The address of one program, as long as this is there.
pub struct Tracked {
    /// What the program has to find in its environment.
    pub variables: Vec<(String, OsString)>,
    key: String,
    artifacts: PathBuf,
    ledgers: Arc<Ledgers>,
}

/// What the programs told, by the part of their addresses that nobody guesses.
#[derive(Default)]
struct Ledgers(Mutex<HashMap<String, Arc<Mutex<Ledger>>>>);

/// Ends when dropped.
struct Server {
    address: SocketAddr,
    ledgers: Arc<Ledgers>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Tracking {
    /// Nothing is started yet. `variable` gives the value of an environment variable.
    pub fn new(variable: fn(&str) -> Option<OsString>) -> Self {
        Self { variable, server: OnceLock::new() }
    }

    /// An address for a program that appends to `metrics` by it; `None` where it has a server of its own, or none can be
    /// started. What it logs as artifacts comes to lie in `artifacts`. `named` tells of variables that the step sets itself, and
    /// a step that has MLflow's own files among its `outputs` wants them.
    pub fn enter<'p>(
        &self,
        metrics: &Path,
        artifacts: &Path,
        named: impl Fn(&str) -> bool,
        outputs: impl IntoIterator<Item = &'p ProjectPath>,
        events: &dyn EventSink,
    ) -> Option<Tracked> {
        let is_of_mlflow = |path: &ProjectPath| path.parts().any(|part| OWN_FILES.contains(&part));
        if outputs.into_iter().any(is_of_mlflow) {
            return None;
        }
        if named(ADDRESS_VARIABLE) || (self.variable)(ADDRESS_VARIABLE).is_some() {
            return None;
        }
        let start = || {
            let started = Server::start();
            // A program that speaks MLflow goes on with files of its own then.
            started.map_err(|error| events.emit(Event::Detail { message: error.to_string() })).ok()
        };
        let server = self.server.get_or_init(start).as_ref()?;
        let key = unique();
        let mut variables = vec![(ADDRESS_VARIABLE, format!("http://{}/{key}", server.address).into())];
        variables.extend(self.no_proxy(server.address).into_iter().filter(|(name, _)| !named(name)));
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let ledger = Ledger::new(metrics.to_path_buf(), artifacts);
        server.ledgers.lock().insert(key.clone(), Arc::new(Mutex::new(ledger)));
        Some(Tracked { variables, key, artifacts: artifacts.to_path_buf(), ledgers: server.ledgers.clone() })
    }

    /// A proxy would look for this server on its own machine.
    fn no_proxy(&self, address: SocketAddr) -> Vec<(&'static str, OsString)> {
        let value = |name: &str| (self.variable)(name).filter(|value| !value.is_empty());
        if ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].iter().all(|name| value(name).is_none()) {
            return Vec::new();
        }
        let mut list = value("no_proxy").or_else(|| value("NO_PROXY")).unwrap_or_default();
        if !list.is_empty() {
            list.push(",");
        }
        list.push(address.ip().to_string());
        vec![("no_proxy", list.clone()), ("NO_PROXY", list)]
    }
}

impl Tracked {
    /// Outputs that are not there come from what the program logged under their names, as models or as artifacts.
    pub fn bring<'p>(&self, root: &Path, outputs: impl IntoIterator<Item = &'p ProjectPath>) -> Result<()> {
        let Some(ledger) = self.ledgers.lock().get(&self.key).cloned() else { return Ok(()) };
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for output in outputs {
            let place = output.below(root);
            if place.symlink_metadata().is_ok() {
                continue;
            }
            // `models/wine` is what was logged as that, or as `wine`.
            let names = [Some(output.as_path()), output.as_path().file_name().map(Path::new)];
            let Some(logged) = names.into_iter().flatten().find_map(|name| ledger.logged(name)) else { continue };
            place.parent().map_or(Ok(()), crate::fs::create_dir_all)?;
            move_to(&logged, &place).with_context(|| format!("cannot move what was logged to `{output}`"))?;
        }
        Ok(())
    }

    /// Nothing more is taken. Files that the program of this step logged as artifacts go, which is told.
    pub fn leave(self, step: &str, events: &dyn EventSink) {
        let files = walkdir::WalkDir::new(&self.artifacts).into_iter().flatten();
        let count = files.filter(|entry| !entry.file_type().is_dir()).count();
        // What can't be deleted goes with the directory around it.
        let _ = std::fs::remove_dir_all(&self.artifacts);
        if count > 0 {
            events.emit(Event::Warning {
                message: format!("step `{step}`: files that were logged by MLflow are not kept ({count})"),
                hint: Some(
                    "name in `outs` what is to stay: `outs = [\"model\"]` keeps what is logged as `model`".into(),
                ),
            });
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.ledgers.lock().remove(&self.key);
    }
}

impl Ledgers {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Mutex<Ledger>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    fn start() -> Result<Self> {
        let cannot = "cannot start the tracking server for programs that speak MLflow";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(cannot)?;
        listener.set_nonblocking(true).context(cannot)?;
        let address = listener.local_addr().context(cannot)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context(cannot)?;
        let ledgers = Arc::new(Ledgers::default());
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::max(MOST_BODY_BYTES));
        let router = router.with_state(ledgers.clone());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = axum::serve(listener, router).into_future() => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("tracking".into()).spawn(serve).context(cannot)?;
        Ok(Self { address, ledgers, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Moves a file or a directory, to another file system too.
fn move_to(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {}
        result => return result,
    }
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry?;
        let place = match entry.path().strip_prefix(from) {
            Ok(below) if !below.as_os_str().is_empty() => to.join(below),
            _ => to.to_path_buf(),
        };
        match entry.file_type().is_dir() {
            true => std::fs::create_dir_all(place)?,
            false => drop(std::fs::copy(entry.path(), place)?),
        }
    }
    Ok(())
}

async fn answer(State(ledgers): State<Arc<Ledgers>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = uri.path().trim_start_matches('/');
    let (key, route) = path.split_once('/').unwrap_or((path, ""));
    let ledger = ledgers.lock().get(key).cloned();
    let answer = match ledger {
        Some(ledger) => {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.answer(method.as_str(), route, uri.query().unwrap_or_default(), &body)
        }
        None => Err(protocol::Refusal::unknown("nobody is tracked here")),
    };
    let (status, text) = match answer {
        Ok(value) => (StatusCode::OK, value.to_string()),
        Err(refusal) => (
            StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            serde_json::json!({ "error_code": refusal.code, "message": refusal.message }).to_string(),
        ),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], text).into_response()
}
