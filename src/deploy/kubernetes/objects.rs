//! The objects of a release, as Kubernetes is given them: plain data, the same for the same release and settings.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Digest;
use crate::bundle::{Description, Lineage, ModelName, image};
use crate::executor::kubernetes::pod::{self, MANAGER};
use crate::project::document::canonical;
use crate::project::manifest::{Api, Autoscale, Cluster, Health, ServingImage, Variable};

/// The label of everything that belongs to a target: the name of its Service.
pub const TARGET: &str = "mlx/target";
/// The label with the release that a pod answers with, shortened to what a label holds, and the annotation with all of it.
pub const RELEASE: &str = "mlx/release";
/// The label that the Service goes by: the release beside which a pod answers, which is its own but for a canary.
pub const TRACK: &str = "mlx/track";
/// The annotation with the image of a release.
pub const IMAGE: &str = "mlx/image";
/// The annotation with the digest of all that was asked for, so that a change is noticed.
pub const SETTINGS: &str = "mlx/settings";
/// What the track is called of manifests that change one Deployment in place.
const ROLLING: &str = "rolling";
/// The kinds of objects that there may be manifests of, as their files are called.
pub const KINDS: [&str; 4] = ["deployment", "horizontalpodautoscaler", "inferenceservice", "service"];
/// KServe starts what is stopped by this, and ends what it has of it otherwise.
pub const STOP: &str = "serving.kserve.io/stop";

/// Where the server listens in its pod.
pub const PORT: u16 = 8080;
const VOLUME: &str = "/mnt/mlx";
/// Where KServe puts what `STORAGE_URI` names.
const KSERVE_MODELS: &str = "/mnt/models";
/// Nobody in particular, as in the images that mlx makes.
const USER: u64 = 65532;
/// So many seconds pass between the end of a pod and that of its server: until then requests may still come to it.
const DRAIN: u64 = 5;
/// So many seconds a server has for the requests that have begun.
const GRACE: u64 = 30;

/// How releases are served: what the manifest says.
#[derive(Debug, Clone)]
pub struct Serving {
    pub cluster: Cluster,
    pub health: Health,
    /// What the user's file says of pods.
    pub more: Option<Value>,
    /// The repository that images are fetched from, as the cluster names it.
    pub images: String,
}

/// A release with its image.
#[derive(Clone, Copy)]
pub struct Served<'a> {
    pub release: Digest,
    pub description: &'a Description,
    pub image: Digest,
}

/// The file with the manifest of an object of this kind, for the Service of this name.
pub fn file_name(service: &str, kind: &str) -> String {
    format!("{service}-{kind}.json")
}

/// As much of a digest as a label holds.
pub fn label(release: &Digest) -> String {
    release.hex()[..40].to_owned()
}

impl Serving {
    /// The name of a release's objects.
    pub fn name(&self, release: &Digest) -> String {
        format!("{}-{}", self.cluster.name, release.short())
    }

    /// The name of the objects of a canary.
    pub fn canary_name(&self, release: &Digest) -> String {
        format!("{}-canary", self.name(release))
    }

