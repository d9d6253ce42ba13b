//! Signed bundles: `mlx package --sign`, `mlx bundle sign` and `verify --key`, and targets that take nothing else.

use std::fs;
use std::path::Path;

use mlx::Digest;
use serde_json::Value;

use crate::bundles::with_weights;
use crate::clients::run_client;
use crate::harness::Project;
use crate::serve_python::unpackaged;
use crate::services;

const CLASS: &str = "class Model:\n    def load(self, path):\n        pass\n    def predict(self, inputs):\n        \
                     return {'y': [float(sum(row)) for row in inputs['input']]}\n";

/// Makes `NAME.pem` and `NAME.pub` with openssl; `None` where it is missing.
fn make_keys(project: &Project, name: &str) -> Option<()> {
    services::program("openssl")?;
    let (key, public) = (format!("{name}.pem"), format!("{name}.pub"));
    for arguments in [
        &["ecparam", "-name", "prime256v1", "-genkey", "-out", &key][..],
        &["ec", "-in", &key, "-pubout", "-out", &public],
    ] {
        project.outcome(&mut project.other("openssl", arguments)).success();
    }
    Some(())
}

#[test]
fn a_signed_bundle_is_good_for_its_key_and_no_other() {
    let project = with_weights();
    let Some(()) = make_keys(&project, "ours").and_then(|()| make_keys(&project, "others")) else { return };
    project.mlx(&["package", "m", "-o", "unsigned.tar"]).success();

    project.mlx(&["package", "m", "--sign", "ours.pem"]).success();

    let verify = |file: &str, key: &str| project.mlx(&["bundle", "verify", file, "--key", key]);
    verify("dist/m-1.tar", "ours.pub").success().prints("signed with key ");
    verify("dist/m-1.tar", "others.pub")
        .exits_with(4)
        .prints("`dist/m-1.tar` is sound")
        .prints("its signature was made with another key")
        .says("`dist/m-1.tar` is sound, but the holder of the key did not sign it");
    verify("unsigned.tar", "ours.pub")
        .exits_with(4)
        .prints("`unsigned.tar` is sound")
        .prints("it is not signed")
        .says("`unsigned.tar` is sound, but has no signature");
    let verified =
        project.mlx(&["bundle", "verify", "unsigned.tar", "--key", "ours.pub", "--json"]).exits_with(4).json();
    assert_eq!((&verified["is_sound"], &verified["is_signed"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(verified["problems"], serde_json::json!(["it is not signed"]));
    project.mlx(&["bundle", "verify", "dist/m-1.tar"]).success().prints("signed; `--key PUBLIC_KEY` checks by whom");
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    assert!(project.exists("out/model.sig"));
    verify("dist/m-1.tar", "ours.pem").exits_with(2).says("it is no public P-256 key in PEM");
    project.mlx(&["package", "m", "--sign", "ours.pub"]).exits_with(2).says("there is no `PRIVATE KEY` in it");
}

#[test]
fn signing_later_gives_the_bytes_of_signing_at_once() {
    let project = with_weights();
    let Some(()) = make_keys(&project, "ours").and_then(|()| make_keys(&project, "others")) else { return };
    let bytes = |file: &str| Digest::of(fs::read(project.path(file)).unwrap());
    project.mlx(&["package", "m", "-o", "at-once.tar", "--sign", "ours.pem"]).success();
    project.mlx(&["package", "m", "-o", "later.tar"]).success();
    project.mlx(&["package", "m", "-o", "other.tar", "--sign", "others.pem"]).success();

    let signed = project.mlx(&["bundle", "sign", "later.tar", "--key", "ours.pem", "--json"]).success().json();
    let replaced = project.outcome(
        project.command(&["bundle", "sign", "other.tar", "-o", "replaced.tar"]).env("MLX_SIGN_KEY", "ours.pem"),
    );

    replaced.success();
    assert_eq!([bytes("later.tar"), bytes("replaced.tar")], [bytes("at-once.tar"); 2]);
    let inspected = project.mlx(&["bundle", "inspect", "at-once.tar", "--json"]).success().json();
    assert_eq!(signed["manifest"], inspected["manifest"]);
    project.mlx(&["bundle", "verify", "other.tar", "--key", "others.pub"]).success();
}

#[test]
fn keys_may_be_pkcs8_and_come_from_a_pipe() {
    let project = with_weights();
    let Some(()) = make_keys(&project, "ours") else { return };
    let convert = ["pkcs8", "-topk8", "-nocrypt", "-in", "ours.pem", "-out", "ours.pk8"];
    project.outcome(&mut project.other("openssl", &convert)).success();
    let encrypt = ["pkcs8", "-topk8", "-passout", "pass:x", "-in", "ours.pem", "-out", "secret.pk8"];
    project.outcome(&mut project.other("openssl", &encrypt)).success();

    project.mlx(&["package", "m", "--sign", "ours.pk8"]).success();

    project.mlx(&["bundle", "verify", "dist/m-1.tar", "--key", "ours.pub"]).success();
    project.mlx(&["package", "m", "--sign", "secret.pk8"]).exits_with(2).says("asks for no password");
    let script = "exec \"$0\" package m -o piped.tar --sign <(openssl pkcs8 -in secret.pk8 -passin pass:x)";
    let mlx = project.command(&[]).get_program().to_owned();
    let mut bash = project.other("bash", &["-c", script, &mlx.to_string_lossy()]);
    project.outcome(&mut bash).success();
    project.mlx(&["bundle", "verify", "piped.tar", "--key", "ours.pub"]).success();
}

#[test]
fn model_signing_accepts_our_signature_and_we_accept_its() {
    let project = with_weights();
    let Some(()) = make_keys(&project, "ours") else { return };
    project.mlx(&["package", "m", "--sign", "ours.pem"]).success();
    project.mlx(&["package", "m", "-o", "theirs.tar"]).success();
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    project.mlx(&["bundle", "unpack", "theirs.tar", "bare"]).success();

    let root = project.root().canonicalize().unwrap();
    run_client(
        &["model-signing==1.1.1", "pyOpenSSL==26.4.0"],
        include_str!("clients/model_signing.py"),
        &root.to_string_lossy(),
    );

    project.mlx(&["bundle", "sign", "theirs.tar", "--signature", "theirs.sig"]).success();
    project.mlx(&["bundle", "verify", "theirs.tar", "--key", "ours.pub"]).success().prints("signed with key");
    project
        .mlx(&["bundle", "sign", "theirs.tar", "--signature", "of-another.sig"])
        .exits_with(4)
        .says("the signature is not one of this bundle");
}

/// Changes the signature in a release of the target.
fn change_signature(release: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let path = release.join("model.sig");
    let changed = change(fs::read(&path).unwrap());
    fs::remove_file(&path).unwrap();
    fs::write(path, changed).unwrap();
}

#[test]
fn a_target_takes_and_serves_only_what_the_right_key_signed() {
    let project = unpackaged(
        CLASS,
        "examples = \"rows.csv\"\n[target.production]\nurl = \"deploy/production\"\nmodel = \"m\"\n\
         require = { signature = \"keys/ours.pub\" }\n",
    );
    fs::create_dir(project.path("keys")).unwrap();
    let Some(()) = make_keys(&project, "keys/ours").and_then(|()| make_keys(&project, "keys/others")) else { return };
    project.mlx(&["package", "m", "-o", "unsigned.tar"]).success();

    project.mlx(&["deploy", "production"]).exits_with(2).says("takes what key");
    project.mlx(&["deploy", "production", "--sign", "keys/others.pem"]).exits_with(2).says("takes what key");
    project.mlx(&["deploy", "production", "--bundle", "unsigned.tar"]).exits_with(4).says("it is not signed");
    assert!(!project.exists("deploy/production/current"));

    // Who plans need not have the key.
    let plan = project.mlx(&["deploy", "production", "--plan"]).success();
    plan.prints("Would deploy `m` 1 (not signed yet)").prints("The target takes only what key ");
    project.mlx(&["deploy", "production", "--plan", "--sign", "keys/others.pem"]).exits_with(2).says("takes what key");

    let deployed = project.mlx(&["deploy", "production", "--sign", "keys/ours.pem", "--json"]).success().json();
    project.mlx(&["deploy", "production", "--sign", "keys/ours.pem"]).success().prints("nothing changed");
    let plan = project.mlx(&["deploy", "production", "--plan", "--json"]).success().json();
    assert_eq!((&plan["release"], plan["upload"].as_array().unwrap().len()), (&deployed["release"], 0));
    project
        .mlx(&["deploy", "production", "-n"])
        .success()
        .prints("nothing would change")
        .prints("Not looked at: whether");

    let answered = project.mlx(&["predict", "production", "--input", "rows.csv", "--json"]).success().json();
    assert_eq!(answered["outputs"][0]["data"], serde_json::json!([3.0, 7.0]));
    let release = project.path("deploy/production/current").canonicalize().unwrap();
    change_signature(&release, |signature| {
        let mut signature: Value = serde_json::from_slice(&signature).unwrap();
        signature["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA".into();
        signature.to_string().into_bytes()
    });
    project
        .mlx(&["predict", "production", "--input", "rows.csv"])
        .exits_with(4)
        .says("was not made with this key, or was changed");
    fs::remove_file(release.join("model.sig")).unwrap();
    project.mlx(&["serve", "production", "--port", "0"]).exits_with(4).says("it is not signed");
    // Who names the directory and no key serves what lies there.
    project.mlx(&["predict", "deploy/production", "--input", "rows.csv"]).success();
    let required = ["serve", "deploy/production", "--port", "0", "--key", "keys/ours.pub"];
    project.mlx(&required).exits_with(4).says("it is not signed");
    // What is not served is not taken for whole.
    project.mlx(&["deploy", "production", "--sign", "keys/ours.pem"]).success().prints("whole again");
    project.mlx(&["predict", "production", "--input", "rows.csv"]).success();
}
