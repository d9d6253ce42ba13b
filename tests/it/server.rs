//! `mlx serve` as a child process, and requests over plain connections, for tests.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bundles::with_onnx;
use crate::harness::Project;

/// `mlx serve` as a child process; killed when dropped.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    /// What it says on stderr after it was ready.
    lines: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts it on a free port and waits until it says that it serves.
    pub fn start(project: &Project, arguments: &[&str]) -> Self {
        let arguments = [&["serve", "--port", "0"], arguments].concat();
        Self::of(project.command(&arguments))
    }

    /// Starts what becomes a server, and waits until it says that it serves.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut said = String::new();
        for line in lines.iter() {
            if let Some((_, address)) = line.split_once(" on http://").or_else(|| line.split_once(" on https://")) {
                return Self { child, address: address.parse().unwrap(), lines: Mutex::new(lines) };
            }
            said = format!("{said}{line}\n");
        }
        panic!("the server ended with {:?}:\n{said}", child.wait());
    }

    /// Starts what leads to a server, as `kubectl port-forward` does, and waits until it says where.
    pub fn forwarded(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_start_matches("Forwarding from ").split(" -> ").next().unwrap().parse();
        let address = address.unwrap_or_else(|_| panic!("{command:?} leads nowhere: {line}"));
        Self { child, address, lines: Mutex::new(mpsc::channel().1) }
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    /// Sends these bytes and reads until the server closes.
    pub fn exchange(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that refuses may close before it has read everything.
        let _ = stream.write_all(request);
        Answer::read(stream)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.exchange(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.exchange(post(path, body).as_bytes())
    }

    /// A POST with these headers, each ended by CRLF, and this body.
    pub fn send(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        self.exchange(&[head.as_bytes(), body].concat())
    }

    pub fn infer(&self, body: &str) -> Answer {
        self.post("/v2/models/m/infer", body)
    }

    #[track_caller]
    pub fn assert_answers(&self) {
        let answer = self.infer(&rows("[[1, 2, 3]]"));
        assert_eq!((answer.status, &answer.json()["outputs"][0]["data"]), (200, &json!([2.5])), "{}", answer.body);
    }

    /// Waits until it says a line that holds this text.
    #[track_caller]
    pub fn await_line(&self, text: &str) -> String {
        let lines = self.lines.lock().unwrap();
        let found = lines.iter().find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("the server ended without `{text}`"))
    }

    /// Asks it to stop; returns its exit code and what it said.
    pub fn stop(mut self) -> (Option<i32>, Vec<String>) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let code = self.child.wait().unwrap().code();
        (code, self.lines.lock().unwrap().iter().collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    /// As text, with what is none replaced.
    pub body: String,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // The connection may be reset once the answer is there.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let body = end.map(|end| bytes.split_off(end + 4)).unwrap_or_default();
        let head = String::from_utf8(bytes).unwrap();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: String::from_utf8_lossy(&body).into_owned(), bytes: body }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

pub fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A request of the linear model with these rows.
pub fn rows(data: &str) -> String {
    let count = serde_json::from_str::<Vec<Value>>(data).unwrap().len();
    format!(r#"{{"inputs": [{{"name": "x", "shape": [{count}, 3], "datatype": "FP32", "data": {data}}}]}}"#)
}

/// A project with a bundle of the linear model in `dist/m-1.tar`, and what `mlx package` said.
pub fn packaged() -> (Project, Value) {
    let project = with_onnx("examples = \"rows.csv\"\n").write("rows.csv", "height,width,depth\n1,2,3\n0,0,1\n");
    let packaged = project.mlx(&["package", "m", "--json"]).success().json();
    (project, packaged)
}

/// The same, unpacked into `release/`.
pub fn unpacked() -> Project {
    let (project, _) = packaged();
    project.mlx(&["bundle", "unpack", "dist/m-1.tar", "release"]).success();
    project
}

/// Replaces a read-only file.
pub fn replace(path: &Path, content: &[u8]) {
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
}
