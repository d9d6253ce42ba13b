//! What goes into a bundle of a model version: its weights, the code that made it, the packages that code ran with.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Bundle;
use super::card::{self, Facts};
use super::content::{Content, PlannedLayer, Source};
use super::description::{File, PythonClass, Serve as Served};
use super::oci;
use super::record::{self, Record};
use super::sbom::SBOM;
use super::stranger::CODE;
use crate::digest::{Object, ObjectKind};
use crate::env::{self, Environment, Installed};
use crate::error::ErrorContext;
use crate::fs::escape;
use crate::project::git::Git;
use crate::project::lock::LockedPath;
use crate::project::manifest::{Model, Serve};
use crate::project::{Project, ProjectPath};
use crate::registry::Version;
use crate::store::Store;
use crate::store::tree::Tree;
use crate::{Digest, Error, Result};

/// Where the parts of a bundle lie in it.
pub const WEIGHTS: &str = "model";
pub const PACKAGES: &str = "environment/packages.txt";

/// Code is what has one of these endings; anything else among the dependencies may be data, which a bundle must not
/// carry to where the model is deployed.
const CODE_ENDINGS: [&str; 28] = [
    "bash", "c", "cc", "cfg", "cpp", "cu", "go", "h", "hpp", "ini", "ipynb", "java", "jl", "js", "lua", "pl", "py",
    "pyi", "pyx", "r", "rb", "rs", "scala", "sh", "sql", "toml", "ts", "yaml",
];
/// What is larger was not written by people.
const LARGEST_CODE: u64 = 1 << 20;

