//! What one program told its tracking server: kept for the program to ask for, and passed on as lines of its step's metrics.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::protocol::{Arguments, Point, Refusal, list};
use crate::remote::backend::unique;

/// Marks a run inside of another one, such as one try of a search.
const PARENT: &str = "mlflow.parentRunId";
/// Where routes begin, for the versions of the API that clients speak.
const PREFIXES: [&str; 2] = ["api/2.0/mlflow/", "api/3.0/mlflow/"];
/// So many values are kept for a program to ask for again; all of them become lines.
const MOST_POINTS: usize = 100_000;
/// So many runs and models a program may begin.
const MOST_RUNS: usize = 10_000;

pub struct Ledger {
    metrics: PathBuf,
    /// Where artifacts come to lie.
    directory: PathBuf,
    /// The same as a URL.
    artifacts: String,
    /// By their number, which is their id.
    experiments: Vec<String>,
    runs: BTreeMap<String, Tracked>,
    models: BTreeMap<String, Value>,
    /// The ids of runs and of models as they came.
    order: Vec<String>,
    points: usize,
}

/// A run as MLflow has it; several may be in one of ours.
#[derive(Default)]
struct Tracked {
    name: String,
    experiment: String,
    user: String,
    status: String,
    start: i64,
    end: Option<i64>,
    params: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    last: BTreeMap<String, Point>,
    history: Vec<Point>,
}

impl Ledger {
    pub fn new(metrics: PathBuf, artifacts: &Path) -> Self {
        let directory = artifacts.to_path_buf();
        let artifacts = url::Url::from_directory_path(artifacts).map_or_else(|()| String::new(), String::from);
        let (runs, models, order, experiments) = Default::default();
        let mut ledger = Self { metrics, directory, artifacts, experiments, runs, models, order, points: 0 };
        ledger.experiments.push("Default".into());
        ledger
    }

    /// Where that lies which the program logged last under this name: a model, or an artifact of a run.
    pub fn logged(&self, name: &Path) -> Option<PathBuf> {
        // What a try inside of a search logs is not what the step does.
        let is_own = |run: &str| self.runs.get(run).is_none_or(|run| !run.tags.contains_key(PARENT));
        let place = |id: &String| match self.models.get(id) {
            Some(model) => {
                let info = |key: &str| model["info"][key].as_str().unwrap_or_default();
                let is_it = Path::new(info("name")) == name && is_own(info("source_run_id"));
                is_it.then(|| self.directory.join("models").join(id).join("artifacts"))
            }
            None => is_own(id).then(|| self.directory.join(id).join("artifacts").join(name)),
        };
        self.order.iter().rev().filter_map(place).find(|place| place.exists())
    }

