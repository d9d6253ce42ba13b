//! `mlx deploy`: a model version becomes the live release of a target.

mod shown;

use std::path::{Path, PathBuf};

use clap::Args;

use self::shown::Laid;
use super::targeted::{self, Targeted};
use super::{Context, keys, package};
use crate::bundle::{self, Assembly, Bundle, Inputs, PrivateKey, PublicKey};
use crate::deploy::{self, CanaryPlan, Candidate, Deployed, Order, Plan, Target};
use crate::executor::kubernetes::kubectl::Kubectl;
use crate::project::manifest::{self, Cluster, ServiceSettings};
use crate::project::{Project, git::Git, gitignore};
use crate::registry::Reference;
use crate::store::Store;
use crate::{Digest, Error, Result};

/// Deploy a version of a model to a target
///
/// Packages the version, uploads what the target does not have, starts the release beside the live one and asks it
/// whether it answers as it did when it was packaged. Only then the target switches, in one step. Where anything fails,
/// the old release stays live. A server at `health.url` that wants a token gets the one in MLX_SERVE_TOKEN.
#[derive(Args)]
#[command(after_help = "Examples:
  mlx deploy production
  mlx deploy production churn:3 --plan
  mlx deploy production --sign release.pem
  mlx deploy production --bundle dist/churn-3.tar
  mlx deploy production --canary 10%
  mlx deploy cluster --manifests k8s/
  mlx deploy production --promote")]
pub struct Deploy {
    /// Target of the manifest
    target: String,
    /// Model to deploy instead of the one that the target names: the newest version, or the one of an alias or a number
    #[arg(value_name = "MODEL[@ALIAS|:VERSION]")]
    model: Option<Reference>,
    /// Deploy this bundle, as `mlx package` wrote it
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    bundle: Option<PathBuf>,
    /// Sign what is packaged with this private key (P-256, PEM)
    #[arg(long, value_name = "KEYFILE", env = "MLX_SIGN_KEY", hide_env_values = true)]
    sign: Option<PathBuf>,
    /// Show what would change, and change nothing; with `--manifests`, write them and send nothing. Where the target requires a
    /// signature, the plan needs no key and says which one deploying needs
    #[arg(short = 'n', long, visible_alias = "dry-run")]
    plan: bool,
    /// Of a cluster: write what is to be applied there into this directory instead, and ask the cluster nothing; contents and
    /// image are sent to the registry, unless `--plan` is given too. A file that was written there for an object which the target
    /// has no more is removed
    #[arg(long, value_name = "DIR", conflicts_with_all = ["canary", "promote"])]
    manifests: Option<PathBuf>,
    /// Have it answer a part of the requests beside the live release, on servers that follow the target
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    canary: Option<u8>,
    /// Make the canary the live release
    #[arg(long, conflicts_with_all = ["model", "bundle", "canary", "plan"])]
    promote: bool,
}

/// `10%`, or `10`.
fn percent(text: &str) -> Result<u8, String> {
    let number = text.trim().trim_end_matches('%').trim_end().parse().ok();
    number.filter(|percent| (1..100).contains(percent)).ok_or_else(|| "write a part of the requests: 1% to 99%".into())
}

impl Deploy {
    pub fn run(self, cx: &mut Context) -> Result<()> {
        cx.catch_signals()?;
        let project = cx.project()?;
        let targeted = targeted::open(cx, &project, &self.target)?;
        let (target, order) = (&*targeted.target, targeted.order());
        let required = deploy::required_key(&project, targeted.manifest)?;
        if let Some(directory) = &self.manifests {
            let written = self.write_manifests(cx, &project, &targeted, required.as_ref(), &cx.file(directory))?;
            return cx.out.show(&written);
        }
        let outcome = match &self.bundle {
            _ if self.promote => Outcome::Deployed(deploy::promote_canary(target, &order, cx.watch())?),
            Some(file) => {
                let bundle = signed_bundle(&cx.file(file), required.as_ref())?;
                match self.plan {
                    true => self.planned(target, &Candidate::from(&bundle))?,
                    false => Outcome::Deployed(self.carry_out(cx, target, &bundle, &order)?),
                }
            }
            None => self.model_version(cx, &project, &targeted, required.as_ref(), &order)?,
        };
        let deployed = match outcome {
            Outcome::Plan(plan) => return cx.out.show(&plan),
            Outcome::CanaryPlan(plan) => return cx.out.show(&plan),
            Outcome::Deployed(deployed) => deployed,
        };
        keep_out_of_git(&project, &targeted)?;
        cx.out.show(&deployed)?;
        if let Some(hint) = next(&self.target, &deployed, targeted.manifest.cluster.as_deref()) {
            cx.out.hint(hint);
        }
        Ok(())
    }

