//! The Job of Kubernetes that carries out one of ours.

use std::ffi::OsStr;

use serde_json::{Value, json};

use super::pod::{self, MANAGER, merge};
use crate::Result;
use crate::executor::engine::{Submission, text_of};
use crate::project::manifest::{KubernetesSettings, VolumeSource};

/// The label that has the job's name, on the job and its pods.
pub const JOB: &str = "mlx/job";
/// So many seconds a job that is over stays there to be looked at.
const KEPT: u64 = 7 * 24 * 3600;
/// So many seconds a step has to end in order.
const GRACE: u64 = 30;

/// The Job: one pod for each element, none of which Kubernetes starts again when it fails, because its results say more
/// than its exit code; one that its node lost, or that has to give way, starts again. `more` of the pod's specification
/// wins over what is said here. The user with this number and group, unless that is root, is who the pods run as.
pub fn of(
    submission: &Submission<'_>,
    settings: &KubernetesSettings,
    more: Option<&Value>,
    user: (u32, u32),
) -> Result<Value> {
    let (job, elements) = (submission.job, submission.elements);
    let labels = json!({ MANAGER.0: MANAGER.1, JOB: job.name, "mlx/run": job.run.as_str() });
    let mut pod = pod(submission, settings, user)?;
    if let Some(more) = more {
        merge(&mut pod, more);
    }
    let mut metadata = json!({
        "name": job.name,
        "labels": labels,
        "annotations": { "mlx/executor": job.executor, "mlx/project": crate::fs::escape(job.root.as_os_str().as_encoded_bytes()) },
    });
    if let Some(namespace) = &settings.namespace {
        metadata["namespace"] = namespace.as_str().into();
    }
    Ok(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completionMode": "Indexed",
            "completions": elements,
            "parallelism": elements,
            "backoffLimitPerIndex": 0,
            "podFailurePolicy": {
                "rules": [
                    { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                    { "action": "FailIndex", "onExitCodes": { "operator": "NotIn", "values": [0] } },
                ],
            },
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": KEPT,
            "template": { "metadata": { "labels": labels }, "spec": pod },
        },
    }))
}

fn pod(submission: &Submission<'_>, settings: &KubernetesSettings, user: (u32, u32)) -> Result<Value> {
    let resources = &submission.job.resources;
    let mut container = json!({
        "name": "steps",
        "image": settings.image,
        "command": ["/bin/sh", "-c", script(submission)?],
        "resources": pod::resources(resources, settings.gpu_resource.as_deref()),
    });
    let mut pod = json!({ "restartPolicy": "Never", "terminationGracePeriodSeconds": GRACE });
    if user.0 != 0 {
        pod["securityContext"] = json!({ "runAsUser": user.0, "runAsGroup": user.1 });
        // An image knows no home of this user.
        container["env"] = json!([{ "name": "HOME", "value": "/tmp" }]);
    }
    if !settings.secrets.is_empty() {
        let secret = |name: &String| json!({ "secretRef": { "name": name } });
        container["envFrom"] = settings.secrets.iter().map(secret).collect();
    }
    let mut volumes = Vec::new();
    let mut mounts = Vec::new();
    for (number, volume) in settings.volumes.iter().enumerate() {
        let name = format!("volume-{number}");
        let mut mount = json!({ "name": name, "mountPath": volume.path });
        if let Some(sub_path) = &volume.sub_path {
            mount["subPath"] = sub_path.as_str().into();
        }
        if volume.is_read_only {
            mount["readOnly"] = true.into();
        }
        mounts.push(mount);
        volumes.push(match &volume.source {
            VolumeSource::Claim(claim) => json!({ "name": name, "persistentVolumeClaim": { "claimName": claim } }),
            VolumeSource::Host(path) => json!({ "name": name, "hostPath": { "path": path } }),
            VolumeSource::Nfs { server, path } => json!({ "name": name, "nfs": { "server": server, "path": path } }),
        });
    }
    if !volumes.is_empty() {
        container["volumeMounts"] = mounts.into();
        pod["volumes"] = volumes.into();
    }
    match &settings.service_account {
        Some(account) => pod["serviceAccountName"] = account.as_str().into(),
        // Steps have no business with the cluster.
        None => pod["automountServiceAccountToken"] = false.into(),
    }
    if let Some(time) = resources.time {
        pod["activeDeadlineSeconds"] = time.as_secs().max(1).into();
    }
    if !settings.node_selector.is_empty() {
        pod["nodeSelector"] = json!(settings.node_selector);
    }
    pod["containers"] = json!([container]);
    Ok(pod)
}