/// The weight files of the version, one layer each.
pub fn weights(version: &Version, store: &Store) -> Result<Vec<PlannedLayer>> {
    let mut files = Vec::new();
    match version.object.kind {
        ObjectKind::Directory => list(&version.object, WEIGHTS, store, &mut files)?,
        _ => files.push((in_bundle(WEIGHTS, last_part(&version.path))?, version.object.clone())),
    }
    if files.is_empty() {
        return Err(Error::usage(format!("`{}` is empty: there is nothing to package", version.path)));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    let layer = |(path, object): (String, Object)| {
        if object.kind == ObjectKind::Link {
            return Err(Error::usage(format!(
                "`{}` is a symbolic link; bundles hold files only",
                escape(path.as_bytes())
            ))
            .with_hint("let the step that makes the model copy the file instead"));
        }
        Ok(PlannedLayer::weight(stored(path, &object)))
    };
    files.into_iter().map(layer).collect()
}

/// What the manifest says is served, by its paths in the bundle.
pub fn served(model: &Model, version: &Version, weights: &[PlannedLayer]) -> Result<Option<Served>> {
    let onnx = match &model.serve {
        None => return Ok(None),
        Some(Serve::Python { file, class }) => {
            let path = match version.object.kind {
                ObjectKind::Directory => WEIGHTS.to_owned(),
                _ => in_bundle(WEIGHTS, last_part(&version.path))?,
            };
            let (file, class) = (in_bundle(CODE, file.as_bytes())?, class.clone());
            return Ok(Some(Served::Python(PythonClass { file, class, path })));
        }
        Some(Serve::Onnx(onnx)) => onnx,
    };
    let below = onnx.as_bytes().strip_prefix(model.path.as_bytes()).and_then(|below| below.strip_prefix(b"/"));
    let path = in_bundle(WEIGHTS, below.unwrap_or(last_part(onnx)))?;
    match weights.iter().any(|layer| layer.contents.iter().any(|content| content.file.path == path)) {
        true => Ok(Some(Served::Onnx(path))),
        false => Err(Error::usage(format!(
            "version {} of `{}` has no `{onnx}`, which it is to serve ({})",
            version.version, version.model, model.place
        ))
        .with_hint("train again and register the new version, or correct `serve` in the manifest")),
    }
}

/// The code among what the version was made from, and the file that serves it, as one layer; `None` where there is none.
pub fn code(version: &Version, model: &Model, project: &Project, store: &Store) -> Result<Option<PlannedLayer>> {
    let mut contents = BTreeMap::new();
    if let Some(Serve::Python { file, .. }) = &model.serve {
        // As it lies in the project now: how a model is served may change without training it again.
        let bytes = crate::fs::read(&project.resolve(file)?).map_err(|error| {
            error.with_hint(format!("write the file, or correct `serve` of the model ({})", model.place))
        })?;
        contents.insert(file.clone(), Content::from_bytes(in_bundle(CODE, file.as_bytes())?, bytes));
    }
    for LockedPath { path, object } in &version.data {
        if object.kind != ObjectKind::Directory {
            if is_code(path.as_bytes(), object) && !contents.contains_key(path) {
                contents.insert(path.clone(), code_file(path, object, version, project, store)?);
            }
        // The listing of a directory that holds data is in the store; that of a directory of code need not be.
        } else if store.contains(&object.digest) {
            let mut files = Vec::new();
            list(object, "", store, &mut files)?;
            for (below, object) in files.into_iter().filter(|(below, object)| is_code(below.as_bytes(), object)) {
                let path = path.join(&below).map_err(|error| Error::new(crate::Kind::Failed, error))?;
                if let Entry::Vacant(place) = contents.entry(path) {
                    let content = code_file(place.key(), &object, version, project, store)?;
                    place.insert(content);
                }
            }
        }
    }
    match contents.is_empty() {
        true => Ok(None),
        false => PlannedLayer::tar(oci::CODE, CODE, contents.into_values().collect(), store).map(Some),
    }
}

/// What was installed where the version was trained.
#[derive(Debug, Default)]
pub struct Packages {
    /// As `name==version` lines; `None` where the version has none.
    pub lines: Option<Vec<u8>>,
    /// The same with what the environment's lock knows of each.
    pub installed: Vec<Installed>,
}

/// The packages of the version's environment.
pub fn packages(version: &Version, store: &Store) -> Result<Packages> {
    let Some(Environment { packages, lock, .. }) = &version.environment else { return Ok(Packages::default()) };
    let read = |digest: &Digest| store.read(digest).context("cannot read the packages of the environment");
    let lines = packages.as_ref().map(read).transpose()?;
    // The lock may be missing where the run came from elsewhere; the list says the same without hashes.
    let lock = lock.as_ref().filter(|lock| store.contains(lock)).map(read).transpose()?;
    let text = lock.as_ref().or(lines.as_ref()).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let installed = text.map(|text| env::installed(&text)).unwrap_or_default();
    Ok(Packages { lines, installed })
}

/// The list of installed packages and the software bill of materials, as one layer.
pub fn environment(lines: Option<Vec<u8>>, sbom: Vec<u8>, store: &Store) -> Result<PlannedLayer> {
    let lines = lines.map(|lines| Content::from_bytes(PACKAGES, lines));
    let contents = lines.into_iter().chain([Content::from_bytes(SBOM, sbom)]).collect();
    PlannedLayer::tar(oci::DOCUMENT, "environment", contents, store)
}

/// The model card: the user's own, with its sections filled in, or else one that is made.
pub fn card(model: &Model, facts: Facts<'_>, project: &Project) -> Result<Vec<u8>> {
    let Some(path) = &model.card else { return Ok(card::card(facts).into_bytes()) };
    let own = crate::fs::read(&project.resolve(path)?).map_err(|error| {
        error.with_hint(format!("write the file, or correct `card` of the model ({})", model.place))
    })?;
    let own =
        String::from_utf8(own).map_err(|_| Error::usage(format!("`{path}` is no UTF-8 text ({})", model.place)))?;
    card::filled(&own, &path.to_string(), facts).map(String::into_bytes)
}

/// The card that a bundle of this version would bring now, as far as is known without asking the model: what it takes and
/// gives stands in a bundle that was made of it. Without `model` it is one that is made.
pub fn current_card(version: &Version, model: Option<&Model>, project: &Project, store: &Store) -> Result<String> {
    let made = record::made(store, &version.model, version.version)?;
    let open = |record: &Record| {
        let bundle = Bundle::open(&project.root().join(&record.file)).ok()?;
        (bundle.digest() == record.manifest).then_some(bundle)
    };
    let bundle = made.iter().find_map(open);
    let described = bundle.as_ref().map(Bundle::description);
    let own = model.and_then(|model| model.description.as_deref());
    let facts = Facts {
        version,
        description: version.description.as_deref().or(own),
        serve: described.and_then(|description| description.serve.as_ref()),
        signature: described.and_then(|description| description.signature.as_ref()),
        packages: packages(version, store)?.installed.len(),
    };
    let text = match model {
        Some(model) => card(model, facts, project)?,
        None => card::card(facts).into_bytes(),
    };
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The files below a directory, with their paths below `prefix`.
fn list(directory: &Object, prefix: &str, store: &Store, files: &mut Vec<(String, Object)>) -> Result<()> {
    let mut waiting = vec![(prefix.to_owned(), directory.digest)];
    while let Some((prefix, digest)) = waiting.pop() {
        let damaged = |error| Error::failed(format!("object {digest}: {error}"));
        let tree = Tree::decode(&store.read(&digest)?).map_err(damaged)?;
        for entry in tree.entries() {
            let path = match prefix.as_str() {
                "" => in_bundle("", &entry.name)?,
                prefix => in_bundle(prefix, &entry.name)?,
            };
            match entry.object.kind {
                ObjectKind::Directory => waiting.push((path, entry.object.digest)),
                _ => files.push((path, entry.object.clone())),
            }
        }
    }
    Ok(())
}

/// A path in the bundle; names must be text, because the documents of a bundle are JSON.
fn in_bundle(prefix: &str, name: &[u8]) -> Result<String> {
    let name = std::str::from_utf8(name).map_err(|_| {
        Error::usage(format!("the name `{}` is not UTF-8, as names in a bundle must be", escape(name)))
            .with_hint("rename the file in the step that makes the model")
    })?;
    Ok(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") })
}

fn last_part(path: &ProjectPath) -> &[u8] {
    path.parts().last().expect("a project path has at least one part")
}

fn stored(path: String, object: &Object) -> Content {
    let executable = object.kind == ObjectKind::Executable;
    Content { file: File { path, digest: object.digest, size: object.size, executable }, source: Source::Store }
}

fn is_code(path: &[u8], object: &Object) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let ending = name.iter().rposition(|byte| *byte == b'.').map(|dot| &name[dot + 1..]);
    let is_known = ending.is_some_and(|ending| {
        CODE_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known.as_bytes())) || ending == b"yml"
    });
    let is_requirements = name.starts_with(b"requirements") && name.ends_with(b".txt");
    let is_file = matches!(object.kind, ObjectKind::File | ObjectKind::Executable);
    is_file && object.size <= LARGEST_CODE && (is_known || is_requirements || name == b"Makefile")
}