    /// What would change.
    fn planned(&self, target: &dyn Target, candidate: &Candidate<'_>) -> Result<Outcome> {
        Ok(match self.canary {
            Some(percent) => Outcome::CanaryPlan(deploy::plan_canary(target, candidate, percent, &self.target)?),
            None => Outcome::Plan(deploy::plan(target, candidate)?),
        })
    }

    /// Makes the bundle the live release, or the canary.
    fn carry_out(&self, cx: &Context, target: &dyn Target, bundle: &Bundle, order: &Order<'_>) -> Result<Deployed> {
        match self.canary {
            Some(percent) => deploy::deploy_canary(target, bundle, percent, order, cx.watch()),
            None => deploy::deploy(target, bundle, order, cx.watch()),
        }
    }

    /// Packages the version where it is not the live one already.
    fn model_version(
        &self,
        cx: &Context,
        project: &Project,
        targeted: &Targeted<'_>,
        required: Option<&PublicKey>,
        order: &Order<'_>,
    ) -> Result<Outcome> {
        let target = &*targeted.target;
        self.assembled(cx, project, targeted, required, |Assembled { assembly, inputs, file, must_be_signed_by }| {
            let candidate = Candidate { must_be_signed_by, ..Candidate::from(&assembly) };
            if self.plan {
                return self.planned(target, &candidate);
            }
            let plan = deploy::plan(target, &candidate)?;
            if plan.is_live() {
                let target = self.target.clone();
                return Ok(Outcome::Deployed(Deployed { target, changed: false, canary: None, back: None, plan }));
            }
            let packaged = packaged(cx, project, &assembly, inputs, &file)?;
            self.carry_out(cx, target, &packaged, order).map(Outcome::Deployed)
        })
    }

    /// Writes what the cluster is to be given, each object into a file of its own.
    fn write_manifests(
        &self,
        cx: &Context,
        project: &Project,
        targeted: &Targeted<'_>,
        required: Option<&PublicKey>,
        directory: &Path,
    ) -> Result<Laid> {
        let cluster = targeted.cluster()?;
        let manifests = match &self.bundle {
            Some(file) => cluster.manifests(&signed_bundle(&cx.file(file), required)?, self.plan, cx.watch())?,
            None => {
                self.assembled(cx, project, targeted, required, |Assembled { assembly, inputs, file, .. }| {
                    let bundle = packaged(cx, project, &assembly, inputs, &file)?;
                    cluster.manifests(&bundle, self.plan, cx.watch())
                })?
            }
        };
        let written = manifests.write(directory)?;
        Ok(Laid { target: self.target.clone(), manifests, directory: directory.to_path_buf(), written })
    }

    /// Thinks the bundle of the version through, signed where that is asked for, and goes on with it.
    fn assembled<T>(
        &self,
        cx: &Context,
        project: &Project,
        targeted: &Targeted<'_>,
        required: Option<&PublicKey>,
        then: impl FnOnce(Assembled<'_>) -> Result<T>,
    ) -> Result<T> {
        let reference = match &self.model {
            Some(reference) => reference.clone(),
            None => named_by(targeted.manifest, &self.target)?,
        };
        let store = Store::of(project)?;
        let registry = cx.registry(project, &store)?;
        let version = registry.find_in_use(&reference)?;
        registry.bring(&version, cx.watch())?;
        let model = project.manifest.model(&version.model)?;
        let engine = package::Engine::of(cx, project, &store, model)?;
        let inputs = engine.inputs(cx, project, &store, (&version, model));
        let key = keys::private(cx, self.sign.as_deref())?;
        let must_be_signed_by = self.missing_key(targeted, required, key.as_ref().map(PrivateKey::public).as_ref())?;
        let mut assembly = bundle::assemble(inputs, cx.watch())?;
        if let Some(key) = key {
            assembly = assembly.sign(&key, &store)?;
        }
        let file = bundle::default_file(project, &version);
        then(Assembled { assembly, inputs, file, must_be_signed_by })
    }

    /// The key that the target requires, where there is none to sign with and the plan does without.
    fn missing_key(
        &self,
        targeted: &Targeted<'_>,
        required: Option<&PublicKey>,
        key: Option<&PublicKey>,
    ) -> Result<Option<Digest>> {
        let Some(required) = required.filter(|required| key.is_none_or(|key| key.id() != required.id())) else {
            return Ok(None);
        };
        if self.plan && key.is_none() && self.manifests.is_none() {
            return Ok(Some(required.id()));
        }
        let name = &self.target;
        let error = Error::usage(format!(
            "target `{name}` takes what key {} signed ({})",
            required.id().short(),
            targeted.manifest.place
        ));
        Err(error.with_hint(match (self.plan, &self.manifests) {
            (true, Some(_)) => {
                "manifests name an image by its digest, which comes with the signature: give the key with `--sign KEYFILE`".into()
            }
            _ => format!("sign with that key: `mlx deploy {name} --sign KEYFILE`, or `--bundle` with a signed one"),
        }))
    }
}

/// A bundle that is thought through, what it is made of, and the file that it has once it is written.
struct Assembled<'a> {
    assembly: Assembly,
    inputs: Inputs<'a>,
    file: PathBuf,
    must_be_signed_by: Option<Digest>,
}

