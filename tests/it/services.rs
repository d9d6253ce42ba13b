//! Real servers for tests: started on a free port of this machine, stopped when dropped.

#![expect(clippy::print_stderr, reason = "a test that is skipped, and a server that does not start, say so")]

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::ports::Port;

/// A server and the directory of its files.
pub struct Server {
    child: Child,
    pub dir: TempDir,
    pub port: u16,
    _held: Port,
}

impl Server {
    /// Ends it; its files stay.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of this machine; without it a test is left out, loudly, and fails where everything should be there.
pub fn program(name: &str) -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let tools = std::env::var_os("CARGO_TARGET_DIR").map(|target| PathBuf::from(target).join("tools/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = [home.map(|home| home.join("bin")), tools, Some("/usr/sbin".into())];
    let found = std::env::split_paths(&path).chain(more.into_iter().flatten()).map(|directory| directory.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "`{name}` is not installed");
        eprintln!("SKIPPED: `{name}` is not installed");
    }
    found
}

/// Starts what `command` gives for a directory and a port, and waits until it answers there.
fn start(command: impl Fn(&Path, u16) -> Command) -> Server {
    for _ in 0..5 {
        let dir = tempfile::Builder::new().prefix("mlx-server-").tempdir().unwrap();
        let held = Port::reserve();
        let port = held.number;
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut command = command(dir.path(), port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut server = Server { child: command.spawn().unwrap(), dir, port, _held: held };
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) && server.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("{command:?}: {}", fs::read_to_string(server.dir.path().join("log")).unwrap());
    }
    panic!("no server after five attempts");
}

/// The bucket, the key and the secret of [`s3`].
pub const BUCKET: &str = "mlx-test";
pub const KEY: &str = "mlxtestkey";
pub const SECRET: &str = "mlxtestsecret";

/// An S3 server that checks signatures.
pub fn s3() -> Option<Server> {
    let program = program("s3s-fs")?;
    Some(start(|dir, port| {
        fs::create_dir_all(dir.join("data").join(BUCKET)).unwrap();
        let mut command = Command::new(&program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--access-key", KEY, "--secret-key", SECRET]);
        command.arg(dir.join("data")).env("RUST_LOG", "error");
        command
    }))
}

/// The user and the password of [`webdav`] below `/auth/`.
pub const USER: &str = "mlx";
pub const PASSWORD: &str = "throwaway";

/// nginx with WebDAV at `/open/`, behind a password at `/auth/`, for reading only at `/read/`; `/away/` redirects to `away`.
pub fn webdav(away: &str) -> Option<Server> {
    let program = program("nginx")?;
    let module = Path::new("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so");
    if !module.exists() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "nginx has no dav-ext module");
        eprintln!("SKIPPED: nginx has no dav-ext module");
        return None;
    }
    Some(start(|dir, port| {
        let shown = dir.display();
        for name in ["root/open", "root/auth", "body"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        fs::write(dir.join("passwords"), format!("{USER}:{{PLAIN}}{PASSWORD}\n")).unwrap();
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let dav = "dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; dav_access user:rw;";
        let configuration = format!(
            "load_module {}; {user} daemon off; worker_processes 1; pid {shown}/pid; error_log {shown}/error.log;
            events {{ worker_connections 512; }}
            http {{
              access_log off; client_max_body_size 0; client_body_temp_path {shown}/body;
              proxy_temp_path {shown}/proxy; fastcgi_temp_path {shown}/fcgi; uwsgi_temp_path {shown}/uwsgi; scgi_temp_path {shown}/scgi;
              server {{
                listen 127.0.0.1:{port}; root {shown}/root;
                location /open/ {{ {dav} }}
                location /auth/ {{ auth_basic mlx; auth_basic_user_file {shown}/passwords; {dav} }}
                location /read/ {{ alias {shown}/root/open/; }}
                location /away/ {{ auth_basic mlx; auth_basic_user_file {shown}/passwords; rewrite ^ {away} redirect; }}
              }}
            }}",
            module.display()
        );
        fs::write(dir.join("nginx.conf"), configuration).unwrap();
        let mut command = Command::new(&program);
        command.arg("-e").arg(dir.join("error.log")).arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf"));
        command
    }))
}

/// An OCI registry; one that is not open lets in [`USER`] with [`PASSWORD`] only.
pub fn registry(is_open: bool) -> Option<Server> {
    let program = program("docker-registry")?;
    Some(start(|dir, port| {
        let shown = dir.display();
        // The bcrypt of the password.
        let hash = "$2y$05$.5D7a/Af13rpA5GUjDqYzuAPkp9Lnw1d6I0UMNPDerMSG/L3sY7pS";
        fs::write(dir.join("htpasswd"), format!("{USER}:{hash}\n")).unwrap();
        let auth = match is_open {
            true => String::new(),
            false => format!("auth: {{htpasswd: {{realm: mlx, path: \"{shown}/htpasswd\"}}}}\n"),
        };
        let configuration = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: \"{shown}/data\"}}, delete: {{enabled: true}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\", secret: throwaway}}\n{auth}"
        );
        fs::write(dir.join("registry.yml"), configuration).unwrap();
        let mut command = Command::new(&program);
        // Its own variables would come before the file.
        command.arg("serve").arg(dir.join("registry.yml")).env_clear().env("HOME", dir);
        command
    }))
}

