//! What a target's table says of the cluster that serves there: `kind = "kubernetes"`.

use std::collections::BTreeMap;

use super::engine::entries;
use super::resources::Resources;
use crate::error::did_you_mean;
use crate::fs::escape;
use crate::project::ProjectPath;
use crate::project::reader::{Item, Table};
use crate::{Error, Result};

/// The only kind of target that says its kind; of any other the URL says it.
pub const KIND: &str = "kubernetes";
/// Longer names leave no room for what stands behind them: a label of DNS has 63 letters.
const LONGEST_NAME: usize = 32;
const SERVICE_TYPES: [&str; 3] = ["ClusterIP", "NodePort", "LoadBalancer"];
const APIS: [&str; 2] = ["deployment", "kserve"];

/// A cluster in which releases are served.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// What the Service is called, and what the names of all other objects begin with.
    pub name: String,
    pub namespace: Option<String>,
    /// A context of the configuration of `kubectl`.
    pub context: Option<String>,
    pub api: Api,
    pub image: ServingImage,
    /// So many pods answer.
    pub replicas: u64,
    pub autoscale: Option<Autoscale>,
    /// So many of the releases that were live before go on running.
    pub standby: u64,
    /// What a pod takes.
    pub resources: Resources,
    pub gpu_resource: Option<String>,
    pub service: ServiceSettings,
    /// Variables of the server.
    pub env: BTreeMap<String, Variable>,
    /// Secrets whose entries become variables of the server.
    pub secrets: Vec<String>,
    pub service_account: Option<String>,
    pub node_selector: BTreeMap<String, String>,
    /// A file with more of the pod's specification; it wins.
    pub pod: Option<ProjectPath>,
    /// Further options of `mlx serve`.
    pub options: Vec<String>,
}

/// Whose objects make the pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Api {
    /// A Deployment for each release.
    #[default]
    Deployment,
    /// An InferenceService of KServe for each release.
    KServe,
}

/// What pods run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServingImage {
    /// An image that is made for each release: the model and mlx on this base; the one of the model where nothing is said.
    Made { base: Option<String> },
    /// An image that is there and has mlx; the model comes as a volume.
    Given { server: String, base: Option<String> },
}

/// How many pods answer where that depends on how busy they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Autoscale {
    pub max: u64,
    /// In per cent of what `resources.cpus` asks for.
    pub cpu: u64,
}

/// How the Service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    pub kind: String,
    pub port: u64,
    pub annotations: BTreeMap<String, String>,
}

/// A variable of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    Text(String),
    /// An entry of a Secret.
    Secret {
        name: String,
        key: String,
    },
}

/// What a table says itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    /// The first key that stands there, and where.
    pub first: Option<(&'static str, String)>,
    name: Option<String>,
    namespace: Option<String>,
    context: Option<String>,
    api: Option<Api>,
    image: Option<ServingImage>,
    replicas: Option<u64>,
    autoscale: Option<Autoscale>,
    standby: Option<u64>,
    resources: Option<Resources>,
    gpu_resource: Option<String>,
    service: Option<ServiceSettings>,
    env: BTreeMap<String, Variable>,
    secrets: Option<Vec<String>>,
    service_account: Option<String>,
    node_selector: BTreeMap<String, String>,
    pod: Option<ProjectPath>,
    options: Option<Vec<String>>,
}

impl Written {
    /// Takes the keys of a cluster out of a target's table; one that does not say that it is a cluster may be the base of one.
    pub(super) fn take(table: &mut Table<'_>, is_cluster: bool) -> Result<Self> {
        let mut first = None;
        let mut take = |key| {
            let item = if is_cluster { table.take(key) } else { table.take_stray(key) }?;
            first.get_or_insert_with(|| (key, item.place()));
            Some(item)
        };
        let mut written = Self {
            name: take("name").map(name).transpose()?,
            namespace: take("namespace").map(Item::string).transpose()?,
            context: take("context").map(Item::string).transpose()?,
            api: take("api").map(api).transpose()?,
            image: take("image").map(image).transpose()?,
            replicas: take("replicas").map(|item| item.integer(1)).transpose()?,
            autoscale: take("autoscale").map(autoscale).transpose()?,
            standby: take("standby").map(|item| item.integer(0)).transpose()?,
            resources: take("resources").map(Resources::of).transpose()?.map(|(resources, _)| resources),
            gpu_resource: take("gpu_resource").map(Item::string).transpose()?,
            service: take("service").map(service).transpose()?,
            secrets: take("secrets").map(Item::strings).transpose()?,
            service_account: take("service_account").map(Item::string).transpose()?,
            pod: take("pod").map(Item::path).transpose()?,
            options: take("options").map(Item::strings).transpose()?,
            ..Self::default()
        };
        for (name, item) in entries(take("env"), "env")? {
            written.env.insert(name, variable(item)?);
        }
        for (label, item) in entries(take("node_selector"), "node_selector")? {
            written.node_selector.insert(label, item.string()?);
        }
        written.first = first;
        Ok(written)
    }

