//! Signatures after OpenSSF Model Signing v1: the holder of a key says which files belong together.
//!
//! `model.sig` lies beside the files of an unpacked bundle, and is a layer of its own in the archive. It is a Sigstore
//! bundle without a transparency log: a DSSE envelope around an in-toto statement that names each other file with its
//! digest, `mlx.bundle.json` among them. The nonce comes from key and message (RFC 6979), so that the same bundle signed
//! with the same key has the same bytes. See <https://github.com/sigstore/model-transparency> and
//! <https://github.com/secure-systems-lab/dsse>.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use serde::Deserialize;
use serde_json::{Value, json};

use super::description::{DESCRIPTION_FILE, Description};
use super::json;
use crate::digest::Hasher;
use crate::fs::{escape, quote};
use crate::{Digest, Error, Kind, Result};

/// The name of the signature in an unpacked bundle.
pub const SIGNATURE_FILE: &str = "model.sig";

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE: &str = "https://model_signing/signature/v1.0";

/// How keys are made, for hints.
const MAKE_KEYS: &str = "make a pair with `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` and `openssl ec -in \
                         key.pem -pubout -out key.pub`";

/// A key that signs.
pub struct PrivateKey(SigningKey);

/// A key that tells whether the other one signed.
#[derive(Debug, Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    id: Digest,
}

/// The signature is missing, or does not say what it should; says in words what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSignature(String);

impl BadSignature {
    fn new(reason: impl std::fmt::Display) -> Self {
        Self(escape(reason.to_string().as_bytes()))
    }
}

impl From<BadSignature> for Error {
    fn from(error: BadSignature) -> Self {
        Error::new(Kind::Check, error).with_hint(
            "take a bundle that the holder of the key signed: `mlx package --sign KEY`, or `mlx bundle sign`",
        )
    }
}

impl PrivateKey {
    /// Reads a P-256 key in PEM: PKCS #8, or SEC 1 as `openssl ecparam` writes it.
    pub fn parse(pem: &[u8]) -> Result<Self> {
        let wrong =
            |what: &str| Error::usage(format!("it is no private P-256 key in PEM: {what}")).with_hint(MAKE_KEYS);
        let text = std::str::from_utf8(pem).map_err(|_| wrong("it is no text"))?;
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(Error::usage("the key is encrypted, and mlx asks for no password")
                .with_hint("give it decrypted and unsaved: `--sign <(openssl ec -in key.pem)`"));
        }
        let key: p256::SecretKey = match (block(text, "PRIVATE KEY"), block(text, "EC PRIVATE KEY")) {
            (Some(pkcs8), _) => pkcs8.parse().map_err(|_| wrong("it is a key of another kind, or damaged"))?,
            (None, Some(sec1)) => {
                p256::SecretKey::from_sec1_pem(sec1).map_err(|_| wrong("it is a key on another curve, or damaged"))?
            }
            (None, None) => return Err(wrong("there is no `PRIVATE KEY` in it")),
        };
        Ok(Self(SigningKey::from(&key)))
    }

    /// The other half.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(*self.0.verifying_key())
    }

    /// The signature of these files, as the content of [`SIGNATURE_FILE`]; `model` names them.
    pub fn sign(&self, model: &str, files: &BTreeMap<String, Digest>) -> Vec<u8> {
        let payload = json::canonical(&statement(model, files));
        let signature: Signature = self.0.sign(&encoded(&payload));
        json::canonical(&json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": { "publicKey": { "hint": self.public().id.hex() }, "tlogEntries": [] },
            "dsseEnvelope": {
                "payload": BASE64.encode(&payload),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{ "sig": BASE64.encode(signature.to_der().as_bytes()), "keyid": "" }],
            },
        }))
    }
}

impl PublicKey {
    /// Reads a P-256 key in PEM.
    pub fn parse(pem: &[u8]) -> Result<Self> {
        let wrong = || Error::usage("it is no public P-256 key in PEM").with_hint(MAKE_KEYS);
        let text = std::str::from_utf8(pem).map_err(|_| wrong())?;
        let block = block(text, "PUBLIC KEY").ok_or_else(wrong)?;
        let key: p256::PublicKey = block.parse().map_err(|_| wrong())?;
        Ok(Self::new(VerifyingKey::from(key)))
    }