/// A bundle in a file, which the holder of the key must have signed.
fn signed_bundle(file: &Path, required: Option<&PublicKey>) -> Result<Bundle> {
    let bundle = Bundle::open(file)?;
    required.map_or(Ok(()), |key| bundle.check_signature(key))?;
    Ok(bundle)
}

/// The bundle in its file, written where it is not there yet.
fn packaged(cx: &Context, project: &Project, assembly: &Assembly, inputs: Inputs<'_>, file: &Path) -> Result<Bundle> {
    if let Some(packaged) = Bundle::open(file).ok().filter(|packaged| packaged.digest() == assembly.digest()) {
        return Ok(packaged);
    }
    bundle::write(assembly, inputs, file, &cx.user(), cx.watch())?;
    package::keep_out_of_git(project)?;
    Bundle::open(file)
}

/// What the user can do next.
fn next(name: &str, deployed: &Deployed, cluster: Option<&Cluster>) -> Option<String> {
    if deployed.canary.is_some() {
        let end = format!("make it live: `mlx deploy {name} --promote`; end it: `mlx rollback {name}`");
        return Some(match cluster {
            Some(_) => format!("Its pods stand beside those of the live release; {end}"),
            None => format!("Servers that run `mlx serve {name} --follow` split their requests; {end}"),
        });
    }
    if !deployed.changed {
        return None;
    }
    let back = deployed.back.map_or(String::new(), |_| format!(". Back: `mlx rollback {name}`"));
    Some(match cluster {
        Some(cluster) => {
            let Cluster { name: service, service: ServiceSettings { port, .. }, context, namespace, .. } = cluster;
            let kubectl = Kubectl::new(context.clone(), namespace.clone());
            format!("Ask it from here: {}{back}", kubectl.shown(&format!("port-forward service/{service} 8080:{port}")))
        }
        None if deployed.plan.live.is_none() => format!("Serve it: `mlx serve {name}`{back}"),
        None => format!("{}{back}", targeted::what_follows(name)),
    })
}

enum Outcome {
    Plan(Plan),
    CanaryPlan(CanaryPlan),
    Deployed(Deployed),
}

/// The model that the manifest names for a target.
fn named_by(target: &manifest::Target, name: &str) -> Result<Reference> {
    let manifest::Target { model, place, .. } = target;
    let model = model.as_ref().ok_or_else(|| {
        Error::usage(format!("target `{name}` names no model ({place})"))
            .with_hint(format!("say which: `mlx deploy {name} MODEL@ALIAS`, or write `model = \"MODEL@ALIAS\"` there"))
    })?;
    model.parse().map_err(|error| Error::usage(format!("`model` of target `{name}`: {error} ({place})")))
}

/// A target that lies in the project is no source.
fn keep_out_of_git(project: &Project, targeted: &Targeted<'_>) -> Result<()> {
    if let Some(directory) = targeted.directory()?
        && directory.starts_with(project.root())
        && let Ok(path) = project.relative(project.root(), &directory)
        && Git::of(project)?.is_some()
    {
        gitignore::ignore(project, [&path])?;
    }
    Ok(())
}
