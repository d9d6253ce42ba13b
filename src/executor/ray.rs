//! Ray, through the REST API of its jobs.
//!
//! Each job has an actor of its own on the cluster, which a node carries only some of at once. So a job is one element,
//! with many short steps in it, and there are few jobs at a time. What Ray knows of jobs is lost with its head node.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::time::Duration;

use anyhow::Context;
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::FailureClass;
use super::engine::{Executor, Known, Refusal, State, Submission, Submitted, text_of};
use super::job;
use crate::event::Interrupt;
use crate::fs::escape;
use crate::project::manifest::RaySettings;
use crate::{Error, Result};

/// So long may an answer take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where Ray's dashboard listens when nobody says otherwise.
const USUAL_ADDRESS: &str = "http://127.0.0.1:8265";
/// Ray's own variables.
const ADDRESSES: [&str; 2] = ["RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"];
const TOKEN: &str = "RAY_AUTH_TOKEN";
/// The exit code of `timeout` when the time is over.
const TIME_IS_OVER: i64 = 124;
/// So much of what Ray says is shown.
const MOST_WORDS: usize = 300;

/// A cluster whose Jobs API is reached from here.
pub struct Ray {
    http: Client,
    /// Without a slash at its end.
    address: String,
    settings: RaySettings,
}

impl Ray {
    /// `variable` gives the value of an environment variable: the secrets that are sent along come from there.
    pub fn new(settings: RaySettings, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Self> {
        let text = |name: &str| variable(name)?.into_string().ok().filter(|value| !value.is_empty());
        let is_http = |address: &String| address.starts_with("http://") || address.starts_with("https://");
        let of_variable = || ADDRESSES.iter().find_map(|name| text(name).filter(is_http));
        let address = settings.address.clone().or_else(of_variable).unwrap_or_else(|| USUAL_ADDRESS.to_owned());
        let needed = |name: &str, what: &str| {
            text(name).ok_or_else(|| {
                Error::usage(format!("the variable `{}`, which holds {what}, is not set", escape(name.as_bytes())))
                    .with_hint("set it in the environment of mlx; secrets stay out of the manifest")
            })
        };
        let secret = |text: String, what: &str| {
            let value = HeaderValue::try_from(text);
            let mut value = value.map_err(|_| Error::usage(format!("{what} has what no header may have")))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        };
        let mut headers = HeaderMap::new();
        let token = match &settings.token_variable {
            Some(name) => Some(needed(name, "the token for Ray")?),
            None => text(TOKEN),
        };
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, secret(format!("Bearer {token}"), "the token for Ray")?);
        }
        for (name, of) in &settings.header_variables {
            let what = format!("the header `{name}` for Ray");
            let value = secret(needed(of, &what)?, &what)?;
            headers.insert(HeaderName::try_from(name).context("the manifest names no header")?, value);
        }
        // Whoever installed one before has the same in mind.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(headers);
        if ["://127.", "://localhost", "://[::1]"].iter().any(|host| address.contains(host)) {
            // A proxy knows another machine under this name.
            builder = builder.no_proxy();
        }
        let http = builder.build().context("cannot make an HTTP client")?;
        Ok(Self { http, address: address.trim_end_matches('/').to_owned(), settings })
    }

    fn url(&self, below: &str) -> String {
        format!("{}/api/jobs/{below}", self.address)
    }

    /// Sends a request; returns what came back, good or not.
    fn send(&self, request: RequestBuilder) -> Result<(StatusCode, String), Refusal> {
        let silent = |error: reqwest::Error| Refusal::Unreachable(format!("{}: {}", self.address, reason(&error)));
        let answer = request.send().map_err(silent)?;
        let status = answer.status();
        Ok((status, answer.text().map_err(silent)?))
    }

    fn refusal(&self, status: StatusCode, text: &str) -> Refusal {
        let words = last_words(text);
        let of_proxy = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        let message = format!("{} answers {}: {words}", self.address, status.as_u16());
        if status.is_server_error() || of_proxy.contains(&status) || status == StatusCode::TOO_MANY_REQUESTS {
            return Refusal::Unreachable(message);
        }
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "it wants a token: put it into the variable `{}`",
                self.settings.token_variable.as_deref().unwrap_or(TOKEN)
            ),
            StatusCode::NOT_FOUND => "correct `address`: it is that of Ray's dashboard".into(),
            _ => "correct the executor's table or the step's `resources` in the manifest".into(),
        };
        Refusal::Refused(Error::usage(format!("Ray refused: {message}")).with_hint(hint))
    }

    /// The job as Ray takes it. Fields that Ray does not know would be refused, so that there is nothing in it that not
    /// all versions know.
    fn body(&self, submission: &Submission<'_>) -> Result<Value> {
        let resources = &submission.job.resources;
        let mut body = Map::new();
        body.insert("entrypoint".into(), entrypoint(submission)?.into());
        body.insert("submission_id".into(), submission.job.name.clone().into());
        body.insert(
            "metadata".into(),
            json!({ "job_name": submission.job.name, "mlx_run": submission.job.run.as_str() }),
        );
        body.insert("entrypoint_num_cpus".into(), resources.cpus.into());
        if resources.gpus > 0 {
            body.insert("entrypoint_num_gpus".into(), resources.gpus.into());
        }
        if let Some(bytes) = resources.memory_bytes {
            body.insert("entrypoint_memory".into(), bytes.into());
        }
        if !self.settings.custom_resources.is_empty() {
            body.insert("entrypoint_resources".into(), json!(self.settings.custom_resources));
        }
        Ok(body.into())
    }
}