    fn new(key: VerifyingKey) -> Self {
        let pem =
            p256::PublicKey::from(&key).to_public_key_pem(LineEnding::LF).expect("a point on the curve can be written");
        Self { key, id: Digest::of(pem) }
    }

    /// The SHA-256 of the key in PEM, by which signatures name it.
    pub fn id(&self) -> Digest {
        self.id
    }

    /// Whether this signature was made with the key, and for these very files.
    pub fn check(&self, signature: &[u8], files: &BTreeMap<String, Digest>) -> Result<(), BadSignature> {
        let envelope = Envelope::parse(signature)?;
        if envelope.hint.as_ref().is_some_and(|hint| *hint != self.id.hex()) {
            return Err(BadSignature::new(format_args!(
                "its signature was made with another key ({} and not {})",
                envelope.hint.unwrap_or_default().chars().take(12).collect::<String>(),
                self.id.short()
            )));
        }
        let good = Signature::from_der(&envelope.signature)
            .is_ok_and(|signature| self.key.verify(&encoded(&envelope.payload), &signature).is_ok());
        if !good {
            return Err(BadSignature::new("its signature was not made with this key, or was changed"));
        }
        compare(&envelope.files()?, files)
    }
}

/// Whether a signature is for these very files, whoever made it.
pub fn matches(signature: &[u8], files: &BTreeMap<String, Digest>) -> Result<(), BadSignature> {
    compare(&Envelope::parse(signature)?.files()?, files)
}

/// What a signature of a bundle is for: every file of the unpacked bundle but the signature.
pub fn signed_files(description: &Description, description_bytes: &[u8]) -> BTreeMap<String, Digest> {
    let files = description.files.iter().map(|file| (file.path.clone(), file.digest));
    files.chain([(DESCRIPTION_FILE.to_owned(), Digest::of(description_bytes))]).collect()
}

/// Checks the signature in a directory that a bundle was unpacked into; that the files are what the description says is
/// the caller's to check.
pub fn check_directory(directory: &Path, description: &Description, bytes: &[u8], key: &PublicKey) -> Result<()> {
    let path = directory.join(SIGNATURE_FILE);
    let signature = crate::fs::read_optional(&path)?
        .ok_or_else(|| BadSignature::new(format_args!("it is not signed: there is no `{}`", quote(&path))))?;
    Ok(key.check(&signature, &signed_files(description, bytes))?)
}

/// That there is no signature.
pub fn unsigned() -> BadSignature {
    BadSignature::new("it is not signed")
}

