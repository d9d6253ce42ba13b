//! A Slurm of one machine for a test: its own munged, slurmctld and slurmd on ports and in a directory of its own.

#![expect(clippy::print_stderr, reason = "a test that is skipped, and a daemon that does not start, say so")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::harness::Project;
use super::ports::Port;
use super::services::program;

/// Waits until something holds; a test that waits in vain fails.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(180), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running Slurm; everything of it ends when dropped.
pub struct Cluster {
    dir: TempDir,
    /// Of the controller, of the node, and of who keeps accounts.
    ports: [Port; 3],
    controller: Option<Child>,
    others: Vec<Child>,
}

impl Cluster {
    /// Starts one. `more` is nothing, or how many seconds it remembers a job that is over, and another setting: `5 X=1`. `None` where Slurm is not installed or may not be started.
    pub fn start(more: &str) -> Option<Self> {
        Self::is_possible()?;
        (0..3).find_map(|_| Self::try_start(more, false)).or_else(|| panic!("Slurm did not start"))
    }

    /// `None` where Slurm is not installed or may not be started.
    fn is_possible() -> Option<()> {
        for name in ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol"] {
            program(name)?;
        }
        if !rustix::process::getuid().is_root() {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the Slurm of the tests needs root");
            eprintln!("SKIPPED: the Slurm of the tests needs root");
            return None;
        }
        Some(())
    }

    /// One that forgets a job soon after it is over, and that has somebody who keeps accounts of jobs.
    pub fn start_with_accounts() -> Option<Self> {
        for name in ["slurmdbd", "mariadbd", "mariadb-install-db", "mariadb", "sacct"] {
            program(name)?;
        }
        Self::is_possible()?;
        (0..3).find_map(|_| Self::try_start("2 ", true)).or_else(|| panic!("Slurm did not start"))
    }

    /// A database in the directory, and who keeps accounts in it.
    fn start_accounts(&mut self, host: &str) {
        let port = self.ports[2].number;
        let shown = self.dir.path().display().to_string();
        let (data, socket) = (format!("{shown}/mysql"), format!("{shown}/mysql.sock"));
        let made = Command::new(program("mariadb-install-db").unwrap())
            .args(["--no-defaults", "--user=root", "--skip-test-db", &format!("--datadir={data}")])
            .arg("--auth-root-authentication-method=normal")
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let arguments = [
            "--no-defaults".to_owned(),
            "--user=root".into(),
            format!("--datadir={data}"),
            format!("--socket={socket}"),
            format!("--pid-file={shown}/mysql.pid"),
            format!("--log-error={shown}/mysql.log"),
            "--skip-networking".into(),
            "--innodb-buffer-pool-size=64M".into(),
            "--innodb-lock-wait-timeout=900".into(),
        ];
        let database = self.spawn("mariadbd", &arguments.map(|argument| argument.leak() as &str));
        self.others.push(database);
        let client = program("mariadb").unwrap();
        wait_until("the database", || {
            let mut command = Command::new(&client);
            command.args(["--no-defaults", "--user=root", &format!("--socket={socket}")]);
            command.args(["--execute", "create database if not exists slurm_acct_db"]);
            command.output().unwrap().status.success()
        });
        let configuration = format!(
            "AuthType=auth/munge\nAuthInfo=socket={shown}/munge\nDbdHost={host}\nDbdAddr=127.0.0.1\nDbdPort={port}\n\
             CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\nSlurmUser=root\nPidFile={shown}/dbd.pid\n\
             LogFile={shown}/dbd.log\nStorageType=accounting_storage/mysql\nStorageHost=localhost\nStorageUser=root\n\
             StorageLoc=slurm_acct_db\n"
        );
        let file = self.dir.path().join("slurmdbd.conf");
        fs::write(&file, configuration).unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut command = Command::new(program("slurmdbd").unwrap());
        command.arg("-D").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("SLURM_CONF", self.configuration()).env("MYSQL_UNIX_PORT", socket);
        self.others.push(command.spawn().unwrap());
        wait_until("slurmdbd", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    fn try_start(more: &str, has_accounts: bool) -> Option<Self> {
        // Short: paths of sockets have a limit.
        let dir = tempfile::Builder::new().prefix("mlx-slurm-").tempdir().unwrap();
        let ports = std::array::from_fn(|_| Port::reserve());
        let mut cluster = Self { dir, ports, controller: None, others: Vec::new() };
        let path = cluster.dir.path();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["state", "spool"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        let mut key = vec![7; 64];
        key[0] = u8::try_from(std::process::id() % 256).unwrap();
        fs::write(path.join("key"), key).unwrap();
        fs::set_permissions(path.join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let host = rustix::system::uname().nodename().to_string_lossy().split('.').next().unwrap().to_owned();
        let [controller, node, accounts] = cluster.ports.each_ref().map(|port| port.number);
        let shown = path.display();
        let (age, more) = more.split_once(' ').map_or(("300", more), |(age, more)| (age, more));
        let keeps = match has_accounts {
            // Where munged listens; nothing secret.
            true => format!(
                "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n\
                 AccountingStoragePort={accounts}\nAccountingStoragePass={shown}/munge\n"
            ),
            false => "AccountingStorageType=accounting_storage/none\n".to_owned(),
        };
        let configuration = format!(
            "ClusterName=mlxtest\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
            CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\nSlurmUser=root\nSlurmdUser=root\nAuthType=auth/munge\n\
            AuthInfo=socket={shown}/munge\nCredType=cred/munge\nStateSaveLocation={shown}/state\nSlurmdSpoolDir={shown}/spool\n\
            SlurmctldPidFile={shown}/ctld.pid\nSlurmdPidFile={shown}/d.pid\nSlurmctldLogFile={shown}/ctld.log\n\
            SlurmdLogFile={shown}/d.log\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\n\
            MpiDefault=none\nReturnToService=2\nJobRequeue=1\nMinJobAge={age}\nMaxArraySize=1001\nKillWait=2\n\
            SlurmctldTimeout=30\nSlurmdTimeout=30\nInactiveLimit=0\nSchedulerType=sched/backfill\n\
            SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,bf_interval=2\nSelectType=select/cons_tres\n\
            SelectTypeParameters=CR_CPU_Memory\nDefMemPerCPU=64\nJobAcctGatherType=jobacct_gather/linux\n\
            JobAcctGatherFrequency=task=1\nJobAcctGatherParams=OverMemoryKill\n{keeps}\
            PreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\nSlurmdParameters=config_overrides\n\
            NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=4000 State=UNKNOWN\n\
            PartitionName=main Nodes={host} Default=YES MaxTime=60 DefaultTime=10 PriorityTier=10 State=UP\n\
            PartitionName=urgent Nodes={host} MaxTime=60 DefaultTime=10 PriorityTier=20 PreemptMode=OFF State=UP\n{more}\n"
        );
        fs::write(path.join("slurm.conf"), configuration).unwrap();
        let munge = format!("{shown}/munge");
        let arguments = [
            "--foreground".to_owned(),
            "--force".into(),
            format!("--socket={munge}"),
            format!("--key-file={shown}/key"),
            format!("--pid-file={shown}/munged.pid"),
            format!("--log-file={shown}/munged.log"),
            format!("--seed-file={shown}/seed"),
        ];
        cluster.others.push(cluster.spawn("munged", &arguments.map(|argument| argument.leak() as &str)));
        wait_until("munged", || fs::exists(&munge).unwrap());
        if has_accounts {
            cluster.start_accounts(&host);
        }
        cluster.start_controller();
        let node = cluster.spawn("slurmd", &["-D", "-f", &cluster.configuration()]);
        cluster.others.push(node);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            // `idle*` is a node that does not answer.
            if cluster.node_state() == "idle" {
                return Some(cluster);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for log in ["ctld.log", "d.log", "munged.log"] {
            eprintln!("{log}: {}", fs::read_to_string(cluster.dir.path().join(log)).unwrap_or_default());
        }
        None
    }

    fn configuration(&self) -> String {
        self.dir.path().join("slurm.conf").to_str().unwrap().to_owned()
    }

    fn spawn(&self, name: &str, arguments: &[&str]) -> Child {
        let mut command = Command::new(program(name).unwrap());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").spawn().unwrap()
    }

    pub fn start_controller(&mut self) {
        self.controller = Some(self.spawn("slurmctld", &["-D", "-f", &self.configuration()]));
    }

    /// Kills the controller; jobs go on.
    pub fn kill_controller(&mut self) {
        let mut controller = self.controller.take().unwrap();
        controller.kill().unwrap();
        controller.wait().unwrap();
    }

    /// A program of Slurm, and what it prints.
    pub fn slurm(&self, name: &str, arguments: &[&str]) -> String {
        let output = Command::new(name).args(arguments).env("SLURM_CONF", self.configuration()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The machine's only node.
    fn node(&self) -> String {
        self.slurm("sinfo", &["--noheader", "--format=%n"]).trim().to_owned()
    }

    /// The node is lost, with what runs on it.
    pub fn lose_node(&self) {
        let node = self.node();
        // A node that registers in this moment, which it does some time after it came back, is taken for there again.
        wait_until("the loss of the node", || {
            self.slurm("scontrol", &["update", &format!("nodename={node}"), "state=down", "reason=test"]);
            self.node_state().starts_with("down")
        });
    }

    /// The node is there again, and what waits for it may start now.
    pub fn find_node(&self) {
        let node = self.node();
        wait_until("the node", || {
            self.slurm("scontrol", &["update", &format!("nodename={node}"), "state=resume"]);
            ["idle", "mixed", "allocated"].contains(&self.node_state().trim_end_matches('*'))
        });
        for job in self.jobs() {
            let id = job.split(' ').next().unwrap();
            self.slurm("scontrol", &["update", &format!("jobid={id}"), "starttime=now"]);
        }
    }

    fn node_state(&self) -> String {
        self.slurm("sinfo", &["--noheader", "--format=%T"]).lines().next().unwrap_or_default().trim().to_owned()
    }

    /// Jobs that are in the queue or run, as `id state`, one per element.
    pub fn jobs(&self) -> Vec<String> {
        let listed = self.slurm("squeue", &["--noheader", "--array", "--format=%i %T"]);
        listed.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// All jobs that are known, as `id state`.
    pub fn all_jobs(&self) -> Vec<String> {
        let listed = self.slurm("squeue", &["--noheader", "--array", "--states=all", "--format=%i %T"]);
        listed.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// All jobs that are known, once all of them are over.
    pub fn ended_jobs(&self) -> Vec<String> {
        wait_until("the end of all jobs", || self.jobs().is_empty());
        self.all_jobs()
    }

    /// `mlx` in this project, where it finds this Slurm.
    pub fn command(&self, project: &Project, arguments: &[&str]) -> Command {
        let mut command = project.command(arguments);
        command.env("SLURM_CONF", self.configuration());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ =
            Command::new("scancel").args(["--user=root", "--hurry"]).env("SLURM_CONF", self.configuration()).output();
        let began = Instant::now();
        while self.controller.is_some() && !self.jobs().is_empty() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(50));
        }
        for child in self.controller.iter_mut().chain(self.others.iter_mut().rev()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