    /// Answers a request for a route such as `api/2.0/mlflow/runs/create`.
    pub fn answer(&mut self, method: &str, route: &str, query: &str, body: &[u8]) -> Result<Value, Refusal> {
        let name = PREFIXES.iter().find_map(|prefix| route.strip_prefix(prefix));
        let not_here = || Refusal::unknown("`mlx train` takes what programs log, and knows nothing of this");
        let name = name.ok_or_else(not_here)?;
        let arguments = Arguments::of(method, query, body)?;
        match name {
            "experiments/create" => {
                self.experiments.push(arguments.text("name")?);
                Ok(json!({ "experiment_id": (self.experiments.len() - 1).to_string() }))
            }
            "experiments/get" => self.experiment(&arguments.text("experiment_id")?),
            "experiments/get-by-name" => {
                let name = arguments.text("experiment_name")?;
                let place = self.experiments.iter().position(|known| *known == name);
                let place = place.ok_or_else(|| Refusal::missing(&format!("experiment `{name}`")))?;
                self.experiment(&place.to_string())
            }
            "experiments/search" => {
                let all = (0..self.experiments.len()).map(|place| self.experiment(&place.to_string()));
                let all: Result<Vec<Value>, Refusal> = all.map(|found| Ok(found?["experiment"].take())).collect();
                Ok(json!({ "experiments": all? }))
            }
            "runs/create" => self.create(&arguments),
            "runs/update" => {
                let run = self.run(&arguments)?;
                run.name = arguments.optional("run_name").unwrap_or_else(|| std::mem::take(&mut run.name));
                run.status = arguments.optional("status").unwrap_or_else(|| std::mem::take(&mut run.status));
                run.end = arguments.time("end_time").or(run.end);
                let id = arguments.run_id()?;
                Ok(json!({ "run_info": self.info(&id) }))
            }
            "runs/get" => {
                self.run(&arguments)?;
                Ok(json!({ "run": self.shown(&arguments.run_id()?) }))
            }
            "runs/search" if arguments.optional("filter").is_none_or(|filter| filter.is_empty()) => {
                let runs: Vec<Value> = self.runs.keys().map(|id| self.shown(id)).collect();
                Ok(json!({ "runs": runs }))
            }
            "runs/log-metric" => self.log(&arguments, vec![arguments.point()?], Vec::new(), Vec::new()),
            "runs/log-parameter" => {
                let param = (arguments.text("key")?, arguments.optional("value").unwrap_or_default());
                self.log(&arguments, Vec::new(), vec![param], Vec::new())
            }
            "runs/set-tag" => {
                let tag = (arguments.text("key")?, arguments.optional("value").unwrap_or_default());
                self.log(&arguments, Vec::new(), Vec::new(), vec![tag])
            }
            "runs/log-batch" => {
                let (points, params) = (arguments.points("metrics"), arguments.pairs("params"));
                self.log(&arguments, points, params, arguments.pairs("tags"))
            }
            "runs/delete-tag" => {
                self.run(&arguments)?.tags.remove(&arguments.text("key")?);
                Ok(json!({}))
            }
            "metrics/get-history" => {
                let key = arguments.text("metric_key")?;
                let history = self.run(&arguments)?.history.iter().filter(|point| point.key == key);
                Ok(json!({ "metrics": history.map(Point::json).collect::<Vec<_>>() }))
            }
            // What says where data came from, and what models there are: the run knows it by its own means.
            "runs/log-inputs" | "runs/log-model" | "runs/outputs" | "experiments/set-experiment-tag" => Ok(json!({})),
            name if name == "logged-models" || name.starts_with("logged-models/") => {
                self.answer_model(method, name, &arguments)
            }
            _ => Err(not_here()),
        }
    }

    fn experiment(&self, id: &str) -> Result<Value, Refusal> {
        let name = id.parse().ok().and_then(|place: usize| self.experiments.get(place));
        let name = name.ok_or_else(|| Refusal::missing(&format!("experiment {id}")))?;
        let (artifacts, stage) = (&self.artifacts, "active");
        let experiment =
            json!({ "experiment_id": id, "name": name, "artifact_location": artifacts, "lifecycle_stage": stage });
        Ok(json!({ "experiment": experiment }))
    }

    fn create(&mut self, arguments: &Arguments) -> Result<Value, Refusal> {
        if self.runs.len() >= MOST_RUNS {
            return Err(Refusal::bad(format!("more than {MOST_RUNS} runs in one step are not taken")));
        }
        let id = unique();
        let name = arguments.optional("run_name").filter(|name| !name.is_empty());
        let run = Tracked {
            name: name.unwrap_or_else(|| id[..8].to_owned()),
            experiment: arguments.optional("experiment_id").unwrap_or_else(|| "0".into()),
            user: arguments.optional("user_id").unwrap_or_default(),
            status: "RUNNING".into(),
            start: arguments.time("start_time").unwrap_or_default(),
            tags: arguments.pairs("tags").into_iter().collect(),
            ..Tracked::default()
        };
        self.runs.insert(id.clone(), run);
        self.order.push(id.clone());
        Ok(json!({ "run": self.shown(&id) }))
    }

    fn run(&mut self, arguments: &Arguments) -> Result<&mut Tracked, Refusal> {
        let id = arguments.run_id()?;
        self.runs.get_mut(&id).ok_or_else(|| Refusal::missing(&format!("run {id}")))
    }