impl Executor for Ray {
    fn submit(&self, submission: &Submission<'_>, _: &Interrupt) -> Result<String, Refusal> {
        let name = &submission.job.name;
        let body = self.body(submission).map_err(Refusal::Refused)?;
        let (status, text) = self.send(self.http.post(self.url("")).json(&body))?;
        // A name that is taken is ours: an answer before this one got lost.
        let is_there = status.is_success() || (text.contains(name.as_str()) && text.contains("already exists"));
        if is_there { Ok(name.clone()) } else { Err(self.refusal(status, &text)) }
    }

    fn query(&self, _: &[Submitted<'_>], _: &Interrupt) -> Result<HashMap<String, Known>, Refusal> {
        let (status, text) = self.send(self.http.get(self.url("")))?;
        if !status.is_success() {
            return Err(self.refusal(status, &text));
        }
        read(&text).map_err(|error| Refusal::Unreachable(format!("{} gives no list of jobs: {error}", self.address)))
    }

    fn cancel(&self, jobs: &[(Submitted<'_>, Vec<usize>)], _: &Interrupt) -> Result<(), Refusal> {
        // A job is one element, and there are few of them.
        for (job, _) in jobs {
            let (status, text) = self.send(self.http.post(self.url(&format!("{}/stop", job.name))))?;
            // What it does not know is over, or was never there.
            if !status.is_success() && status != StatusCode::NOT_FOUND {
                return Err(self.refusal(status, &text));
            }
        }
        Ok(())
    }

    fn most_elements(&self, _: &Interrupt) -> usize {
        1
    }
}

/// What Ray's shell runs. Ray knows no limit of time, so that it comes along; and it kills the group of this process
/// alone, so that the step's own group needs somebody to watch over it.
fn entrypoint(submission: &Submission<'_>) -> Result<String> {
    let words = submission.command_line(&["--watched"]);
    let words = words.iter().map(|word| text_of(word, "Ray")).collect::<Result<Vec<_>>>()?.join(" ");
    let log = match &submission.job.remote {
        // Ray keeps it.
        Some(_) => String::new(),
        None => format!(" >> {} 2>&1", text_of(job::engine_log(submission.logs, 0).as_os_str(), "Ray")?),
    };
    let limit = submission
        .job
        .resources
        .time
        .map_or(String::new(), |time| format!("timeout --kill-after=30 {} ", time.as_secs().max(1)));
    Ok(format!("exec {limit}{words} 0{log}"))
}

/// A job as `GET /api/jobs/` lists it.
#[derive(Deserialize)]
struct Details {
    submission_id: Option<String>,
    status: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    error_type: Option<String>,
    #[serde(default)]
    driver_exit_code: Option<i64>,
}

/// The jobs of mlx in Ray's list.
fn read(text: &str) -> serde_json::Result<HashMap<String, Known>> {
    let listed: Vec<Details> = serde_json::from_str(text)?;
    let known = |details: Details| {
        let name = details.submission_id.clone().filter(|name| name.starts_with("mlx-"))?;
        let elements = HashMap::from([(0, details.state())]);
        Some((name.clone(), Known { id: name, elements }))
    };
    Ok(listed.into_iter().filter_map(known).collect())
}

impl Details {
    /// The states are those of `ray.job_submission.JobStatus`.
    fn state(&self) -> State {
        use FailureClass::{Cancelled, Infrastructure, Timeout};
        let lost = |class, what: &str| State::Lost(class, what.to_owned());
        let message = self.message.as_deref().unwrap_or_default();
        match self.status.as_deref().unwrap_or_default() {
            "PENDING" => State::Waiting(None),
            "SUCCEEDED" => State::Ended,
            "STOPPED" => lost(Cancelled, "was cancelled from outside"),
            "FAILED" if self.driver_exit_code == Some(TIME_IS_OVER) => lost(Timeout, "ran out of the time of its job"),
            // Older versions tell the exit code in words only.
            "FAILED" if self.driver_exit_code.is_some() || message.contains("exit code") => State::Ended,
            "FAILED" => match self.error_type.as_deref().unwrap_or_default() {
                kind if kind.ends_with("START_TIMEOUT") => {
                    lost(Infrastructure, "found no node with room for it in the time that Ray gives a job to start")
                }
                kind if kind.ends_with("UNSCHEDULABLE") => lost(Infrastructure, "has no node that it could run on"),
                _ => State::Lost(Infrastructure, format!("was lost by Ray: {}", last_words(message))),
            },
            // RUNNING, and what future versions bring: not over.
            _ => State::Running,
        }
    }
}

/// The last line of what Ray says, which is often a traceback.
fn last_words(text: &str) -> String {
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    last.chars().filter(|character| !character.is_control()).take(MOST_WORDS).collect()
}

/// The deepest cause.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn StdError = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    escape(cause.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::job::{
        JobFile,
        tests::{job, run},
    };
    use super::*;
    use crate::project::manifest::Resources;

    fn body(resources: Resources, settings: RaySettings) -> Value {
        let job = JobFile { resources, pack: 8, ..job() };
        let submission = Submission {
            file: Path::new("/srv/it's/job.jsonl"),
            job: &job,
            elements: 1,
            program: Path::new("/srv/mlx"),
            logs: Path::new("/srv/job"),
        };
        Ray::new(settings, &|_| None).unwrap().body(&submission).unwrap()
    }

    #[test]
    fn resources_and_settings_become_fields() {
        let resources =
            Resources { cpus: 4, gpus: 2, memory_bytes: Some(3_000_000), time: Some(Duration::from_secs(90)) };
        let settings = RaySettings { custom_resources: [("tpu".to_owned(), 0.5)].into(), ..RaySettings::default() };

        let body = body(resources, settings);

        let expected = json!({
            "entrypoint": "exec timeout --kill-after=30 90 '/srv/mlx' 'exec-step' '--watched' '/srv/it'\\''s/job.jsonl' 0 \
                           >> '/srv/job/0.log' 2>&1",
            "submission_id": "mlx-1-2",
            "metadata": { "job_name": "mlx-1-2", "mlx_run": run().as_str() },
            "entrypoint_num_cpus": 4,
            "entrypoint_num_gpus": 2,
            "entrypoint_memory": 3_000_000,
            "entrypoint_resources": { "tpu": 0.5 },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_list_is_read_by_submission() {
        let job = |more: Value| {
            let mut job = json!({ "type": "SUBMISSION", "job_id": null, "submission_id": "mlx-a", "entrypoint": "x" });
            job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let driver = json!({ "type": "DRIVER", "job_id": "01", "submission_id": null, "status": "RUNNING" });
            let read = read(&json!([driver, job]).to_string()).unwrap();
            assert_eq!(read.len(), 1);
            read["mlx-a"].elements[&0].clone()
        };
        let class = |state| match state {
            State::Lost(class, _) => Some(class),
            _ => None,
        };

        assert_eq!(job(json!({ "status": "PENDING" })), State::Waiting(None));
        assert_eq!(job(json!({ "status": "FAILED", "driver_exit_code": 3 })), State::Ended);
        let timed_out = job(json!({ "status": "FAILED", "driver_exit_code": 124 }));
        assert_eq!(class(timed_out), Some(FailureClass::Timeout));
        assert_eq!(class(job(json!({ "status": "STOPPED" }))), Some(FailureClass::Cancelled));
        let died = job(json!({ "status": "FAILED", "message": "Traceback\nJob supervisor actor died: node" }));
        let what = "was lost by Ray: Job supervisor actor died: node".to_owned();
        assert_eq!(died, State::Lost(FailureClass::Infrastructure, what));
    }

    #[test]
    fn a_token_that_is_wanted_has_to_be_there_and_is_not_shown() {
        let settings = RaySettings { token_variable: Some("T".into()), ..RaySettings::default() };

        let error = Ray::new(settings.clone(), &|_| None).err().unwrap();
        assert_eq!(error.to_string(), "the variable `T`, which holds the token for Ray, is not set");
        let error = Ray::new(settings, &|_| Some("se\ncret".into())).err().unwrap();
        assert_eq!(error.to_string(), "the token for Ray has what no header may have");
    }
}
