//! What a target in a cluster remembers, and where: contents in a registry, small documents as ConfigMaps, and which release
//! is live in the Service.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::objects::{self, RELEASE, Serving, TARGET, TRACK};
use super::workload::{Workload, Workloads};
use crate::bundle::{Blob, Description};
use crate::deploy::history::Entry;
use crate::deploy::pages;
use crate::deploy::place::Place;
use crate::deploy::repository::Repository;
use crate::event::EventSink;
use crate::executor::kubernetes::kubectl::{Cause, cause};
use crate::executor::kubernetes::pod::MANAGER;
use crate::remote::{Body, State as Document};
use crate::{Digest, Error, Result};

/// The key of a ConfigMap under which a document stands.
const TEXT: &str = "document";

/// A target's place: a registry, and a cluster.
pub(super) struct State {
    pub registry: Repository,
    pub workloads: Arc<Workloads>,
}

/// An object, as far as it matters here.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    data: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    selector: Value,
}

impl State {
    fn serving(&self) -> &Serving {
        &self.workloads.serving
    }

    fn object(&self, kind: &str, name: &str) -> Result<Option<Object>> {
        let text = self.workloads.kubectl(&["get", kind, name, "--ignore-not-found", "--output=json"], "")?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let unreadable = |error| Error::failed(format!("`kubectl get {kind} {name}` gives no object: {error}"));
        serde_json::from_str(&text).map(Some).map_err(unreadable)
    }

    /// The name of the ConfigMap with a document.
    fn name_of(&self, document: &str) -> String {
        format!("{}.{document}", self.serving().cluster.name)
    }

    fn config_map(&self, document: &str, text: &str, version: Option<&str>) -> Value {
        let cluster = &self.serving().cluster;
        let mut map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": self.name_of(document), "labels": { MANAGER.0: MANAGER.1, TARGET: cluster.name } },
            "data": { TEXT: text },
        });
        if let Some(namespace) = &cluster.namespace {
            map["metadata"]["namespace"] = namespace.as_str().into();
        }
        if let Some(version) = version {
            // With it nothing is replaced that somebody else has changed since.
            map["metadata"]["resourceVersion"] = version.into();
        }
        map
    }

    fn of_release(&self, release: &Digest) -> Result<Option<Workload>> {
        let workloads = self.workloads.list()?;
        Ok(workloads.into_iter().find(|workload| !workload.is_canary() && workload.release == *release))
    }
}

impl Place for State {
    fn shown(&self) -> String {
        let cluster = &self.serving().cluster;
        let context = cluster.context.as_ref().map_or(String::new(), |context| format!(" of {context}"));
        let namespace = cluster.namespace.as_ref().map_or(String::new(), |name| format!(" in namespace {name}"));
        crate::fs::escape(
            format!("service {}{namespace}{context} ({})", cluster.name, self.registry.shown()).as_bytes(),
        )
    }

    fn live(&self) -> Result<Option<Digest>> {
        let Some(service) = self.object("services", &self.serving().cluster.name)? else { return Ok(None) };
        let track = service.spec.selector.get(TRACK).and_then(Value::as_str).unwrap_or_default();
        let said = service.metadata.annotations.get(RELEASE).and_then(|said| said.parse::<Digest>().ok());
        match said {
            Some(release) if objects::label(&release) == track => Ok(Some(release)),
            _ if track.is_empty() => Err(Error::failed(format!(
                "the Service `{}` is not one that mlx made: its selector has no `{TRACK}`",
                self.serving().cluster.name
            ))
            .with_hint("give the target another `name`, or delete that Service")),
            // Somebody changed the selector by hand; that is what counts.
            _ => Ok(self.releases()?.into_iter().find(|release| objects::label(release) == track)),
        }
    }

    fn activate(&self, release: &Digest) -> Result<()> {
        self.workloads.apply(&[self.serving().service(release)])
    }

    fn releases(&self) -> Result<Vec<Digest>> {
        let workloads = self.workloads.list()?;
        Ok(workloads.iter().filter(|workload| !workload.is_canary()).map(|workload| workload.release).collect())
    }

    fn manifest(&self, release: &Digest) -> Result<Option<Vec<u8>>> {
        // A registry keeps what was deleted in the cluster.
        match self.of_release(release)? {
            Some(_) => self.registry.manifest(release),
            None => Ok(None),
        }
    }

    fn whole(&self, blobs: &[Blob]) -> Result<Vec<bool>> {
        self.registry.whole(blobs)
    }

    fn arrived(&self, blobs: &[Blob]) -> Result<Vec<bool>> {
        self.registry.arrived(blobs)
    }

    fn read(&self, blob: &Blob, sink: &mut dyn Write) -> Result<()> {
        self.registry.read(blob, sink)
    }

    fn write(&self, blob: &Blob, body: &Body<'_>) -> Result<()> {
        self.registry.write(blob, body)
    }

    fn enlist(&self, release: &Digest, manifest: &[u8], description: &Description) -> Result<()> {
        self.registry.enlist(release, manifest, description)
    }

    fn delist(&self, release: &Digest) -> Result<()> {
        self.workloads.delete(&self.serving().name(release))?;
        self.registry.forget_image(release)?;
        self.registry.delist(release)
    }

    fn sweep(&self, used: &HashSet<Digest>) -> Result<()> {
        self.registry.sweep(used)
    }

    fn history(&self, events: &dyn EventSink) -> Result<Vec<Entry>> {
        pages::history(self, events)
    }

    fn append(&self, entry: &Entry) -> Result<()> {
        pages::append(self, entry)
    }

    fn document(&self, name: &str) -> Result<Option<Document>> {
        let Some(mut map) = self.object("configmaps", &self.name_of(name))? else { return Ok(None) };
        let text = map.data.remove(TEXT).unwrap_or_default();
        Ok(Some(Document { bytes: text.into_bytes(), tag: map.metadata.resource_version }))
    }

    fn swap(&self, name: &str, seen: Option<&Document>, bytes: &[u8]) -> Result<bool> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::failed(format!("`{name}` is no text")))?;
        let map = self.config_map(name, text, seen.map(|seen| seen.tag.as_str())).to_string();
        let verb = if seen.is_some() { "replace" } else { "create" };
        match self.workloads.kubectl(&[verb, "--filename=-", "--output=name"], &map) {
            Ok(_) => Ok(true),
            Err(error) => match cause(&error) {
                // Another was faster; or we were, and the answer to that was lost.
                Some(Cause::AlreadyExists | Cause::Conflict | Cause::NotFound) => {
                    Ok(self.document(name)?.is_some_and(|now| now.bytes == bytes))
                }
                _ => Err(error),
            },
        }
    }

    fn delete(&self, name: &str) -> Result<()> {
        let name = self.name_of(name);
        self.workloads.kubectl(&["delete", "configmaps", &name, "--ignore-not-found", "--wait=false"], "").map(drop)
    }
}
