//! Following the program through ptrace(2): every call of all its threads that changes a file, to look at their order,
//! to kill the program at one of them, or to let one fail.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{mem, ptr};

/// A call that changes what lies on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub what: What,
    /// The file, or its old name.
    pub path: PathBuf,
    /// The new name.
    pub to: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Create,
    Write,
    Sync,
    Rename,
    Link,
    Remove,
    MakeDirectory,
    Change,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Happens,
    /// The program is killed before it.
    Kills,
    /// It changes nothing and gives this error.
    Fails(i32),
}

/// How a followed program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    Killed,
}

/// Whether calls can be made to fail on this machine.
pub const CAN_FAIL: bool = cfg!(target_arch = "x86_64");

/// Hears of every call that changes a file.
pub trait Follower {
    /// Before it happens.
    fn before(&mut self, call: &Call) -> Fate;

    /// After a sync that succeeded.
    fn synced(&mut self, _: &Call) {}
}

/// Counts calls, and lets one of them have a fate.
#[derive(Debug, Default)]
pub struct Nth {
    pub count: usize,
    /// Which call, counted from one, and what becomes of it.
    pub fate: Option<(usize, Fate)>,
    /// The call that it was.
    pub hit: Option<Call>,
}

impl Follower for Nth {
    fn before(&mut self, call: &Call) -> Fate {
        self.count += 1;
        match self.fate {
            Some((number, fate)) if number == self.count => {
                self.hit = Some(call.clone());
                fate
            }
            _ => Fate::Happens,
        }
    }
}

