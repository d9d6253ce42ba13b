//! The software bill of materials of a bundle: what its environment and it itself hold, as CycloneDX 1.6 in JSON.
//!
//! It comes from the lock that the training's environment was recorded with, and says what a scanner of vulnerabilities asks
//! for: a package URL and the hashes of each package. It has no time, and its serial number comes from its content, so that
//! the same bundle has the same bytes. See <https://cyclonedx.org/docs/1.6/json/>.

use serde_json::{Value, json};

use super::description::Runtime;
use super::json;
use crate::Digest;
use crate::env::{Environment, Installed, Origin};

/// Where it lies in the bundle.
pub const SBOM: &str = "environment/sbom.cdx.json";

/// The document for a model, from the packages of its environment and the libraries that the bundle brings.
pub fn sbom(model: &str, environment: Option<&Environment>, packages: &[Installed], runtimes: &[Runtime]) -> Vec<u8> {
    let mut components: Vec<Value> = packages.iter().map(package).collect();
    components.extend(runtimes.iter().map(runtime));
    components.extend(environment.into_iter().flat_map(platform));
    let mut refs: Vec<Value> = components.iter().map(|component| component["bom-ref"].clone()).collect();
    refs.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    // Without the version: where nothing in the environment changes, its layer is the same one.
    let component = json!({ "type": "machine-learning-model", "bom-ref": "model", "name": model });
    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component },
        "components": components,
        "dependencies": [{ "ref": "model", "dependsOn": refs }],
    });
    document["serialNumber"] = serial_number(&Digest::of(json::canonical(&document))).into();
    json::canonical(&document)
}

fn package(package: &Installed) -> Value {
    let Installed { name, version, origin, sha256 } = package;
    let purl = match origin {
        Origin::Pypi => format!("pkg:pypi/{}@{}", encoded(name), encoded(version)),
        Origin::Conda { channel, platform, build } => format!(
            "pkg:conda/{}@{}?build={}&channel={}&subdir={}",
            encoded(name),
            encoded(version),
            encoded(build),
            encoded(channel),
            encoded(platform)
        ),
    };
    let mut component = json!({ "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl });
    match sha256.as_slice() {
        [] => {}
        [hash] => component["hashes"] = json!([{ "alg": "SHA-256", "content": hash.to_lowercase() }]),
        // A lock for several platforms: one of these files was installed.
        many => {
            let property = |hash: &String| json!({ "name": "mlx:sha256", "value": hash.to_lowercase() });
            component["properties"] = many.iter().map(property).collect();
        }
    }
    component
}

fn runtime(runtime: &Runtime) -> Value {
    let Runtime { name, version, platform, path, digest } = runtime;
    json!({
        "type": "library",
        "bom-ref": path,
        "name": name,
        "version": version,
        "purl": format!("pkg:generic/{}@{}?platform={}", encoded(name), encoded(version), encoded(platform)),
        "hashes": [{ "alg": "SHA-256", "content": digest.hex() }],
    })
}

/// The interpreter and the image of a container.
fn platform(environment: &Environment) -> Vec<Value> {
    let Environment { python_version, image, .. } = environment;
    let python = python_version
        .as_ref()
        .map(|version| json!({ "type": "platform", "bom-ref": "python", "name": "python", "version": version }));
    let image = image.as_ref().map(|image| {
        let (name, version) = image.split_once('@').unwrap_or((image, ""));
        json!({ "type": "container", "bom-ref": "image", "name": name, "version": version })
    });
    python.into_iter().chain(image).collect()
}

/// A part of a package URL: all but unreserved characters in percent signs.
fn encoded(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A UUID of version 8, which is free to come from anything.
fn serial_number(digest: &Digest) -> String {
    let mut bytes: [u8; 16] = digest.as_bytes()[..16].try_into().expect("a digest has 32 bytes");
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_has_a_url_and_its_hashes() {
        let pypi = |name: &str, sha256: &[&str]| Installed {
            name: name.into(),
            version: "1.0+cpu".into(),
            origin: Origin::Pypi,
            sha256: sha256.iter().map(|hash| (*hash).to_owned()).collect(),
        };
        let environment = Environment {
            python_version: Some("3.11.7".into()),
            image: Some("python:3.11@sha256:00".into()),
            ..Environment::default()
        };

        let bytes = sbom("m", Some(&environment), &[pypi("a", &["AA"]), pypi("b", &["bb", "cc"])], &[]);

        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let [a, b, python, image] = [0, 1, 2, 3].map(|index| &document["components"][index]);
        assert_eq!((&a["purl"], &a["hashes"][0]["content"]), (&json!("pkg:pypi/a@1.0%2Bcpu"), &json!("aa")));
        assert_eq!((&b["hashes"], &b["properties"][1]["value"]), (&Value::Null, &json!("cc")));
        assert_eq!((&python["version"], &image["name"]), (&json!("3.11.7"), &json!("python:3.11")));
        assert_eq!(document["dependencies"][0]["dependsOn"].as_array().unwrap().len(), 4);
        assert_eq!(bytes, sbom("m", Some(&environment), &[pypi("a", &["AA"]), pypi("b", &["bb", "cc"])], &[]));
    }

    #[test]
    fn serial_numbers_are_those_of_a_uuid() {
        let number = serial_number(&Digest::of("x"));
        let parts: Vec<&str> = number.trim_start_matches("urn:uuid:").split('-').collect();

        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('8') && matches!(&parts[3][..1], "8" | "9" | "a" | "b"), "{number}");
    }
}