/// The code as it was when the version was made: from the store, the working tree or Git, whichever has it.
fn code_file(
    path: &ProjectPath,
    object: &Object,
    version: &Version,
    project: &Project,
    store: &Store,
) -> Result<Content> {
    let in_bundle = in_bundle(CODE, path.as_bytes())?;
    if store.contains(&object.digest) {
        return Ok(stored(in_bundle, object));
    }
    let is_it = |bytes: &Vec<u8>| Digest::of(bytes) == object.digest;
    let file = project.resolve(path)?;
    let is_candidate =
        file.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == object.size);
    let here = if is_candidate { crate::fs::read_optional(&file)? } else { None };
    let found = match (here.filter(is_it), &version.commit) {
        (Some(bytes), _) => Some(bytes),
        (None, Some(commit)) => Git::of(project)?.and_then(|git| git.file_at(commit, path)).filter(is_it),
        (None, None) => None,
    };
    let bytes = found.ok_or_else(|| {
        let Version { version, model, .. } = version;
        Error::failed(format!(
            "`{path}`, with which version {version} of `{model}` was made, is not here as it was then"
        ))
        .with_hint(format!("bring back the file whose content is {}, or train and register anew", object.digest))
    })?;
    let mut content = Content::from_bytes(in_bundle, bytes);
    content.file.executable = object.kind == ObjectKind::Executable;
    Ok(content)
}