    /// The kind of the objects that make pods, as `kubectl` takes it.
    pub fn kind(&self) -> &'static str {
        match self.cluster.api {
            Api::Deployment => "deployments.apps",
            Api::KServe => "inferenceservices.serving.kserve.io",
        }
    }

    /// The name of the container with the server.
    pub fn container(&self) -> &'static str {
        match self.cluster.api {
            Api::Deployment => "mlx",
            // The one that KServe knows how to treat.
            Api::KServe => "kserve-container",
        }
    }

    /// Where the cluster fetches an image from.
    pub fn reference(&self, image: &Digest) -> String {
        format!("{}@{image}", self.images)
    }

    /// What makes the pods of a release, and what scales them. How many there are is said apart, because others change it.
    pub fn release(&self, served: Served<'_>) -> Vec<Value> {
        let name = self.name(&served.release);
        let track = label(&served.release);
        let mut objects = vec![self.workload(&name, &track, served, None)];
        objects.extend(self.scaler(&name, &track));
        let settings = Digest::of(Value::from(objects.clone()).to_string() + &self.cluster.replicas.to_string());
        objects[0]["metadata"]["annotations"][SETTINGS] = settings.to_string().into();
        objects
    }

    /// So many pods that answer with the release beside those of the live one.
    pub fn canary(&self, served: Served<'_>, live: &Digest, pods: u64) -> Value {
        self.workload(&self.canary_name(&served.release), &label(live), served, Some(pods))
    }

    /// The Service, which leads to the pods of this release.
    pub fn service(&self, release: &Digest) -> Value {
        let mut service = self.service_of(&label(release));
        service["metadata"]["annotations"][RELEASE] = release.to_string().into();
        service
    }

    /// All objects by their kind ([`KINDS`]), for those who apply them themselves: one Deployment, which Kubernetes changes pod
    /// by pod once a new pod is ready.
    pub fn rolling(&self, served: Served<'_>) -> Vec<(&'static str, Value)> {
        let name = &self.cluster.name;
        let pods = self.cluster.autoscale.is_none().then_some(self.cluster.replicas);
        let pods = pods.filter(|_| self.cluster.api == Api::Deployment);
        let workload = self.workload(name, ROLLING, served, pods);
        match self.cluster.api {
            Api::Deployment => {
                let scaler = self.scaler(name, ROLLING).map(|scaler| ("horizontalpodautoscaler", scaler));
                let objects = [("deployment", workload), ("service", self.service_of(ROLLING))];
                objects.into_iter().chain(scaler).collect()
            }
            // KServe makes a Service of its own.
            Api::KServe => vec![("inferenceservice", workload)],
        }
    }

    fn metadata(&self, name: &str, labels: &Map<String, Value>, annotations: &[(&str, String)]) -> Value {
        let annotations: BTreeMap<&str, &String> = annotations.iter().map(|(key, value)| (*key, value)).collect();
        let mut metadata = json!({ "name": name, "labels": labels, "annotations": annotations });
        if let Some(namespace) = &self.cluster.namespace {
            metadata["namespace"] = namespace.as_str().into();
        }
        metadata
    }

    fn labels(&self, track: &str) -> Map<String, Value> {
        let pairs = [
            (MANAGER.0, MANAGER.1),
            ("app.kubernetes.io/name", self.cluster.name.as_str()),
            (TARGET, self.cluster.name.as_str()),
            (TRACK, track),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    }

    fn service_of(&self, track: &str) -> Value {
        let service = &self.cluster.service;
        let mut labels = self.labels(track);
        labels.remove(TRACK);
        let annotations: Vec<(&str, String)> =
            service.annotations.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        canonical(&json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(&self.cluster.name, &labels, &annotations),
            "spec": {
                "type": service.kind,
                "selector": { TARGET: self.cluster.name, TRACK: track },
                "ports": [{ "name": "http", "port": service.port, "protocol": "TCP", "targetPort": PORT }],
            },
        }))
    }

    fn scaler(&self, name: &str, track: &str) -> Option<Value> {
        let Autoscale { max, cpu } = self.cluster.autoscale?;
        if self.cluster.api == Api::KServe {
            // KServe makes one of what its own object says.
            return None;
        }
        let target = json!({ "type": "Utilization", "averageUtilization": cpu });
        Some(canonical(&json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": self.metadata(name, &self.labels(track), &[]),
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
                "minReplicas": self.cluster.replicas,
                "maxReplicas": max,
                "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": target } }],
            },
        })))
    }

    fn workload(&self, name: &str, track: &str, served: Served<'_>, pods: Option<u64>) -> Value {
        let Served { release, description, image } = served;
        let mut labels = self.labels(track);
        let pod = self.pod(served);
        let selector = match track {
            // Of one that is changed in place the release is no mark.
            ROLLING => json!({ TARGET: self.cluster.name, TRACK: track }),
            _ => json!({ TARGET: self.cluster.name, TRACK: track, RELEASE: label(&release) }),
        };
        labels.insert(RELEASE.into(), label(&release).into());
        labels.insert("app.kubernetes.io/version".into(), description.model.version.to_string().into());
        let mut annotations = vec![
            (RELEASE, release.to_string()),
            (IMAGE, self.reference(&image)),
            ("mlx/model", format!("{}:{}", description.model.name, description.model.version)),
        ];
        annotations.extend(description.lineage.run.iter().map(|run| ("mlx/run", run.to_string())));
        canonical(&match self.cluster.api {
            Api::Deployment => {
                let mut spec = json!({
                    "selector": { "matchLabels": selector },
                    "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
                    "progressDeadlineSeconds": self.health.timeout.as_secs().max(10),
                    "revisionHistoryLimit": 2,
                    "template": { "metadata": { "labels": labels }, "spec": pod },
                });
                if let Some(pods) = pods {
                    spec["replicas"] = pods.into();
                }
                let metadata = self.metadata(name, &labels, &annotations);
                json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec })
            }
            Api::KServe => {
                annotations.push(("serving.kserve.io/deploymentMode", "RawDeployment".into()));
                let mut predictor = pod;
                predictor["labels"] = json!(labels);
                let least = pods.unwrap_or(self.cluster.replicas);
                predictor["minReplicas"] = least.into();
                predictor["maxReplicas"] = least.into();
                if let Some(Autoscale { max, cpu }) = self.cluster.autoscale.filter(|_| pods.is_none()) {
                    predictor["maxReplicas"] = max.into();
                    predictor["scaleMetric"] = "cpu".into();
                    predictor["scaleTarget"] = cpu.into();
                }
                json!({
                    "apiVersion": "serving.kserve.io/v1beta1",
                    "kind": "InferenceService",
                    "metadata": self.metadata(name, &labels, &annotations),
                    "spec": { "predictor": predictor },
                })
            }
        })
    }

    fn pod(&self, served: Served<'_>) -> Value {
        let cluster = &self.cluster;
        let mut pod = json!({
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "terminationGracePeriodSeconds": GRACE + DRAIN,
            "volumes": [{ "name": "tmp", "emptyDir": {} }],
        });
        let mut container = self.server();
        let image = self.reference(&served.image);
        let mut variables = BTreeMap::from([
            ("HOME", json!({ "name": "HOME", "value": "/tmp" })),
            ("MLX_CACHE_DIR", json!({ "name": "MLX_CACHE_DIR", "value": "/tmp/mlx-cache" })),
        ]);
        let listen = ["--host", "0.0.0.0", "--port"].map(str::to_owned).into_iter().chain([PORT.to_string()]);
        let options: Vec<String> = listen.chain(cluster.options.iter().cloned()).collect();
        match &cluster.image {
            ServingImage::Made { .. } => {
                container["image"] = image.into();
                // What it serves, its own entry point says.
                container["args"] = options.into();
            }
            ServingImage::Given { server, .. } => {
                container["image"] = server.as_str().into();
                let model = match cluster.api {
                    Api::KServe => KSERVE_MODELS.to_owned(),
                    Api::Deployment => image::mounted(VOLUME, &served.release),
                };
                container["command"] = json!(["mlx", "serve", model]);
                container["args"] = options.into();
                match cluster.api {
                    Api::KServe => {
                        let uri = format!("oci://{image}");
                        variables.insert("STORAGE_URI", json!({ "name": "STORAGE_URI", "value": uri }));
                    }
                    Api::Deployment => {
                        let mount = json!({ "name": "model", "mountPath": VOLUME, "readOnly": true });
                        push(&mut container["volumeMounts"], mount);
                        let source = json!({ "reference": image, "pullPolicy": "IfNotPresent" });
                        push(&mut pod["volumes"], json!({ "name": "model", "image": source }));
                    }
                }
            }
        }
        for (name, variable) in &cluster.env {
            let said = match variable {
                Variable::Text(text) => json!({ "name": name, "value": text }),
                Variable::Secret { name: secret, key } => {
                    json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } })
                }
            };
            variables.insert(name, said);
        }
        container["env"] = variables.into_values().collect();
        if !cluster.secrets.is_empty() {
            container["envFrom"] =
                cluster.secrets.iter().map(|name| json!({ "secretRef": { "name": name } })).collect();
        }
        match &cluster.service_account {
            Some(account) => pod["serviceAccountName"] = account.as_str().into(),
            // A model has no business with the cluster.
            None => pod["automountServiceAccountToken"] = false.into(),
        }
        if !cluster.node_selector.is_empty() {
            pod["nodeSelector"] = json!(cluster.node_selector);
        }
        pod["containers"] = json!([container]);
        if let Some(more) = &self.more {
            pod::merge(&mut pod, more);
        }
        pod
    }

    /// The container, but for its image and what it runs.
    fn server(&self) -> Value {
        let get = |path: &str| json!({ "path": format!("/{}", path.trim_start_matches('/')), "port": PORT });
        let ready = get(&self.health.path);
        let starts = self.health.timeout.as_secs().div_ceil(2).max(1);
        json!({
            "name": self.container(),
            "imagePullPolicy": "IfNotPresent",
            "ports": [{ "containerPort": PORT, "protocol": "TCP" }],
            "resources": pod::resources(&self.cluster.resources, self.cluster.gpu_resource.as_deref()),
            // Nothing listens before the recorded rows got their answers, however long that takes.
            "startupProbe": { "httpGet": ready, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": starts },
            "readinessProbe": { "httpGet": ready, "periodSeconds": 5, "timeoutSeconds": 5 },
            "livenessProbe": {
                "httpGet": get("/v2/health/live"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3,
            },
            "lifecycle": { "preStop": { "sleep": { "seconds": DRAIN } } },
            "securityContext": {
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
            },
            "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
        })
    }
}

/// A release that is none, to ask a cluster whether it would take one.
pub fn example() -> Description {
    Description {
        format: 1,
        model: ModelName { name: "test".into(), version: 1, description: None },
        serve: None,
        signature: None,
        runtimes: Vec::new(),
        lineage: Lineage::default(),
        smoke: None,
        files: Vec::new(),
    }
}

fn push(list: &mut Value, item: Value) {
    if let Value::Array(items) = list {
        items.push(item);
    }
}

/// So many pods of a canary make at most this part of the requests beside so many of the live release.
pub fn canary_pods(live: u64, percent: u8) -> u64 {
    live * u64::from(percent) / (100 - u64::from(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_gets_no_more_than_its_part() {
        let pods = [(9, 10), (2, 10), (2, 34), (1, 50), (10, 25), (99, 1)].map(|(live, part)| canary_pods(live, part));

        assert_eq!(pods, [1, 0, 1, 1, 3, 1]);
    }
}