    /// Takes what the program logged. It is in the step's file before it is answered.
    fn log(
        &mut self,
        arguments: &Arguments,
        points: Vec<Point>,
        params: Vec<(String, String)>,
        tags: Vec<(String, String)>,
    ) -> Result<Value, Refusal> {
        let room = MOST_POINTS.saturating_sub(self.points);
        let run = self.run(arguments)?;
        // What a try inside of a search measures is not what the step does.
        let is_own = !run.tags.contains_key(PARENT);
        let lines: String = points.iter().map(line).chain(params.iter().map(param_line)).collect();
        run.last.extend(points.iter().map(|point| (point.key.clone(), point.clone())));
        let kept = points.len().min(room);
        run.history.extend(points.into_iter().take(room));
        run.params.extend(params);
        run.tags.extend(tags);
        self.points += kept;
        if is_own && !lines.is_empty() {
            append(&self.metrics, &lines).map_err(|error| Refusal {
                // With a code that clients would try again with, the program would wait for minutes.
                status: 400,
                code: "INTERNAL_ERROR",
                message: format!("cannot write the metrics of the step: {error}"),
            })?;
        }
        Ok(json!({}))
    }

    fn info(&self, id: &str) -> Value {
        let Some(run) = self.runs.get(id) else { return Value::Null };
        json!({
            "run_id": id, "run_uuid": id, "run_name": run.name, "experiment_id": run.experiment, "user_id": run.user,
            "status": run.status, "start_time": run.start, "end_time": run.end, "lifecycle_stage": "active",
            "artifact_uri": format!("{}{id}/artifacts", self.artifacts),
        })
    }

    fn shown(&self, id: &str) -> Value {
        let Some(run) = self.runs.get(id) else { return Value::Null };
        let metrics: Vec<Value> = run.last.values().map(Point::json).collect();
        let data = json!({ "metrics": metrics, "params": list(&run.params), "tags": list(&run.tags) });
        json!({ "info": self.info(id), "data": data, "inputs": {} })
    }

    /// Models as MLflow 3 logs them: no more than a place for their files.
    fn answer_model(&mut self, method: &str, route: &str, arguments: &Arguments) -> Result<Value, Refusal> {
        match (method, route.strip_prefix("logged-models/")) {
            ("POST", None) if self.models.len() < MOST_RUNS => {
                let id = format!("m-{}", unique());
                let optional = |name: &str| arguments.optional(name).unwrap_or_default();
                let info = json!({
                    "model_id": id, "experiment_id": optional("experiment_id"), "name": optional("name"),
                    "model_type": optional("model_type"), "source_run_id": optional("source_run_id"),
                    "status": "LOGGED_MODEL_PENDING", "creation_timestamp_ms": 0, "last_updated_timestamp_ms": 0,
                    "artifact_uri": format!("{}models/{id}/artifacts", self.artifacts),
                });
                let model = json!({ "info": info, "data": {} });
                self.order.push(id.clone());
                self.models.insert(id, model.clone());
                Ok(json!({ "model": model }))
            }
            ("POST", Some("search")) => Ok(json!({ "models": [] })),
            (method, Some(rest)) => {
                let id = rest.split('/').next().unwrap_or_default();
                let model = self.models.get_mut(id).ok_or_else(|| Refusal::missing(&format!("model {id}")))?;
                if method == "PATCH"
                    && let Some(status) = arguments.optional("status")
                {
                    model["info"]["status"] = status.into();
                }
                Ok(json!({ "model": model }))
            }
            _ => Err(Refusal::bad("that is no request for a model")),
        }
    }
}

/// As programs write it that know of `MLX_METRICS`.
fn line(point: &Point) -> String {
    let step = u64::try_from(point.step).unwrap_or(0);
    json!({ "name": point.key, "value": point.value, "step": step }).to_string() + "\n"
}

fn param_line((name, value): &(String, String)) -> String {
    json!({ "param": name, "value": value }).to_string() + "\n"
}