/// What an element runs.
fn script(submission: &Submission<'_>) -> Result<String> {
    let word = |word: &OsStr| text_of(word, "Kubernetes");
    let words = submission.command_line(&[]);
    let words = words.iter().map(|its| word(its)).collect::<Result<Vec<_>>>()?.join(" ");
    let log = match &submission.job.remote {
        // Kubernetes keeps it.
        Some(_) => String::new(),
        None => format!(" >> {}/\"$JOB_COMPLETION_INDEX\".log 2>&1", word(submission.logs.as_os_str())?),
    };
    Ok(format!("exec {words} \"$JOB_COMPLETION_INDEX\"{log}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::executor::job::{JobFile, tests::job};
    use crate::project::manifest::{Resources, Volume};

    fn manifest(settings: &KubernetesSettings, more: Option<&Value>) -> Value {
        let job = JobFile {
            root: "/home/me/project".into(),
            home: "/home/me/project".into(),
            resources: Resources {
                cpus: 2,
                gpus: 1,
                memory_bytes: Some(8_000_000_000),
                time: Some(Duration::from_secs(90)),
            },
            ..job()
        };
        let submission = Submission {
            file: Path::new("/home/me/project/.mlx/jobs/mlx-1-2/job.jsonl"),
            job: &job,
            elements: 3,
            program: Path::new("/usr/bin/mlx"),
            logs: Path::new("/home/me/project/.mlx/jobs/mlx-1-2"),
        };
        of(&submission, settings, more, (1000, 100)).unwrap()
    }

    #[test]
    fn resources_and_settings_become_a_job() {
        let volume = Volume {
            path: "/home".into(),
            source: VolumeSource::Claim("homes".into()),
            sub_path: Some("a".into()),
            is_read_only: false,
        };
        let settings = KubernetesSettings {
            image: "python:3.12".into(),
            secrets: vec!["keys".into()],
            volumes: vec![volume],
            ..KubernetesSettings::default()
        };

        let manifest = manifest(&settings, None);

        assert_eq!((&manifest["spec"]["completions"], &manifest["metadata"]["name"]), (&json!(3), &json!("mlx-1-2")));
        let pod = &manifest["spec"]["template"]["spec"];
        assert_eq!(pod["activeDeadlineSeconds"], 90);
        assert_eq!(pod["securityContext"], json!({ "runAsUser": 1000, "runAsGroup": 100 }));
        let container = &pod["containers"][0];
        assert_eq!(container["resources"]["limits"], json!({ "memory": "8000000000", "nvidia.com/gpu": "1" }));
        assert_eq!(container["volumeMounts"], json!([{ "name": "volume-0", "mountPath": "/home", "subPath": "a" }]));
        assert_eq!(
            container["command"][2],
            "exec '/usr/bin/mlx' 'exec-step' '/home/me/project/.mlx/jobs/mlx-1-2/job.jsonl' \"$JOB_COMPLETION_INDEX\" \
             >> '/home/me/project/.mlx/jobs/mlx-1-2'/\"$JOB_COMPLETION_INDEX\".log 2>&1"
        );
    }

    #[test]
    fn a_file_says_more_of_the_pod() {
        let settings = KubernetesSettings { image: "x".into(), ..KubernetesSettings::default() };
        let more = json!({
            "tolerations": [{ "key": "gpu", "operator": "Exists" }],
            "terminationGracePeriodSeconds": 5,
            "securityContext": { "fsGroup": 7 },
        });

        let manifest = manifest(&settings, Some(&more));

        let pod = &manifest["spec"]["template"]["spec"];
        assert_eq!((&pod["terminationGracePeriodSeconds"], &pod["tolerations"][0]["key"]), (&json!(5), &json!("gpu")));
        assert_eq!(pod["securityContext"], json!({ "runAsUser": 1000, "runAsGroup": 100, "fsGroup": 7 }));
    }
}