/// Runs the program to its end; the follower hears of calls that change files below `root`.
pub fn follow(mut command: Command, root: &Path, follower: &mut dyn Follower) -> End {
    let root = root.canonicalize().unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: the closure makes one system call and touches no memory.
    unsafe {
        command.pre_exec(|| {
            match libc::ptrace(libc::PTRACE_TRACEME, 0, ptr::null_mut::<u8>(), ptr::null_mut::<u8>()) {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
    let leader = command.spawn().expect("the program starts and lets itself be traced").id().cast_signed();
    wait_for(leader);
    request(libc::PTRACE_SETOPTIONS, leader, options());
    resume(leader, 0);
    let mut known = HashSet::from([leader]);
    // What a thread is in the middle of.
    let mut inside: HashMap<i32, Inside> = HashMap::new();
    loop {
        let (thread, status) = wait_for_any();
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            if thread == leader {
                return if libc::WIFEXITED(status) { End::Exited(libc::WEXITSTATUS(status)) } else { End::Killed };
            }
            continue;
        }
        let signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP | 0x80 {
            match inside.remove(&thread) {
                None => inside.extend(enter(thread, leader, &root, follower).map(|inside| (thread, inside))),
                Some(entered) => leave(thread, entered, follower),
            }
            resume(thread, 0);
        } else if known.insert(thread) || signal == libc::SIGTRAP {
            // A new thread's first stop, or the news of one.
            resume(thread, 0);
        } else {
            resume(thread, signal);
        }
    }
}

/// What a thread does from one stop to the next.
enum Inside {
    Other,
    Sync(Call),
    Failing(i32),
}

/// At the entry of a call; `None` where the program is being killed.
fn enter(thread: i32, leader: i32, root: &Path, follower: &mut dyn Follower) -> Option<Inside> {
    let info = information(thread).filter(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY);
    // SAFETY: the operation says that this member is the one that was written.
    let entry = info.map(|info| unsafe { info.u.entry });
    let call = entry.and_then(|entry| call(thread, entry.nr.cast_signed(), &entry.args));
    let Some(call) = call.filter(|call| call.path.starts_with(root) || call.to.starts_with(root)) else {
        return Some(Inside::Other);
    };
    match follower.before(&call) {
        Fate::Happens if call.what == What::Sync => Some(Inside::Sync(call)),
        Fate::Happens => Some(Inside::Other),
        Fate::Kills => {
            // SAFETY: a plain system call; the process is ours, and was not waited for to its end.
            unsafe { libc::kill(leader, libc::SIGKILL) };
            None
        }
        Fate::Fails(errno) => {
            set_register(thread, Register::Call, -1);
            Some(Inside::Failing(errno))
        }
    }
}

fn leave(thread: i32, inside: Inside, follower: &mut dyn Follower) {
    match inside {
        Inside::Other => {}
        Inside::Failing(errno) => set_register(thread, Register::Result, -i64::from(errno)),
        Inside::Sync(call) => {
            let info = information(thread).filter(|info| info.op == libc::PTRACE_SYSCALL_INFO_EXIT);
            // SAFETY: the operation says that this member is the one that was written.
            if info.is_some_and(|info| unsafe { info.u.exit.sval } == 0) {
                follower.synced(&call);
            }
        }
    }
}

/// What the kernel tells of the call that a thread has stopped in.
fn information(thread: i32) -> Option<libc::ptrace_syscall_info> {
    // SAFETY: the structure is plain numbers, for which zeros are fine.
    let mut info: libc::ptrace_syscall_info = unsafe { mem::zeroed() };
    let (size, place) = (mem::size_of::<libc::ptrace_syscall_info>(), ptr::from_mut(&mut info));
    // SAFETY: the kernel writes at most `size` bytes to `info`, which lives longer than the call.
    let got = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, thread, size as *mut u8, place.cast::<u8>()) };
    (got > 0).then_some(info)
}

enum Register {
    Call,
    Result,
}

/// Changes which call is made, or what it gave.
#[cfg(target_arch = "x86_64")]
fn set_register(thread: i32, register: Register, value: i64) {
    let offset = 8 * match register {
        Register::Call => libc::ORIG_RAX,
        Register::Result => libc::RAX,
    };
    // SAFETY: writes a register of a stopped thread, no memory of this process.
    unsafe { libc::ptrace(libc::PTRACE_POKEUSER, thread, offset as *mut u8, value as *mut u8) };
}

#[cfg(not(target_arch = "x86_64"))]
fn set_register(_: i32, _: Register, _: i64) {
    unreachable!("no call is made to fail here");
}

/// What a system call does to files; `None` where it changes none.
fn call(thread: i32, number: i64, args: &[u64; 6]) -> Option<Call> {
    let file = |argument: u64| std::fs::read_link(format!("/proc/{thread}/fd/{}", argument as i32)).unwrap_or_default();
    let directory = |argument: u64| match argument as i32 {
        libc::AT_FDCWD => std::fs::read_link(format!("/proc/{thread}/cwd")).unwrap_or_default(),
        _ => file(argument),
    };
    let path = |at: u64, address: u64| directory(at).join(text(thread, address));
    let here = libc::AT_FDCWD as u64;
    let one = |what, path| Some(Call { what, path, to: PathBuf::new() });
    let two = |what, path, to| Some(Call { what, path, to });
    match number {
        libc::SYS_openat if args[2] as i32 & libc::O_CREAT != 0 => one(What::Create, path(args[0], args[1])),
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_copy_file_range => {
            one(What::Write, file(if number == libc::SYS_copy_file_range { args[2] } else { args[0] }))
        }
        libc::SYS_fsync | libc::SYS_fdatasync => one(What::Sync, file(args[0])),
        libc::SYS_renameat2 | libc::SYS_renameat => two(What::Rename, path(args[0], args[1]), path(args[2], args[3])),
        libc::SYS_linkat => two(What::Link, path(args[0], args[1]), path(args[2], args[3])),
        libc::SYS_unlinkat => one(What::Remove, path(args[0], args[1])),
        libc::SYS_mkdirat => one(What::MakeDirectory, path(args[0], args[1])),
        libc::SYS_ftruncate | libc::SYS_fchmod => one(What::Change, file(args[0])),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open if args[1] as i32 & libc::O_CREAT != 0 => one(What::Create, path(here, args[0])),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => two(What::Rename, path(here, args[0]), path(here, args[1])),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_link => two(What::Link, path(here, args[0]), path(here, args[1])),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink | libc::SYS_rmdir => one(What::Remove, path(here, args[0])),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => one(What::MakeDirectory, path(here, args[0])),
        _ => None,
    }
}

/// The text at an address of the program, up to its NUL.
fn text(thread: i32, address: u64) -> PathBuf {
    let Ok(memory) = File::open(format!("/proc/{thread}/mem")) else { return PathBuf::new() };
    let mut text = Vec::new();
    while text.len() < 4096 {
        // Never beyond the end of a page, behind which there may be nothing.
        let position = address + text.len() as u64;
        let mut piece = vec![0; 4096 - (position % 4096) as usize];
        let count = memory.read_at(&mut piece, position).unwrap_or(0);
        let end = piece[..count].iter().position(|byte| *byte == 0);
        text.extend_from_slice(&piece[..end.unwrap_or(count)]);
        if end.is_some() || count == 0 {
            break;
        }
    }
    PathBuf::from(OsString::from_vec(text))
}

fn options() -> libc::c_long {
    let options = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_EXITKILL
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK;
    libc::c_long::from(options)
}

fn resume(thread: i32, signal: i32) {
    request(libc::PTRACE_SYSCALL, thread, libc::c_long::from(signal));
}

/// A thread that was killed meanwhile is no failure.
fn request(request: libc::c_uint, thread: i32, data: libc::c_long) {
    // SAFETY: none of the requests that are made here reads or writes memory of this process.
    unsafe { libc::ptrace(request, thread, ptr::null_mut::<u8>(), data as *mut u8) };
}

fn wait_for(process: i32) {
    let mut status = 0;
    // SAFETY: `status` lives longer than the call.
    let waited = unsafe { libc::waitpid(process, &mut status, libc::__WALL) };
    assert_eq!(waited, process, "waitpid: {}", std::io::Error::last_os_error());
}

/// Waits for whatever this thread follows; other tests of this process wait for their own.
fn wait_for_any() -> (i32, i32) {
    let mut status = 0;
    // SAFETY: `status` lives longer than the call.
    let waited = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
    assert!(waited > 0, "waitpid: {}", std::io::Error::last_os_error());
    (waited, status)
}