fn append(path: &Path, lines: &str) -> std::io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Client {
        dir: tempfile::TempDir,
        ledger: Ledger,
    }

    impl Client {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let ledger = Ledger::new(dir.path().join("metrics"), &dir.path().join("artifacts"));
            Self { dir, ledger }
        }

        fn post(&mut self, name: &str, body: Value) -> Result<Value, Refusal> {
            self.ledger.answer("POST", &format!("api/2.0/mlflow/{name}"), "", body.to_string().as_bytes())
        }

        fn run(&mut self, tags: Value) -> String {
            let created = self.post("runs/create", json!({ "experiment_id": "0", "tags": tags })).unwrap();
            created["run"]["info"]["run_id"].as_str().unwrap().to_owned()
        }

        fn lines(&self) -> String {
            std::fs::read_to_string(self.dir.path().join("metrics")).unwrap_or_default()
        }
    }

    #[test]
    fn what_is_logged_becomes_lines_and_can_be_asked_for() {
        let mut client = Client::new();
        let id = client.run(json!([]));

        client.post("runs/log-metric", json!({ "run_id": id, "key": "loss", "value": 0.5, "step": 3 })).unwrap();
        let batch = json!({ "run_id": id, "metrics": [{ "key": "loss", "value": "NaN", "step": "4" }],
                            "params": [{ "key": "lr", "value": "0.1" }], "tags": [{ "key": "a", "value": "b" }] });
        client.post("runs/log-batch", batch).unwrap();

        assert_eq!(
            client.lines(),
            "{\"name\":\"loss\",\"value\":0.5,\"step\":3}\n{\"name\":\"loss\",\"value\":null,\"step\":4}\n\
             {\"param\":\"lr\",\"value\":\"0.1\"}\n"
        );
        let query = format!("run_id={id}");
        let shown = client.ledger.answer("GET", "api/2.0/mlflow/runs/get", &query, b"").unwrap();
        assert_eq!(shown["run"]["data"]["params"], json!([{ "key": "lr", "value": "0.1" }]));
        assert_eq!(shown["run"]["info"]["status"], "RUNNING");
        let uri = shown["run"]["info"]["artifact_uri"].as_str().unwrap();
        assert!(uri.starts_with("file:///") && uri.ends_with(&format!("{id}/artifacts")), "{uri}");
    }

    #[test]
    fn a_try_inside_of_a_search_is_no_metric_of_the_step() {
        let mut client = Client::new();
        let id = client.run(json!([{ "key": PARENT, "value": "x" }]));

        client.post("runs/log-metric", json!({ "run_id": id, "key": "loss", "value": 0.5 })).unwrap();

        assert_eq!(client.lines(), "");
    }

    #[test]
    fn what_is_logged_is_found_by_its_name() {
        let mut client = Client::new();
        let (first, last) = (client.run(json!([])), client.run(json!([])));
        let inner = client.run(json!([{ "key": PARENT, "value": last }]));
        let artifacts = client.dir.path().join("artifacts");
        let mut model = |run: &str| {
            let body = json!({ "name": "wine", "source_run_id": run });
            let made = client.post("logged-models", body).unwrap();
            let place = artifacts.join("models").join(made["model"]["info"]["model_id"].as_str().unwrap());
            std::fs::create_dir_all(place.join("artifacts")).unwrap();
            place.join("artifacts")
        };
        let (model, _) = (model(&last), model(&inner));
        for run in [&first, &inner] {
            std::fs::create_dir_all(artifacts.join(run).join("artifacts/plots")).unwrap();
        }

        let logged = |name: &str| client.ledger.logged(Path::new(name));

        assert_eq!(logged("wine"), Some(model));
        assert_eq!(logged("plots"), Some(artifacts.join(first).join("artifacts/plots")));
        assert_eq!(logged("other"), None);
    }

    #[test]
    fn what_is_not_there_or_not_known_is_told_as_clients_expect_it() {
        let mut client = Client::new();

        let missing = client.post("runs/log-metric", json!({ "run_id": "x", "key": "a", "value": 1 })).unwrap_err();
        let unknown = client.post("registered-models/create", json!({})).unwrap_err();

        assert_eq!((missing.status, missing.code), (404, "RESOURCE_DOES_NOT_EXIST"));
        assert_eq!((unknown.status, unknown.code), (404, "ENDPOINT_NOT_FOUND"));
        assert_eq!(client.post("runs/create", json!([])).unwrap_err().status, 400);
        let by_name = |client: &mut Client| {
            client.ledger.answer("GET", "api/2.0/mlflow/experiments/get-by-name", "experiment_name=mine", b"")
        };
        assert_eq!(by_name(&mut client).unwrap_err().code, "RESOURCE_DOES_NOT_EXIST");
        client.post("experiments/create", json!({ "name": "mine" })).unwrap();
        assert_eq!(by_name(&mut client).unwrap()["experiment"]["experiment_id"], "1");
    }
}