    /// With what a base says where this says nothing.
    pub(super) fn over(self, base: &Self) -> Self {
        let (mut env, mut node_selector) = (base.env.clone(), base.node_selector.clone());
        env.extend(self.env);
        node_selector.extend(self.node_selector);
        Self {
            first: self.first.or_else(|| base.first.clone()),
            name: self.name.or_else(|| base.name.clone()),
            namespace: self.namespace.or_else(|| base.namespace.clone()),
            context: self.context.or_else(|| base.context.clone()),
            api: self.api.or(base.api),
            image: self.image.or_else(|| base.image.clone()),
            replicas: self.replicas.or(base.replicas),
            autoscale: self.autoscale.or(base.autoscale),
            standby: self.standby.or(base.standby),
            resources: self.resources.or_else(|| base.resources.clone()),
            gpu_resource: self.gpu_resource.or_else(|| base.gpu_resource.clone()),
            service: self.service.or_else(|| base.service.clone()),
            env,
            secrets: self.secrets.or_else(|| base.secrets.clone()),
            service_account: self.service_account.or_else(|| base.service_account.clone()),
            node_selector,
            pod: self.pod.or_else(|| base.pod.clone()),
            options: self.options.or_else(|| base.options.clone()),
        }
    }

    /// The cluster of the target with this name, which stands at `place`.
    pub(super) fn into_cluster(self, target: &str, place: &str) -> Result<Cluster> {
        let name = match self.name {
            Some(name) => name,
            None if is_name(target) => target.to_owned(),
            None => {
                return Err(Error::usage(format!("target `{target}` can't be the name of a Service ({place})"))
                    .with_hint("give it one that Kubernetes takes: `name = \"churn\"`"));
            }
        };
        let (replicas, autoscale) = (self.replicas.unwrap_or(1), self.autoscale);
        if let Some(Autoscale { max, .. }) = autoscale
            && max < replicas
        {
            return Err(Error::usage(format!(
                "`max` in `autoscale` of target `{target}` is less than its `replicas`, {replicas} ({place})"
            )));
        }
        let api = self.api.unwrap_or_default();
        if let (Api::Deployment, Some(ServingImage::Given { base: Some(_), .. })) = (api, &self.image) {
            return Err(Error::usage(format!(
                "`base` beside `server` in `image` of target `{target}` is for `api = \"kserve\"` alone ({place})"
            ))
            .with_hint(
                "leave `base` out: the server's image is run as it is, and mounts the model; or leave `server` out to have \
                 an image made on the base",
            ));
        }
        Ok(Cluster {
            name,
            namespace: self.namespace,
            context: self.context,
            api,
            image: self.image.unwrap_or(ServingImage::Made { base: None }),
            replicas,
            autoscale,
            standby: self.standby.unwrap_or_default(),
            resources: self.resources.unwrap_or_default(),
            gpu_resource: self.gpu_resource,
            service: self.service.unwrap_or_else(|| ServiceSettings {
                kind: SERVICE_TYPES[0].into(),
                port: 80,
                annotations: BTreeMap::new(),
            }),
            env: self.env,
            secrets: self.secrets.unwrap_or_default(),
            service_account: self.service_account,
            node_selector: self.node_selector,
            pod: self.pod,
            options: self.options.unwrap_or_default(),
        })
    }
}

/// Whether a Service can be called so: a label of DNS that begins with a letter.
fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(is_plain)
        && name.chars().all(|c| is_plain(c) || c == '-')
}

fn name(item: Item<'_>) -> Result<String> {
    let wrong = item.error(format!(
        "a Service has a name of small letters, digits and `-` that begins with a letter, {LONGEST_NAME} at most"
    ));
    let name = item.string()?;
    if is_name(&name) { Ok(name) } else { Err(wrong) }
}

/// One of these words; `what` is what they are.
fn one_of(item: Item<'_>, what: &str, words: &[&'static str]) -> Result<&'static str> {
    let place = item.place();
    let text = item.string()?;
    words.iter().find(|word| **word == text).copied().ok_or_else(|| {
        Error::usage(format!("there is no {what} `{}` ({place})", escape(text.as_bytes())))
            .with_hint(did_you_mean(&text, words.iter().copied()))
    })
}

fn api(item: Item<'_>) -> Result<Api> {
    Ok(match one_of(item, "`api`", &APIS)? {
        "kserve" => Api::KServe,
        _ => Api::Deployment,
    })
}

fn image(item: Item<'_>) -> Result<ServingImage> {
    let mut table = item.table("`image`".into())?;
    let base = table.take("base").map(Item::string).transpose()?;
    let server = table.take("server").map(Item::string).transpose()?;
    table.finish()?;
    Ok(match server {
        Some(server) => ServingImage::Given { server, base },
        None => ServingImage::Made { base },
    })
}

fn autoscale(item: Item<'_>) -> Result<Autoscale> {
    let mut table = item.table("`autoscale`".into())?;
    let cpu = table.take("cpu").map(percent).transpose()?;
    let max = table.require("max")?.integer(1)?;
    table.finish()?;
    Ok(Autoscale { max, cpu: cpu.unwrap_or(80) })
}

