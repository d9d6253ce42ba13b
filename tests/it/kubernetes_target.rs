//! Releases in a cluster: the manifests against the published schemas, and everything else against a cluster that runs what
//! its images hold as processes of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mlx::Digest;
use serde_json::{Value, json};

use crate::bundles::register;
use crate::cluster::wait_until;
use crate::deployed::{LINEAR, linear_with_bias};
use crate::harness::{Outcome, Project};
use crate::kubectl::Kubectl;
use crate::services::{self, Server, program};

/// A project with a model that answers, and a cluster with a registry that it is deployed to.
struct Cluster {
    kubectl: Kubectl,
    project: Project,
    registry: Server,
}

impl Cluster {
    /// `more` belongs to the target. `None` where there is no registry on this machine.
    fn new(more: &str) -> Option<Self> {
        let registry = services::registry(true)?;
        let project = Project::empty();
        let cluster = Self { kubectl: Kubectl::serving(&project), project, registry };
        cluster.manifest(&format!("image = {{ server = 'mlx:test' }}\n{more}"));
        cluster.project.set("rows.csv", "a,b,c\n1,2,3\n0.5,0,0\n");
        register(&cluster.project, &[("linear.onnx", LINEAR)]);
        Some(cluster)
    }

    fn manifest(&self, more: &str) {
        let model = "[env]\npython = { requirements = ['onnxruntime==1.32.0'] }\n[model.m]\npath = 'model'\n\
                     serve = { onnx = 'model/linear.onnx' }\nexamples = 'rows.csv'\n";
        let url = format!("oci://127.0.0.1:{}/models/m", self.registry.port);
        let target = format!("[target.production]\nkind = 'kubernetes'\nurl = '{url}'\nmodel = 'm'\n{more}\n");
        self.project.set("mlx.toml", format!("{model}{target}"));
    }

    /// The next version, which answers otherwise.
    fn next(&self, bias: f32) {
        register(&self.project, &[("linear.onnx", &linear_with_bias(bias))]);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.project.command(arguments);
        command.envs(self.kubectl.environment());
        command
    }

    fn mlx(&self, arguments: &[&str]) -> Outcome {
        self.project.outcome(&mut self.command(arguments))
    }

