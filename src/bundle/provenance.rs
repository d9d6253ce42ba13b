//! Where a bundle's weights come from, as an in-toto statement with SLSA provenance, for tools that judge by such.
//!
//! It says of each weight file what the lineage in `mlx.bundle.json` says in our own words. Times, hosts and users are left
//! out, as everywhere in a bundle. See <https://slsa.dev/spec/v1.0/provenance>.

use serde_json::{Map, Value, json};

use super::content::PlannedLayer;
use super::json;
use crate::digest::ObjectKind;
use crate::env::Environment;
use crate::project::lock::LockedPath;
use crate::registry::Version;

/// Where it lies in the bundle.
pub const PROVENANCE: &str = "provenance.json";

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// A step of an mlx pipeline, whose parameters and sources are named; docs/BUNDLES.md says what stands where.
const BUILD_TYPE: &str = "urn:mlx:step:v1";
/// The machine of whoever trained: SLSA's level 1.
const BUILDER: &str = "urn:mlx:train";

/// The statement about these weight files of a version.
pub fn provenance(version: &Version, weights: &[PlannedLayer]) -> Vec<u8> {
    let files = weights.iter().flat_map(|layer| &layer.contents).map(|content| &content.file);
    let subject: Vec<Value> =
        files.map(|file| json!({ "name": file.path, "digest": { "sha256": file.digest.hex() } })).collect();
    let mut external =
        Map::from_iter([("model".to_owned(), json!(version.model)), ("params".to_owned(), json!(version.params))]);
    external.extend(version.step.as_ref().map(|step| ("step".to_owned(), json!(step))));
    let mut definition = json!({
        "buildType": BUILD_TYPE,
        "externalParameters": external,
        "resolvedDependencies": dependencies(version),
    });
    if let Some(Environment { python_version: Some(python), .. }) = &version.environment {
        definition["internalParameters"] = json!({ "python": python });
    }
    let mut details = json!({ "builder": { "id": BUILDER } });
    if let Some(run) = &version.run {
        details["metadata"] = json!({ "invocationId": run.to_string() });
    }
    json::canonical(&json!({
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": PREDICATE_TYPE,
        "predicate": { "buildDefinition": definition, "runDetails": details },
    }))
}

/// Data, code, commit and environment.
fn dependencies(version: &Version) -> Vec<Value> {
    let source = |LockedPath { path, object }: &LockedPath| {
        // A directory is named by the digest of its listing, which is no digest of a file.
        let algorithm = if object.kind == ObjectKind::Directory { "mlxTree" } else { "sha256" };
        json!({ "name": path.to_string(), "digest": { algorithm: object.digest.hex() } })
    };
    let mut dependencies: Vec<Value> = version.data.iter().map(source).collect();
    if let Some(commit) = &version.commit {
        dependencies.push(json!({ "name": "commit", "digest": { "gitCommit": commit } }));
    }
    let Some(Environment { packages, lock, image, .. }) = &version.environment else { return dependencies };
    let lists = [("environment lock", lock), ("environment packages", packages)];
    let lists = lists.into_iter().filter_map(|(name, digest)| Some((name, digest.as_ref()?)));
    dependencies.extend(lists.map(|(name, digest)| json!({ "name": name, "digest": { "sha256": digest.hex() } })));
    if let Some((name, digest)) = image.as_ref().and_then(|image| image.split_once("@sha256:")) {
        dependencies.push(json!({ "name": name, "digest": { "sha256": digest } }));
    }
    dependencies
}
