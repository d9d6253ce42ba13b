//! What an executor's table says for one kind of engine only.

use std::collections::BTreeMap;

use super::executor::KeysOfKinds;
use crate::project::ProjectPath;
use crate::project::reader::Item;
use crate::{Error, Result};

/// How jobs are given to Slurm.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SlurmSettings {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    /// Further options of `sbatch`; they come last and win.
    pub options: Vec<String>,
}

/// How jobs are given to Ray.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RaySettings {
    /// Where its Jobs API is, such as `http://head:8265`; as Ray's own variables say where nothing is said.
    pub address: Option<String>,
    /// The environment variable that holds a token; Ray's own one where nothing is said.
    pub token_variable: Option<String>,
    /// Names of headers that are sent along, and the environment variables that hold what they say.
    pub header_variables: BTreeMap<String, String>,
    /// Resources of the cluster's own that a job takes.
    pub custom_resources: BTreeMap<String, f64>,
}

/// How jobs are given to Kubernetes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KubernetesSettings {
    /// The image that steps run in.
    pub image: String,
    pub namespace: Option<String>,
    /// A context of the configuration of `kubectl`.
    pub context: Option<String>,
    pub service_account: Option<String>,
    /// Secrets whose entries become environment variables.
    pub secrets: Vec<String>,
    pub volumes: Vec<Volume>,
    /// Labels that a node has to have.
    pub node_selector: BTreeMap<String, String>,
    /// What `resources.gpus` counts.
    pub gpu_resource: Option<String>,
    /// A file with more of the pod's specification; it wins.
    pub pod: Option<ProjectPath>,
}

/// A file system in a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Where it is there.
    pub path: String,
    pub source: VolumeSource,
    /// The part of it that is there.
    pub sub_path: Option<String>,
    pub is_read_only: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum VolumeSource {
    /// A persistent volume claim.
    Claim(String),
    /// A directory of the node.
    Host(String),
    Nfs {
        server: String,
        path: String,
    },
}

impl SlurmSettings {
    pub(super) fn take(keys: &mut KeysOfKinds<'_, '_>) -> Result<Self> {
        let mut text = |key| keys.take("slurm", key).map(Item::string).transpose();
        let (partition, account, qos) = (text("partition")?, text("account")?, text("qos")?);
        let options = keys.take("slurm", "options").map_or(Ok(Vec::new()), Item::strings)?;
        Ok(Self { partition, account, qos, options })
    }
}

impl RaySettings {
    pub(super) fn take(keys: &mut KeysOfKinds<'_, '_>) -> Result<Self> {
        let address = keys.take("ray", "address").map(address).transpose()?;
        let token_variable = keys.take("ray", "token_variable").map(Item::string).transpose()?;
        let mut header_variables = BTreeMap::new();
        for (name, item) in entries(keys.take("ray", "header_variables"), "header_variables")? {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_fine) {
                return Err(item.error("that is no name of a header"));
            }
            header_variables.insert(name, item.string()?);
        }
        let mut custom_resources = BTreeMap::new();
        for (name, item) in entries(keys.take("ray", "custom_resources"), "custom_resources")? {
            let wrong = item.error("expected a number above 0");
            let amount = item.json()?.as_f64().filter(|amount| *amount > 0.0).ok_or(wrong)?;
            custom_resources.insert(name, amount);
        }
        Ok(Self { address, token_variable, header_variables, custom_resources })
    }
}

/// The address of an HTTP API, without the slash at its end.
fn address(item: Item<'_>) -> Result<String> {
    let place = item.place();
    let text = item.string()?;
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => {
            let shown = crate::fs::escape(text.as_bytes());
            Err(Error::usage(format!("`address`: `{shown}` is no address of Ray's Jobs API ({place})"))
                .with_hint("it is that of Ray's dashboard, such as \"http://head:8265\""))
        }
    }
}

impl KubernetesSettings {
    pub(super) fn take(keys: &mut KeysOfKinds<'_, '_>) -> Result<Self> {
        let mut text = |key| keys.take("kubernetes", key).map(Item::string).transpose();
        let (image, namespace, context) = (text("image")?, text("namespace")?, text("context")?);
        let (service_account, gpu_resource) = (text("service_account")?, text("gpu_resource")?);
        let secrets = keys.take("kubernetes", "secrets").map_or(Ok(Vec::new()), Item::strings)?;
        let volumes = entries(keys.take("kubernetes", "volumes"), "volumes")?;
        let volumes = volumes.into_iter().map(|(path, item)| Volume::of(path, item)).collect::<Result<_>>()?;
        let mut node_selector = BTreeMap::new();
        for (label, item) in entries(keys.take("kubernetes", "node_selector"), "node_selector")? {
            node_selector.insert(label, item.string()?);
        }
        let pod = keys.take("kubernetes", "pod").map(Item::path).transpose()?;
        let image = image.unwrap_or_default();
        Ok(Self { image, namespace, context, service_account, secrets, volumes, node_selector, gpu_resource, pod })
    }
}

impl Volume {
    fn of(path: String, item: Item<'_>) -> Result<Self> {
        if !path.starts_with('/') {
            return Err(item.error("expected an absolute path, where the volume is there in the pod"));
        }
        let wrong = item.error("it has to have one of `claim`, `host` and `nfs`");
        let mut table = item.table(format!("volume `{path}`"))?;
        let sub_path = table.take("sub_path").map(Item::string).transpose()?;
        let is_read_only = table.take("read_only").map_or(Ok(false), Item::boolean)?;
        let claim = table.take("claim").map(Item::string).transpose()?.map(VolumeSource::Claim);
        let host = table.take("host").map(Item::string).transpose()?.map(VolumeSource::Host);
        let nfs = table.take("nfs").map(nfs).transpose()?;
        table.finish()?;
        let mut sources: Vec<VolumeSource> = [claim, host, nfs].into_iter().flatten().collect();
        match (sources.pop(), sources.is_empty()) {
            (Some(source), true) => Ok(Self { path, source, sub_path, is_read_only }),
            _ => Err(wrong),
        }
    }
}

/// `server:/path`.
fn nfs(item: Item<'_>) -> Result<VolumeSource> {
    let wrong = item.error("expected \"SERVER:/PATH\"");
    let text = item.string()?;
    match text.split_once(":/") {
        Some((server, path)) if !server.is_empty() => {
            Ok(VolumeSource::Nfs { server: server.to_owned(), path: format!("/{path}") })
        }
        _ => Err(wrong),
    }
}

/// The entries of a table whose keys the user chooses.
pub(super) fn entries<'t>(item: Option<Item<'t>>, name: &str) -> Result<Vec<(String, Item<'t>)>> {
    item.map_or(Ok(Vec::new()), |item| Ok(item.table(format!("`{name}`"))?.into_entries()))
}
