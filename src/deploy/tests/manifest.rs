//! What the manifest says of a target.

use super::*;

#[test]
fn a_target_is_where_its_url_says() {
    let project = tempfile::tempdir().unwrap();
    let manifest =
        "[target]\na.url = 'dir'\nb.url = 'file:///srv/x'\nc.url = 'ssh://host/x'\nd.url = 'file://host/x'\ne.url = ''
        f.url = '.'\ng.url = 'dir/..'\nh.url = '..'\ni.url = '.mlx/deploy'\nj.url = 'dir/../.git'";
    fs::write(project.path().join("mlx.toml"), manifest).unwrap();
    let project = Project::open(project.path()).unwrap();
    let place = |name: &str| directory_of(&project, project.manifest.target(name).unwrap(), &Access::default());

    assert_eq!(place("a").unwrap(), Some(project.root().join("dir")));
    assert_eq!(place("b").unwrap().as_deref(), Some(Path::new("/srv/x")));
    assert_eq!(place("c").unwrap(), None);
    for name in ["d", "e"] {
        let error = place(name).unwrap_err();
        assert!(error.to_string().contains("(mlx.toml, line "), "{name}: {error}");
        assert_eq!(error.kind(), Kind::Usage, "{name}");
    }
    for name in ["f", "g", "h", "i", "j"] {
        let error = place(name).unwrap_err();
        assert!(error.to_string().contains("holds the project") == (name < "i"), "{name}: {error}");
        assert_eq!(error.kind(), Kind::Usage, "{name}");
    }
}

#[test]
fn secrets_are_where_the_manifest_says() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "hunter2\n").unwrap();
    let manifest = "[target]
        a = { url = 'x', auth = { user = 'me', password = { env = 'SECRET' } } }
        b = { url = 'x', auth = { token = { file = 'token' } } }
        c = { base = 'b', auth = { token = { command = 'echo other' } } }
        d = { base = 'a', auth = { password = { env = 'NOWHERE' } } }";
    fs::write(dir.path().join("mlx.toml"), manifest).unwrap();
    let project = Project::open(dir.path()).unwrap();
    let variables = |name: &str| (name == "SECRET").then(|| std::ffi::OsString::from("variable"));
    let auth = |name: &str| auth(&project, name, project.manifest.target(name).unwrap(), &variables);

    let entries = |name: &str| auth(name).unwrap().into_iter().collect::<Vec<_>>();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(entries("a"), [pair("password", "variable"), pair("user", "me")]);
    assert_eq!((entries("b"), entries("c")), (vec![pair("token", "hunter2")], vec![pair("token", "other")]));
    let error = auth("d").unwrap_err();
    assert!(error.to_string().contains("`NOWHERE` is not set") && error.kind() == Kind::Usage, "{error}");
}
