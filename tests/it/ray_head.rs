//! A Ray of one machine for a test: a head node with its Jobs API, on ports and in a directory of its own.

#![expect(clippy::print_stderr, reason = "a head node that does not start says so")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::cluster::wait_until;
use super::ports::Port;
use super::services::program;

/// A running head node; everything of it ends when dropped.
pub struct Head {
    program: PathBuf,
    dir: TempDir,
    ports: [Port; 4],
    /// One head at a time: each takes much memory.
    _alone: File,
}

impl Head {
    /// Starts one; `None` where Ray is not installed.
    pub fn start() -> Option<Self> {
        let program = program("ray")?;
        let alone = File::create(std::env::temp_dir().join("mlx-ray-test.lock")).unwrap();
        alone.lock().unwrap();
        // Short: paths of sockets have a limit.
        let dir = tempfile::Builder::new().prefix("mlxray").tempdir().unwrap();
        let ports = std::array::from_fn(|_| Port::reserve());
        let mut head = Self { program, dir, ports, _alone: alone };
        head.start_again();
        Some(head)
    }

    /// Starts the head node, which knows of no job.
    pub fn start_again(&mut self) {
        let [gcs, dashboard, client, agent] = self.ports.each_ref().map(|port| port.number);
        let log = self.dir.path().join("log");
        let output = File::create(&log).unwrap();
        let mut command = Command::new(&self.program);
        command
            .args(["start", "--head", "--node-ip-address=127.0.0.1", "--disable-usage-stats"])
            .args(["--include-dashboard=true", "--dashboard-host=127.0.0.1", "--num-cpus=8", "--num-gpus=2"])
            .args(["--object-store-memory=100000000", "--min-worker-port=0", "--max-worker-port=0"])
            .arg(format!("--port={gcs}"))
            .arg(format!("--dashboard-port={dashboard}"))
            .arg(format!("--ray-client-server-port={client}"))
            .arg(format!("--dashboard-agent-listen-port={agent}"))
            .arg(format!("--temp-dir={}", self.dir.path().join("r").display()))
            .env("RAY_USAGE_STATS_ENABLED", "0")
            .env("MLX_RAY_TEST", self.mark())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        let status = command.status().unwrap();
        assert!(status.success(), "{}", fs::read_to_string(log).unwrap());
        let is_up = || {
            let nodes = self.http("GET", "/nodes?view=summary").map_or(String::new(), |(_, nodes)| nodes);
            self.http("GET", "/api/jobs/").is_some_and(|(status, _)| status == 200) && nodes.contains("raylet")
        };
        wait_until("the head node", is_up);
    }

    fn mark(&self) -> String {
        self.dir.path().display().to_string()
    }

    /// Where its Jobs API is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[1].number)
    }

    /// Asks it something; `None` where it does not answer.
    pub fn http(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[1].number)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\nHost: ray\r\nContent-Length: 0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    /// The jobs that it knows, by name, and how each is.
    pub fn jobs(&self) -> Vec<(String, String)> {
        let (_, jobs) = self.http("GET", "/api/jobs/").unwrap();
        let jobs: Vec<Value> = serde_json::from_str(&jobs).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut jobs: Vec<_> = jobs.iter().map(|job| (text(&job["submission_id"]), text(&job["status"]))).collect();
        jobs.sort();
        jobs
    }

    /// How its jobs are.
    pub fn states(&self) -> Vec<String> {
        self.jobs().into_iter().map(|(_, state)| state).collect()
    }

    /// Somebody stops a job.
    pub fn stop_job(&self, name: &str) {
        assert_eq!(self.http("POST", &format!("/api/jobs/{name}/stop")).unwrap().0, 200);
    }

    /// The node is lost, with what Ray keeps on it.
    pub fn kill(&self) {
        self.kill_all(|words| {
            ["gcs_server", "raylet", "dashboard", "log_monitor"].iter().any(|name| words.contains(name))
        });
        wait_until("the end of the head node", || self.http("GET", "/api/version").is_none());
    }

    /// Kills the processes of this head node whose command line is meant. Says whether there were any.
    fn kill_all(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        let mark = format!("MLX_RAY_TEST={}", self.mark());
        let mut is_any = false;
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let (Some(pid), Ok(environment)) = (pid, fs::read(entry.path().join("environ"))) else { continue };
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let is_ours = environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes());
            if is_ours && is_meant(&String::from_utf8_lossy(&words)) {
                is_any = true;
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        is_any
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        let began = Instant::now();
        while self.kill_all(|_| true) && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50));
        }
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.dir.path().join("log")).unwrap_or_default());
        }
    }
}
