//! The image of a release: made here, and kept in the target's registry.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::objects::Serving;
use crate::bundle::Bundle;
use crate::bundle::image::{self, Base, Built, Ingredients};
use crate::deploy::Reach;
use crate::deploy::repository::{Made, Repository};
use crate::event::Watch;
use crate::project::manifest::{Api, ServingImage};
use crate::remote::Access;
use crate::{Digest, Error, Result};

/// Where images are made, and of what.
pub struct Workshop {
    /// What relative bases are relative to.
    pub root: PathBuf,
    pub scratch: PathBuf,
    pub reach: Reach,
    /// What the images of models are built on, by model, where the target says nothing.
    pub bases: BTreeMap<String, String>,
}

impl Workshop {
    /// What the image of a release is made of, in words: the same words, the same image.
    fn made(&self, serving: &Serving, bundle: &Bundle) -> Result<Made> {
        let of_model = self.bases.get(&bundle.description().model.name);
        let base = match &serving.cluster.image {
            ServingImage::Made { base } => base.as_ref().or(of_model),
            ServingImage::Given { base, .. } => base.as_ref(),
        };
        let missing = |why: &str, hint: &str| Err(Error::usage(why).with_hint(hint));
        match (&serving.cluster.image, serving.cluster.api, base) {
            (ServingImage::Made { .. }, _, None) => missing(
                "nothing says what the image of the release is built on",
                "name it: `image = { base = \"docker.io/library/debian:stable-slim\" }` for the target or the model; or give an \
                 image that has mlx: `image = { server = \"…\" }`",
            ),
            (ServingImage::Given { .. }, Api::KServe, None) => missing(
                "nothing says what the image of the model is built on",
                "KServe runs a shell of it: `image = { server = \"…\", base = \"docker.io/library/busybox\" }`",
            ),
            (ServingImage::Made { .. }, _, Some(base)) => {
                Ok(Made { what: format!("mlx {} on {base}", env!("CARGO_PKG_VERSION")), base: Some(base.clone()) })
            }
            (ServingImage::Given { .. }, _, base) => {
                let what = base.map_or("model".to_owned(), |base| format!("model on {base}"));
                Ok(Made { what, base: base.cloned() })
            }
        }
    }

    fn build(&self, serving: &Serving, bundle: &Bundle, made: &Made, watch: Watch<'_>) -> Result<Built> {
        let Reach { access, images, program, .. } = &self.reach;
        // What lets us into the target's registry is not for that of the base.
        let access = Access { name: None, ..access.clone() };
        let open = |base: &String| Base::open(base, &self.root, &self.scratch, images, &access, watch);
        let base = made.base.as_ref().map(open).transpose()?;
        watch.interrupt.check()?;
        match (&serving.cluster.image, &base) {
            (ServingImage::Made { .. }, Some(base)) => {
                image::build(Ingredients { bundle, base, program, scratch: &self.scratch }, watch)
            }
            (_, base) => image::build_model(bundle, base.as_ref(), &self.scratch, watch),
        }
    }

    /// The image of the release, in the registry; it is made and sent where it is not there yet.
    pub fn bring(&self, serving: &Serving, bundle: &Bundle, registry: &Repository, watch: Watch<'_>) -> Result<Digest> {
        let made = self.made(serving, bundle)?;
        let release = bundle.digest();
        if let Some(image) = registry.image_of(&release, &made)? {
            return Ok(image);
        }
        let built = self.build(serving, bundle, &made, watch)?;
        let model = &bundle.description().model;
        let tag = format!("{}-{}-image", model.name, model.version);
        built.push(registry.registry(), &tag, &self.reach.access, watch)?;
        registry.keep_image(&release, &made, built.manifest())?;
        Ok(built.digest())
    }

    /// The digest that the image will have; nothing is sent.
    pub fn plan(&self, serving: &Serving, bundle: &Bundle, watch: Watch<'_>) -> Result<Digest> {
        let made = self.made(serving, bundle)?;
        Ok(self.build(serving, bundle, &made, watch)?.digest())
    }
}