    /// What the Service answers to the first row.
    fn answer(&self) -> f64 {
        let body = json!({ "inputs": [{ "name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3] }] });
        self.kubectl.service("production").infer(&body.to_string()).json()["outputs"][0]["data"][0].as_f64().unwrap()
    }

    /// How many pods each Deployment is to have, by the version of its model.
    fn pods(&self) -> Vec<(String, u64)> {
        let pods = |object: &Value| {
            let version = object["metadata"]["labels"]["app.kubernetes.io/version"].as_str().unwrap().to_owned();
            (version, object["spec"]["replicas"].as_u64().unwrap())
        };
        let mut found: Vec<_> = self.kubectl.get("deployments.apps").iter().map(pods).collect();
        found.sort();
        found
    }

    fn releases(&self) -> Vec<(u64, bool)> {
        let listed = self.mlx(&["releases", "production", "--json"]).success().json();
        let release = |release: &Value| (release["version"].as_u64().unwrap(), release["live"].as_bool().unwrap());
        listed["releases"].as_array().unwrap().iter().map(release).collect()
    }
}

fn pods(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(version, count)| ((*version).to_owned(), *count)).collect()
}

#[test]
fn a_release_comes_up_beside_the_live_one_and_the_service_leads_to_it() {
    let Some(cluster) = Cluster::new("replicas = 2\nservice = { port = 8000 }") else { return };
    cluster.mlx(&["target", "test", "production"]).success().prints("can be deployed to");

    let first = cluster.mlx(&["deploy", "production", "--json"]).success().json();
    let of_first = cluster.answer();
    cluster.next(1.5);
    let plan = cluster.mlx(&["deploy", "production", "--plan"]).success();
    cluster
        .mlx(&["deploy", "production"])
        .success()
        .prints("before: `m` 1")
        .says("kubectl port-forward service/production 8080:8000");

    plan.prints("Would replace `m` 1").prints("in service production (oci://127.0.0.1:");
    assert_eq!((of_first, cluster.answer()), (2.5, 3.5));
    // The one before waits without pods.
    assert_eq!(cluster.pods(), pods(&[("1", 0), ("2", 2)]));
    cluster.mlx(&["rollback", "production"]).success().prints("`m` 1");
    assert_eq!((cluster.answer(), cluster.releases()), (2.5, vec![(1, true), (2, false)]));
    // From the answer back to the release, as everywhere.
    let server = cluster.kubectl.service("production");
    let body = json!({ "inputs": [{ "name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3] }] });
    assert_eq!(server.infer(&body.to_string()).json()["parameters"]["bundle"], first["release"]);
    // Nobody was asked anything before the switch but by the objects' names in this cluster.
    assert!(cluster.kubectl.calls().contains("apply --server-side --field-manager=mlx"));
}

#[test]
fn a_release_whose_server_ends_is_quoted_and_leaves_the_old_one_answering() {
    let Some(cluster) = Cluster::new("") else { return };
    cluster.mlx(&["deploy", "production"]).success();
    cluster.next(1.5);
    cluster.kubectl.set_faults(&json!({ "crash": "2" }));

    let refused = cluster.mlx(&["deploy", "production"]).exits_with(4);

    refused
        .says("`m` 2 (")
        .says("does not answer and is not live: 0 of 1 pods are ready")
        .says("its server ended with exit code 3")
        .says("last lines of its server:\n    cannot load the model: out of luck")
        .says("`production` serves `m` 1");
    assert_eq!((cluster.answer(), cluster.releases()), (2.5, vec![(1, true)]));
    assert_eq!(cluster.pods(), pods(&[("1", 1)]), "the bad release is gone");
    cluster.mlx(&["releases", "production", "--history"]).success().prints("refused");
    cluster.kubectl.set_faults(&json!({}));
    cluster.mlx(&["deploy", "production"]).success();
    assert_eq!(cluster.answer(), 3.5);
}

#[test]
fn what_keeps_pods_from_coming_is_told() {
    let Some(cluster) = Cluster::new("env = { KEY = { secret = 'keys', key = 'one' } }\nhealth = { timeout = '3s' }")
    else {
        return;
    };
    for (faults, says) in [
        (json!({ "unschedulable": "0/3 nodes are available: 3 Insufficient memory." }), "Unschedulable: 0/3 nodes"),
        (json!({ "pull": "failed to pull image: 401 Unauthorized" }), "ImagePullBackOff: failed to pull image: 401"),
        (json!({ "quota": "pods \"m\" is forbidden: exceeded quota: q" }), "is forbidden: exceeded quota: q"),
        (json!({}), "CreateContainerConfigError: secret \"keys\" not found"),
    ] {
        cluster.kubectl.set_faults(&faults);

        let refused = cluster.mlx(&["deploy", "production"]).exits_with(4);

        refused.says("0 of 1 pods are ready after ").says(says).says("nothing is live on `production`");
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" }, "stringData": { "one": "hunter2" },
    });
    cluster.kubectl.create(&secret);
    cluster.manifest(
        "image = { server = 'mlx:test' }\nenv = { KEY = { secret = 'keys', key = 'one' } }\nhealth = { timeout = '60s' }",
    );
    cluster.mlx(&["deploy", "production"]).success();
    let written: Vec<Value> =
        ["services", "configmaps", "deployments.apps"].map(|kind| cluster.kubectl.get(kind)).concat();
    assert!(!json!(written).to_string().contains("hunter2"), "a secret is named and never copied");
}

#[test]
fn what_kubectl_refuses_is_told_with_what_to_do() {
    let Some(cluster) = Cluster::new("namespace = 'ml'\ncontext = 'prod'") else { return };
    let forbidden = "Error from server (Forbidden): deployments.apps is forbidden: User \"me\" cannot create resource";
    let log = "E1129 22:27:48.821226   26778 memcache.go:265] \"Unhandled Error\" err=\"connection refused\"\n";
    let gone = format!("{}The connection to the server localhost:8080 was refused - did you specify …", log.repeat(5));
    for (call, text, says) in [
        (
            "apply",
            forbidden,
            ["refused: Error from server (Forbidden)", "kubectl auth can-i --list --context=prod --namespace=ml"],
        ),
        ("get", "error: context \"prod\" does not exist", ["context \"prod\" does not exist", "get-contexts"]),
        (
            "create",
            "Error from server (NotFound): error when creating \"STDIN\": namespaces \"ml\" not found",
            ["namespaces \"ml\" not found", "kubectl create namespace"],
        ),
        (
            "get",
            gone.as_str(),
            ["the cluster does not answer: The connection to the server localhost:8080 was", "kubectl cluster-info"],
        ),
        ("get", "error: You must be logged in to the server (Unauthorized)", ["logged in", "kubectl auth whoami"]),
    ] {
        cluster.kubectl.refuse(&format!("^--context=prod --namespace=ml {call}"), text);

        let refused = cluster.mlx(&["deploy", "production"]).exits_with(1);
        let tested = cluster.mlx(&["target", "test", "production"]).exits_with(1);

        says.iter().fold(refused, |refused, says| refused.says(says));
        says.iter().fold(tested, |tested, says| tested.says(says));
    }
    let nothing = cluster.project.home().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let mut command = cluster.command(&["releases", "production"]);
    cluster.project.outcome(command.env("PATH", nothing)).exits_with(1).says("cannot start `kubectl`");
}

#[test]
fn a_canary_is_a_part_of_the_pods() {
    let Some(cluster) = Cluster::new("replicas = 3") else { return };
    cluster.mlx(&["deploy", "production"]).success();
    cluster.next(1.5);
    let answering = || {
        let service = &cluster.kubectl.get("services")[0]["spec"]["selector"];
        let selector: Vec<String> = service
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
            .collect();
        cluster.kubectl.labelled("pods", &selector.join(",")).len()
    };

    let too_small = cluster.mlx(&["deploy", "production", "--canary", "10%"]).exits_with(2);
    cluster.mlx(&["deploy", "production", "--canary", "25%"]).success().prints("answers 25 % of the requests");

    too_small.says("are less than one pod beside 3").says("say `--canary 25%`, or `replicas = 9`");
    assert_eq!((answering(), cluster.releases()), (4, vec![(1, true), (2, false)]));
    assert_eq!(cluster.pods(), pods(&[("1", 3), ("2", 0), ("2", 1)]));
    cluster.mlx(&["rollback", "production"]).success().prints("answers all requests on `production` again");
    wait_until("the canary's end", || answering() == 3);
    cluster.mlx(&["deploy", "production", "--canary", "25%"]).success();
    cluster.mlx(&["deploy", "production", "--promote"]).success().prints("`m` 2");
    wait_until("the end of all others", || answering() == 3);
    assert_eq!((cluster.answer(), cluster.pods()), (3.5, pods(&[("1", 0), ("2", 3)])));
}

#[test]
fn a_release_that_stops_answering_while_it_is_watched_goes_back() {
    let Some(cluster) = Cluster::new("") else { return };
    cluster.mlx(&["deploy", "production"]).success();
    cluster.manifest("image = { server = 'mlx:test' }\nhealth = { watch = '40s' }");
    cluster.next(1.5);
    let said = fs::File::create(cluster.project.home().join("said")).unwrap();
    let mut deploy = cluster.command(&["deploy", "production"]).stderr(said).stdout(Stdio::null()).spawn().unwrap();
    let of_second = || cluster.kubectl.labelled("pods", "app.kubernetes.io/version=2");
    wait_until("the switch", || {
        let history = cluster.mlx(&["releases", "production", "--json"]).success().json();
        history["history"].as_array().unwrap().iter().any(|entry| entry["version"] == 2)
    });

    cluster.kubectl.set_faults(&json!({ "crash": "2" }));
    for pod in of_second() {
        let said = fs::read(cluster.kubectl.state().join("serving").join(pod).join("pod.json")).unwrap();
        let pid = serde_json::from_slice::<Value>(&said).unwrap()["pid"].as_i64().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    let code = deploy.wait().unwrap().code();
    let said = fs::read_to_string(cluster.project.home().join("said")).unwrap();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("was watched and does not do well") && said.contains("is live again"), "{said}");
    assert_eq!((cluster.answer(), cluster.releases()[0]), (2.5, (1, true)));
}

#[test]
fn a_change_of_settings_is_a_change() {
    let Some(cluster) = Cluster::new("replicas = 1") else { return };
    cluster.mlx(&["deploy", "production"]).success();
    cluster.manifest(
        "image = { server = 'mlx:test' }\nreplicas = 2\nautoscale = { max = 4 }\nenv = { MODE = 'fast' }\noptions = ['--workers', '1']",
    );

    let plan = cluster.mlx(&["deploy", "production", "--plan"]).success();
    cluster.mlx(&["deploy", "production"]).success();

    plan.prints("Would repair `m` 1").prints("what lies there is not as it should be");
    assert_eq!(cluster.pods(), pods(&[("1", 2)]));
    let deployment = &cluster.kubectl.get("deployments.apps")[0]["spec"]["template"]["spec"]["containers"][0];
    assert!(deployment["env"].as_array().unwrap().contains(&json!({ "name": "MODE", "value": "fast" })));
    let scaler = &cluster.kubectl.get("horizontalpodautoscalers.autoscaling")[0]["spec"];
    assert_eq!((&scaler["minReplicas"], &scaler["maxReplicas"]), (&json!(2), &json!(4)));
    cluster.mlx(&["deploy", "production"]).success().prints("nothing changed");
    cluster.manifest("image = { server = 'mlx:test' }\nreplicas = 1");
    cluster.mlx(&["deploy", "production"]).success();
    assert!(cluster.kubectl.get("horizontalpodautoscalers.autoscaling").is_empty());
    assert_eq!(cluster.pods(), pods(&[("1", 1)]));
}

#[test]
fn an_image_is_made_on_a_base_and_serves_by_itself() {
    let Some(cluster) = Cluster::new("") else { return };
    // What the program needs is on this machine, which runs it as it lies in the image.
    cluster.project.set("root/etc/os-release", "ID=none\n");
    cluster.manifest("image = { base = 'root' }");
    let mlx = |arguments: &[&str]| {
        let mut command = cluster.project.other(&crate::images::program().to_string_lossy(), arguments);
        command.env("MLX_CACHE_DIR", crate::harness::shared_cache()).envs(cluster.kubectl.environment());
        cluster.project.outcome(&mut command)
    };

    mlx(&["deploy", "production"]).success();

    assert_eq!(cluster.answer(), 2.5);
    let container = &cluster.kubectl.get("deployments.apps")[0]["spec"]["template"]["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap();
    assert!(image.starts_with(&format!("127.0.0.1:{}/models/m@sha256:", cluster.registry.port)), "{image}");
    assert_eq!(container["args"], json!(["--host", "0.0.0.0", "--port", "8080"]));
    // The same release has the same image, which is made once.
    let made = fs::metadata(crate::images::program()).unwrap().len();
    assert!(made > 0 && mlx(&["deploy", "production"]).success().stdout.contains("nothing changed"));
}

#[test]
fn kserve_has_a_service_of_its_own_for_each_release() {
    let Some(cluster) = Cluster::new("") else { return };
    cluster.project.set("shell/bin/sh", "not really\n");
    let manifest = "api = 'kserve'\nimage = { server = 'mlx:test', base = 'shell' }\nautoscale = { max = 3 }";
    cluster.manifest(manifest);
    cluster.kubectl.set_faults(&json!({ "unknown": ["InferenceService"] }));
    let missing = cluster.mlx(&["deploy", "production"]).exits_with(1);
    cluster.kubectl.set_faults(&json!({}));

    cluster.mlx(&["deploy", "production"]).success();
    cluster.next(1.5);
    cluster.mlx(&["deploy", "production"]).success();

    missing
        .says("doesn't have a resource type \"inferenceservices\"")
        .says("those of KServe come with its installation");
    let services = cluster.kubectl.get("inferenceservices.serving.kserve.io");
    let stopped = |version: &str| {
        let its =
            services.iter().find(|its| its["metadata"]["labels"]["app.kubernetes.io/version"] == version).unwrap();
        its["metadata"]["annotations"]["serving.kserve.io/stop"].clone()
    };
    assert!(stopped("1") == "true" && stopped("2") != "true");
    assert_eq!(cluster.answer(), 3.5);
    cluster.mlx(&["rollback", "production"]).success();
    assert_eq!(cluster.answer(), 2.5);
    cluster.manifest(&manifest.replace(", base = 'shell'", ""));
    cluster.next(2.5);
    cluster.mlx(&["deploy", "production"]).exits_with(2).says("nothing says what the image of the model is built on");
}

/// All that a target can say.
const ALL: &str = "name = 'churn'\nnamespace = 'ml'\nreplicas = 2\nautoscale = { max = 5, cpu = '70%' }\n\
    resources = { cpus = 2, memory = '4GB', gpus = 1 }\ngpu_resource = 'amd.com/gpu'\n\
    service = { type = 'LoadBalancer', port = 443, annotations = { 'example.org/internal' = 'true' } }\n\
    env = { MODE = 'fast', TOKEN = { secret = 'keys', key = 'token' } }\nsecrets = ['more']\n\
    service_account = 'server'\nnode_selector = { pool = 'gpu' }\npod = 'pod.yaml'\noptions = ['--workers', '2']\n";

/// Writes the manifests of a target with these settings into a directory.
fn manifests(cluster: &Cluster, settings: &str, directory: &str, more: &[&str]) -> Vec<PathBuf> {
    cluster.manifest(settings);
    cluster.mlx(&[&["deploy", "production", "--manifests", directory], more].concat()).success().prints("Wrote ");
    let entries = fs::read_dir(cluster.project.path(directory)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn manifests_hold_to_the_published_schemas_and_need_no_cluster() {
    let (Some(cluster), Some(validate)) = (Cluster::new(""), program("kubernetes-validate")) else { return };
    cluster
        .project
        .set("pod.yaml", "tolerations:\n- {key: gpu, operator: Exists}\nimagePullSecrets:\n- name: registry\n");
    cluster.project.set("root/etc/os-release", "ID=none\n");
    cluster.kubectl.refuse(".", "error: there is no cluster");
    let given = format!("image = {{ server = 'mlx:test' }}\n{ALL}");

    let volume = manifests(&cluster, &given, "volume", &[]);
    let least = manifests(&cluster, "image = { server = 'mlx:test' }", "least", &[]);
    let again = manifests(&cluster, &given, "again", &["--plan"]);

    let names = |files: &[PathBuf]| -> Vec<String> {
        files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(&volume), ["churn-deployment.json", "churn-horizontalpodautoscaler.json", "churn-service.json"]);
    assert_eq!(names(&least), ["production-deployment.json", "production-service.json"]);
    let bytes = |files: &[PathBuf]| files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>();
    assert_eq!(bytes(&volume), bytes(&again), "the same release and settings give the same bytes");
    // Volumes of images came with 1.31.
    for version in ["1.31", "1.33", "1.37"] {
        let output = Command::new(&validate)
            .args(["--strict", "--kubernetes-version", version])
            .args(volume.iter().chain(&least))
            .output()
            .unwrap();
        assert!(output.status.success(), "{version}: {output:?}");
    }
    let read = |file: &Path| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap();
    let deployment = read(&volume[0]);
    let spec = &deployment["spec"];
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    assert!(spec.get("replicas").is_none(), "what scales it owns its number");
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/v2/health/ready");
    let token = json!({ "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "token" } } });
    assert!(container["env"].as_array().unwrap().contains(&token));
    // The image that they name is in the registry.
    let image = deployment["metadata"]["annotations"]["mlx/image"].as_str().unwrap();
    let digest: Digest = image.rsplit_once('@').unwrap().1.parse().unwrap();
    let blob = cluster.registry.dir.path().join("data/docker/registry/v2/blobs/sha256");
    assert!(blob.join(&digest.hex()[..2]).join(digest.hex()).exists());
    // What KServe makes pods of is the specification of a pod with some words of its own.
    let kserve = format!("image = {{ server = 'mlx:test', base = 'root' }}\napi = 'kserve'\n{ALL}");
    let kserve = manifests(&cluster, &kserve, "kserve", &[]);
    assert_eq!(names(&kserve), ["churn-inferenceservice.json"]);
    let mut predictor = read(&kserve[0])["spec"]["predictor"].as_object().unwrap().clone();
    let own = ["labels", "maxReplicas", "minReplicas", "scaleMetric", "scaleTarget"].map(|key| predictor.remove(key));
    let labels = own[0].clone().unwrap();
    assert_eq!(own[1..], [Some(json!(5)), Some(json!(2)), Some(json!("cpu")), Some(json!(70))]);
    let pod =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x", "labels": labels }, "spec": predictor });
    fs::write(cluster.project.path("pod.json"), pod.to_string()).unwrap();
    let output = Command::new(&validate).arg("--strict").arg(cluster.project.path("pod.json")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The check can fail.
    let broken = fs::read_to_string(&volume[0]).unwrap().replace("\"maxSurge\"", "\"maxSurges\"");
    fs::write(cluster.project.path("broken.json"), broken).unwrap();
    let output = Command::new(&validate).arg("--strict").arg(cluster.project.path("broken.json")).output().unwrap();
    assert!(!output.status.success());
    // Only a cluster has manifests.
    let plain = "[target.here]\nurl = 'here'\n";
    cluster.project.set("mlx.toml", cluster.project.read("mlx.toml") + plain);
    cluster.mlx(&["deploy", "here", "m", "--manifests", "x"]).exits_with(2).says("the target is no cluster");
}

#[test]
fn a_plan_of_manifests_sends_nothing() {
    let Some(cluster) = Cluster::new("") else { return };

    let files = manifests(&cluster, "image = { server = 'mlx:test' }", "made", &["--plan"]);

    assert_eq!(files.len(), 2);
    assert!(!cluster.registry.dir.path().join("data/docker").exists(), "the registry was not written");
    cluster.mlx(&["deploy", "production", "--manifests", "made", "--json"]).success().prints("\"sent\": true");
    assert!(!cluster.kubectl.state().join("log").exists(), "no cluster was asked");
}

#[test]
fn manifests_of_objects_that_are_not_wanted_any_more_go() {
    let Some(cluster) = Cluster::new("") else { return };
    let given = "image = { server = 'mlx:test' }\n";
    let names = |files: Vec<PathBuf>| -> Vec<String> {
        files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };

    let scaled = manifests(&cluster, &format!("{given}autoscale = {{ max = 3 }}"), "made", &["--plan"]);
    cluster.project.set("made/kustomization.yaml", "resources: []\n");
    // What others wrote stays, whatever it is called.
    cluster.project.set("made/production-inferenceservice.json", "{\"kind\": \"mine\"}");
    cluster.manifest(given);
    let written = cluster.mlx(&["deploy", "production", "--manifests", "made", "-n"]).success();

    assert_eq!(scaled.len(), 3);
    written.prints("Removed `production-horizontalpodautoscaler.json`").prints("leave `--plan` (`-n`) out to send it");
    let left = [
        "kustomization.yaml",
        "production-deployment.json",
        "production-inferenceservice.json",
        "production-service.json",
    ];
    let entries = fs::read_dir(cluster.project.path("made")).unwrap();
    let mut found = names(entries.map(|entry| entry.unwrap().path()).collect());
    found.sort();
    assert_eq!(found, left);
    let again = cluster.mlx(&["deploy", "production", "--manifests", "made", "-n", "--json"]).success().json();
    assert_eq!((again["removed"].as_array().unwrap().len(), again["files"].as_array().unwrap().len()), (0, 2));
}

#[test]
fn a_model_that_nobody_asks_needs_no_cluster() {
    let Some(cluster) = Cluster::new("") else { return };
    let manifest = cluster.project.read("mlx.toml").replace("serve = { onnx = 'model/linear.onnx' }\n", "");
    cluster.project.set("mlx.toml", manifest.replace("examples = 'rows.csv'\n", ""));

    let refused = cluster.mlx(&["deploy", "production"]).exits_with(2);

    refused.says("`m` answers no requests, so that a cluster has nothing to run");
}