/// What is in a signature.
struct Envelope {
    hint: Option<String>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Envelope {
    fn parse(bytes: &[u8]) -> Result<Self, BadSignature> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Outer {
            media_type: String,
            verification_material: Material,
            dsse_envelope: Inner,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Material {
            public_key: Option<Key>,
        }
        #[derive(Deserialize)]
        struct Key {
            #[serde(default)]
            hint: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Inner {
            payload: String,
            payload_type: String,
            signatures: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            sig: String,
        }
        if bytes.len() as u64 > json::LARGEST {
            return Err(BadSignature::new(format_args!("its {SIGNATURE_FILE} has {} bytes", bytes.len())));
        }
        let outer: Outer = json::strict(bytes, SIGNATURE_FILE).map_err(BadSignature::new)?;
        let Outer { media_type, verification_material, dsse_envelope: Inner { payload, payload_type, signatures } } =
            outer;
        let Some(key) = verification_material.public_key else {
            return Err(BadSignature::new("its signature was made with a certificate; mlx checks those of keys"));
        };
        if media_type != MEDIA_TYPE || payload_type != PAYLOAD_TYPE {
            return Err(BadSignature::new(format_args!("its signature is a `{media_type}` of a `{payload_type}`")));
        }
        let [One { sig }] = signatures.as_slice() else {
            return Err(BadSignature::new(format_args!("it has {} signatures instead of one", signatures.len())));
        };
        let decoded = |text: &str| BASE64.decode(text).map_err(|_| BadSignature::new("its signature is no Base64"));
        Ok(Self { hint: key.hint, payload: decoded(&payload)?, signature: decoded(sig)? })
    }

    /// The files that the statement names.
    fn files(&self) -> Result<BTreeMap<String, Digest>, BadSignature> {
        #[derive(Deserialize)]
        struct Statement {
            #[serde(rename = "_type")]
            kind: String,
            #[serde(rename = "predicateType")]
            predicate_type: String,
            subject: Vec<Subject>,
            predicate: Predicate,
        }
        #[derive(Deserialize)]
        struct Subject {
            digest: BTreeMap<String, String>,
        }
        #[derive(Deserialize)]
        struct Predicate {
            serialization: Serialization,
            resources: Vec<Resource>,
        }
        #[derive(Deserialize)]
        struct Serialization {
            method: String,
        }
        #[derive(Deserialize)]
        struct Resource {
            name: String,
            algorithm: String,
            digest: String,
        }
        let statement: Statement = json::strict(&self.payload, "signed statement").map_err(BadSignature::new)?;
        let Statement { kind, predicate_type, subject, predicate: Predicate { serialization, resources } } = statement;
        if kind != STATEMENT_TYPE || predicate_type != PREDICATE_TYPE {
            return Err(BadSignature::new(format_args!(
                "its signature is for a `{predicate_type}`, which says nothing here"
            )));
        }
        if serialization.method != "files" {
            return Err(BadSignature::new(format_args!(
                "its signature is for `{}`; mlx checks those of whole files",
                serialization.method
            )));
        }
        let (mut files, mut all) = (BTreeMap::new(), Hasher::new());
        for Resource { name, algorithm, digest } in resources {
            let digest = Digest::from_hex(&digest).ok().filter(|_| algorithm == "sha256").ok_or_else(|| {
                BadSignature::new(format_args!("its signature names `{name}` by `{algorithm}`; mlx checks SHA-256"))
            })?;
            all.update(digest.as_bytes());
            if files.insert(name.clone(), digest).is_some() {
                return Err(BadSignature::new(format_args!("its signature names `{name}` twice")));
            }
        }
        let (root, _) = all.finish();
        match subject.as_slice() {
            [Subject { digest }] if digest.get("sha256").is_some_and(|digest| *digest == root.hex()) => Ok(files),
            _ => Err(BadSignature::new("its signature contradicts itself: the files it names are not its subject")),
        }
    }
}

fn compare(signed: &BTreeMap<String, Digest>, files: &BTreeMap<String, Digest>) -> Result<(), BadSignature> {
    for (path, digest) in files {
        match signed.get(path) {
            None => return Err(BadSignature::new(format_args!("its signature does not name the file `{path}`"))),
            Some(other) if other != digest => {
                return Err(BadSignature::new(format_args!("its file `{path}` is not the one that was signed")));
            }
            Some(_) => {}
        }
    }
    match signed.keys().find(|path| !files.contains_key(*path)) {
        Some(path) => Err(BadSignature::new(format_args!("its signature names the file `{path}`, which is not there"))),
        None => Ok(()),
    }
}

fn statement(model: &str, files: &BTreeMap<String, Digest>) -> Value {
    let mut files: Vec<(&String, &Digest)> = files.iter().collect();
    // As paths and not as text: `a/b` stands before `a-b`.
    files.sort_by(|one, other| one.0.split('/').cmp(other.0.split('/')));
    let mut all = Hasher::new();
    files.iter().for_each(|(_, digest)| all.update(digest.as_bytes()));
    let (root, _) = all.finish();
    let resource =
        |(path, digest): &(&String, &Digest)| json!({ "name": path, "algorithm": "sha256", "digest": digest.hex() });
    json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "name": model, "digest": { "sha256": root.hex() } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": false,
                "ignore_paths": [SIGNATURE_FILE],
            },
            "resources": files.iter().map(resource).collect::<Vec<_>>(),
        },
    })
}

