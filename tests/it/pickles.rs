//! Pickles among a model's files: what real libraries write is packaged, what runs programs is not.

use crate::bundles::register;
use crate::clients::run_client;
use crate::harness::Project;

/// `os.system('touch pwned')`, as a pickle.
const EVIL: &[u8] = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0btouch pwned\x85R.";
/// An instance of `churn.Scaler`.
const OWN: &[u8] = b"\x80\x04\x8c\x05churn\x8c\x06Scaler\x93)\x81.";

fn with(file: &str, content: &[u8], manifest: &str) -> Project {
    let project = Project::with_manifest(&format!("[model.m]\npath = \"model\"\n{manifest}"));
    register(&project, &[(file, content)]);
    project
}

#[test]
fn a_pickle_that_runs_programs_is_not_packaged_whatever_it_is_called() {
    for file in ["model.pkl", "model.bin"] {
        let project = with(file, EVIL, "pickles = { allow = [\"posix.*\"], others = \"warn\" }\n");

        let refused = project.mlx(&["package", "m"]).exits_with(4);

        refused
            .says("`m` is not packaged (mlx.toml, line 1)")
            .says(&format!("the pickle `model/{file}` is not safe to load: it would call `posix.system`"))
            .says("pickles = { allow = [\"posix.system\"] }");
        assert!(!project.exists("dist") && !project.exists("pwned"));
    }
    with("model.pkl", EVIL, "pickles = { allow = [\"posix.system\"] }\n").mlx(&["package", "m"]).success();
}

#[test]
fn what_is_not_known_is_refused_or_told_as_the_manifest_says() {
    with("model.pkl", OWN, "")
        .mlx(&["package", "m"])
        .exits_with(4)
        .says("it names `churn.Scaler`, of which nothing is known");
    let told = with("model.pkl", OWN, "pickles = { others = \"warn\" }\n").mlx(&["package", "m"]).success();
    told.says("warning: the pickle `model/model.pkl` is not safe to load");
    let allowed = with("model.pkl", OWN, "pickles = { allow = [\"churn.*\"] }\n").mlx(&["package", "m"]).success();
    assert!(!allowed.stderr.contains("warning"), "{}", allowed.stderr);
    let twice = [OWN, OWN].concat();
    with("model.pkl", &twice, "pickles = { allow = [\"churn.*\"] }\n")
        .mlx(&["package", "m"])
        .exits_with(4)
        .says("something follows behind its end, such as another pickle");
}

#[test]
fn bundles_directories_and_files_of_others_can_be_scanned() {
    let project = with("model.pkl", OWN, "pickles = { others = \"warn\" }\n").write("got/evil.pkl", EVIL);
    project.mlx(&["package", "m"]).success();

    let bundle = project.mlx(&["bundle", "scan", "dist/m-1.tar", "--json"]).exits_with(4).json();
    project
        .mlx(&["bundle", "scan", "dist/m-1.tar", "--allow", "churn.Scaler"])
        .success()
        .prints("is safe to load: 1 pickle");
    project.mlx(&["bundle", "scan", "got/evil.pkl"]).exits_with(4).prints("it would call `posix.system`");
    project.mlx(&["bundle", "scan", "got"]).exits_with(4).prints("the pickle `evil.pkl` is not safe to load");
    project.mlx(&["bundle", "scan", "mlx.toml"]).success().prints("`mlx.toml` holds no pickle in 1 file");

    assert_eq!(bundle["suspects"][0]["unknown"], serde_json::json!(["churn.Scaler"]));
    assert!(!project.exists("pwned"));
}

#[test]
fn what_is_damaged_is_not_called_clean() {
    use std::os::unix::fs::FileExt;
    let project = crate::bundles::with_weights();
    project.mlx(&["package", "m"]).success();
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "out"]).success();
    project.mlx(&["bundle", "scan", "out"]).success();
    let bundle = std::fs::read(project.path("dist/m-1.tar")).unwrap();
    let place = bundle.windows(7).position(|bytes| bytes == b"weights").unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(project.path("dist/m-1.tar")).unwrap();
    file.write_all_at(b"W", place as u64).unwrap();

    project.mlx(&["bundle", "scan", "dist/m-1.tar"]).exits_with(1).says("its layer `model/a.bin` is damaged");

    std::fs::remove_file(project.path("out/model/a.bin")).unwrap();
    project.set("out/model/a.bin", "Weights");
    project.mlx(&["bundle", "scan", "out"]).exits_with(1).says("file `model/a.bin` of the release is damaged");
}

#[test]
fn what_real_libraries_write_is_safe_to_load() {
    let project = Project::empty();
    let root = project.root().canonicalize().unwrap();

    run_client(&["scikit-learn==1.9.1", "joblib==1.6.0"], include_str!("clients/pickles.py"), &root.to_string_lossy());

    let safe = project.mlx(&["bundle", "scan", "safe", "--json"]).success().json();
    assert_eq!((&safe["pickles"], &safe["suspects"]), (&safe["files"], &serde_json::json!([])), "{safe}");
    assert!(safe["pickles"].as_u64().unwrap() > 30, "{safe}");
    let evil = project.mlx(&["bundle", "scan", "evil", "--json"]).exits_with(4).json();
    let suspects = evil["suspects"].as_array().unwrap();
    assert_eq!(suspects.len() as u64, evil["files"].as_u64().unwrap(), "{evil}");
    assert!(!project.exists("pwned"));
}