/// The name that [`ssh`] gives its server in the configuration of the client.
pub const HOST: &str = "mlx-test";

/// An SSH server, and in `bin/` an `ssh` that knows its key, has the right client key, and calls it [`HOST`].
pub fn ssh() -> Option<Server> {
    let (server, client, keygen) = (program("sshd")?, program("ssh")?, program("ssh-keygen")?);
    if rustix::process::getuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let user = String::from_utf8(user).unwrap().trim().to_owned();
    Some(start(|dir, port| {
        let shown = dir.display();
        for key in ["host_key", "client_key", "wrong_key"] {
            let mut command = Command::new(&keygen);
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.join(key));
            assert!(command.status().unwrap().success());
        }
        let allowed = dir.join("client_key.pub");
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host_key\nPidFile {shown}/pid\n\
            AuthorizedKeysFile {}\nAuthenticationMethods publickey\nStrictModes no\nUsePAM no\nMaxStartups 100\n\
            PermitRootLogin prohibit-password\n",
            allowed.display()
        );
        fs::write(dir.join("sshd_config"), configuration).unwrap();
        let key = fs::read_to_string(dir.join("host_key.pub")).unwrap();
        fs::write(dir.join("known_hosts"), format!("{HOST} {key}")).unwrap();
        let configuration = format!(
            "Host {HOST}\nHostName 127.0.0.1\nPort {port}\nUser {user}\nIdentityFile {shown}/client_key\nIdentitiesOnly yes\n\
            HostKeyAlias {HOST}\nUserKnownHostsFile {shown}/known_hosts\nStrictHostKeyChecking yes\n"
        );
        fs::write(dir.join("ssh_config"), configuration).unwrap();
        fs::create_dir_all(dir.join("bin")).unwrap();
        let script = format!("#!/bin/sh\nexec {} -F {shown}/ssh_config \"$@\"\n", client.display());
        fs::write(dir.join("script"), script).unwrap();
        // A file that this process wrote can be busy for a moment, held by the child of another test.
        let installed =
            Command::new("install").args(["-m", "755"]).args([dir.join("script"), dir.join("bin/ssh")]).status();
        assert!(installed.unwrap().success());
        let mut command = Command::new(&server);
        command.args(["-D", "-e", "-f"]).arg(dir.join("sshd_config"));
        command
    }))
}

/// The container, the account and the key of [`azure`]; everybody knows the key.
pub const CONTAINER: &str = "mlx-test";
pub const ACCOUNT: &str = "devstoreaccount1";
pub const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Makes the container, which no client of ours does.
const MAKE_CONTAINER: &str = r#"
import base64, email.utils, hashlib, hmac, sys, urllib.request
port, account, key, container = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
blanks = "\n" * 12
text = f"PUT{blanks}x-ms-date:{date}\nx-ms-version:2021-12-02\n/{account}/{account}/{container}\nrestype:container"
sign = base64.b64encode(hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()).decode()
headers = {"x-ms-date": date, "x-ms-version": "2021-12-02", "Authorization": f"SharedKey {account}:{sign}", "Content-Length": "0"}
url = f"http://127.0.0.1:{port}/{account}/{container}?restype=container"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open(urllib.request.Request(url, method="PUT", headers=headers))
"#;

/// Azurite, where somebody installed it: `npm install --prefix DIR azurite@3.35.0`, with `DIR/node_modules/.bin` on the `PATH`.
/// It has 186 MB, which is more than CI takes for one back-end; no machine must have it.
pub fn azure() -> Option<Server> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program =
        std::env::split_paths(&path).map(|directory| directory.join("azurite-blob")).find(|path| path.is_file());
    let Some(program) = program else {
        eprintln!("SKIPPED: `azurite-blob` is not installed");
        return None;
    };
    let server = start(|dir, port| {
        let mut command = Command::new(&program);
        command.args(["--silent", "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.arg("--location").arg(dir.join("blobs"));
        command
    });
    let mut command = Command::new("python3");
    command.args(["-c", MAKE_CONTAINER, &server.port.to_string(), ACCOUNT, ACCOUNT_KEY, CONTAINER]);
    assert!(command.status().unwrap().success());
    Some(server)
}