/// What is signed: DSSE's pre-authentication encoding.
fn encoded(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// The part of a PEM file with this label.
fn block<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let start = text.find(&begin)?;
    let length = text[start..].find(&end)? + end.len();
    Some(&text[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";

    fn key() -> PrivateKey {
        PrivateKey(SigningKey::from_slice(&[7; 32]).unwrap())
    }

    fn files(pairs: &[(&str, &str)]) -> BTreeMap<String, Digest> {
        pairs.iter().map(|(path, content)| ((*path).to_owned(), Digest::of(content))).collect()
    }

    fn check(signature: &[u8], files: &BTreeMap<String, Digest>) -> String {
        key().public().check(signature, files).map_or_else(|error| error.to_string(), |()| "good".into())
    }

    /// The signature with a changed statement, signed anew.
    fn resigned(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut signature: Value = serde_json::from_slice(&key().sign("m", &files(&[("a", "1")]))).unwrap();
        let payload = BASE64.decode(signature["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        let mut statement: Value = serde_json::from_slice(&payload).unwrap();
        change(&mut statement);
        let payload = statement.to_string();
        let made: Signature = key().0.sign(&encoded(payload.as_bytes()));
        signature["dsseEnvelope"]["payload"] = BASE64.encode(payload).into();
        signature["dsseEnvelope"]["signatures"][0]["sig"] = BASE64.encode(made.to_der().as_bytes()).into();
        signature.to_string().into_bytes()
    }

    #[test]
    fn what_was_signed_is_good_and_signed_again_the_same() {
        let files = files(&[("a-b", "1"), ("a/b", "2")]);

        let signature = key().sign("m", &files);

        assert_eq!(check(&signature, &files), "good");
        assert_eq!(signature, key().sign("m", &files));
    }

    #[test]
    fn other_files_are_not_what_was_signed() {
        let signature = key().sign("m", &files(&[("a", "1"), ("b", "2")]));

        let cases = [
            (files(&[("a", "1")]), "its signature names the file `b`, which is not there"),
            (files(&[("a", "1"), ("b", "3")]), "its file `b` is not the one that was signed"),
            (files(&[("a", "1"), ("b", "2"), ("c", "3")]), "its signature does not name the file `c`"),
        ];
        for (files, expected) in cases {
            assert_eq!(check(&signature, &files), expected);
        }
    }

    #[test]
    fn another_key_or_a_changed_statement_is_found() {
        let files = files(&[("a", "1")]);
        let signature = String::from_utf8(key().sign("m", &files)).unwrap();
        let other = PrivateKey(SigningKey::from_slice(&[8; 32]).unwrap()).public();
        let hint = format!(r#""hint":"{}""#, key().public().id().hex());
        let unnamed = signature.replace(&hint, r#""hint":null"#);
        let mut changed: Value = serde_json::from_str(&signature).unwrap();
        changed["dsseEnvelope"]["payload"] = BASE64.encode(statement("n", &files).to_string()).into();

        assert!(other.check(signature.as_bytes(), &files).unwrap_err().to_string().contains("made with another key"));
        let expected = "its signature was not made with this key, or was changed";
        assert_eq!(other.check(unnamed.as_bytes(), &files).unwrap_err().to_string(), expected);
        assert_eq!(check(unnamed.as_bytes(), &files), "good");
        assert_eq!(check(changed.to_string().as_bytes(), &files), expected);
    }

    #[test]
    fn statements_that_say_something_else_are_refused() {
        let files = files(&[("a", "1")]);
        type Case = (fn(&mut Value), &'static str);
        let cases: [Case; 6] = [
            (|s| s["predicateType"] = json!("https://slsa.dev/provenance/v1"), "which says nothing here"),
            (|s| s["predicate"]["serialization"]["method"] = json!("shards"), "mlx checks those of whole files"),
            (|s| s["predicate"]["resources"][0]["algorithm"] = json!("blake2b"), "mlx checks SHA-256"),
            (|s| s["predicate"]["resources"][0]["digest"] = json!("../../etc"), "mlx checks SHA-256"),
            (|s| s["predicate"]["resources"] = json!([]), "its signature contradicts itself"),
            (|s| s["subject"] = json!([]), "its signature contradicts itself"),
        ];
        for (change, expected) in cases {
            let said = check(&resigned(change), &files);
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn no_bytes_are_a_signature_by_chance() {
        for bytes in [&b""[..], b"{}", b"[]", b"{\"mediaType\": 1}", &[0xff; 40]] {
            assert!(check(bytes, &BTreeMap::new()).contains("its model.sig is unsound"), "{bytes:?}");
        }
        let certified = br#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial":{"certificate":{"rawBytes":""}},
            "dsseEnvelope":{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[]}}"#;
        assert!(check(certified, &BTreeMap::new()).contains("made with a certificate"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        for (pem, expected) in
            [("", "there is no `PRIVATE KEY`"), (KEY, "there is no `PRIVATE KEY`"), (encrypted, "is encrypted")]
        {
            let error = PrivateKey::parse(pem.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for pem in ["", KEY, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(PublicKey::parse(pem.as_bytes()).is_err());
        }
    }
}