/// `"80%"`, or the number.
fn percent(item: Item<'_>) -> Result<u64> {
    if !item.is_string() {
        return item.integer(1);
    }
    let wrong = item.error("expected per cent of `resources.cpus`: \"80%\"");
    let text = item.string()?;
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
    number.filter(|number| *number > 0).ok_or(wrong)
}

fn service(item: Item<'_>) -> Result<ServiceSettings> {
    let mut table = item.table("`service`".into())?;
    let kind = table.take("type").map(|item| one_of(item, "type of Services", &SERVICE_TYPES)).transpose()?;
    let port = match table.take("port") {
        Some(item) => {
            let wrong = item.error("expected a port, 1 to 65535");
            item.integer(1)?.try_into().map(|port: u16| u64::from(port)).map_err(|_| wrong)?
        }
        None => 80,
    };
    let mut annotations = BTreeMap::new();
    for (key, item) in entries(table.take("annotations"), "annotations")? {
        annotations.insert(key, item.string()?);
    }
    table.finish()?;
    Ok(ServiceSettings { kind: kind.unwrap_or(SERVICE_TYPES[0]).into(), port, annotations })
}

fn variable(item: Item<'_>) -> Result<Variable> {
    if item.is_string() {
        return item.string().map(Variable::Text);
    }
    let mut table = item.table("a variable of `env`".into())?;
    let key = table.take("key");
    let name = table.require("secret")?.string()?;
    let key = key.ok_or_else(|| table.missing("key"))?.string()?;
    table.finish()?;
    Ok(Variable::Secret { name, key })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::project::Manifest;
    use crate::project::manifest::Target;

    fn target(text: &str) -> Result<Target> {
        Ok(Manifest::parse(text.as_bytes())?.targets.remove("t").unwrap())
    }

    const LEAST: &str = "[target.t]\nkind = 'kubernetes'\nurl = 'oci://r.example/m'\n";

    #[test]
    fn a_cluster_is_read_over_its_base() {
        let text = "[target.b]\nkind = 'kubernetes'\nnamespace = 'ml'\nreplicas = 2\nenv = { A = '1', B = '2' }\n\
                    [target.t]\nbase = 'b'\nurl = 'oci://r.example/m'\nreplicas = 3\nautoscale = { max = 5, cpu = '60%' }\n\
                    image = { server = 'mlx:1' }\nservice = { type = 'LoadBalancer', port = 8080 }\n\
                    env = { B = { secret = 's', key = 'k' } }\n";

        let target = target(text).unwrap();

        let cluster = target.cluster.unwrap();
        assert_eq!((cluster.name.as_str(), cluster.namespace.as_deref(), cluster.replicas), ("t", Some("ml"), 3));
        assert_eq!(cluster.autoscale, Some(Autoscale { max: 5, cpu: 60 }));
        assert_eq!(cluster.image, ServingImage::Given { server: "mlx:1".into(), base: None });
        assert_eq!((cluster.service.kind.as_str(), cluster.service.port), ("LoadBalancer", 8080));
        let secret = Variable::Secret { name: "s".into(), key: "k".into() };
        assert_eq!(cluster.env, BTreeMap::from([("A".into(), Variable::Text("1".into())), ("B".into(), secret)]));
        // Pods that are to be fetched and started need more time than a server of this machine.
        assert_eq!(target.health.timeout, Duration::from_secs(300));
    }

    #[test]
    fn what_kubernetes_would_not_take_is_refused_with_its_place() {
        for (text, expected) in [
            (format!("{LEAST}name = 'A_b'"), "`name` in target `t`: a Service has a name of small letters"),
            (format!("{LEAST}api = 'kserv'"), "there is no `api` `kserv` (mlx.toml, line 4)"),
            (format!("{LEAST}replicas = 3\nautoscale = {{ max = 2 }}"), "is less than its `replicas`, 3"),
            (
                format!("{LEAST}image = {{ server = 'a', base = 'b' }}"),
                "is for `api = \"kserve\"` alone (mlx.toml, line",
            ),
            (format!("{LEAST}service = {{ type = 'Cluster' }}"), "there is no type of Services `Cluster`"),
            (format!("{LEAST}env = {{ A = {{ secret = 's' }} }}"), "has no `key`"),
            ("[target.t]\nurl = 'x'\nreplicas = 2".into(), "`replicas` is for `kind = \"kubernetes\"`"),
            ("[target.t]\nurl = 's3://b/x'\nkind = 'kubernetes'".into(), "has no `url` of a registry"),
            ("[target.t]\nurl = 'x'\nkind = 'kubernets'".into(), "there is no kind of targets `kubernets`"),
        ] {
            let error = target(&text).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        let error = Manifest::parse(b"[target.a_b]\nkind = 'kubernetes'\nurl = 'oci://r.example/m'\n").unwrap_err();
        assert!(error.to_string().contains("target `a_b` can't be the name of a Service"), "{error}");
    }
}
