//! Killing the program at a chosen moment: after so many system calls of its main thread, counted through ptrace(2), so
//! that a sweep over them needs no clock and hits the same places each time.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr;

/// How a traced run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, after so many entries and exits of system calls.
    Completed {
        stops: u64,
    },
    Killed,
}

/// Runs the program and kills it, with all its threads, at this entry or exit of a system call of its main thread.
#[expect(clippy::zombie_processes, reason = "every way out waits for it, through waitpid")]
pub fn run(mut command: Command, stop_at: u64) -> End {
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
    let child = command.spawn().expect("the program starts and lets itself be traced");
    let process = child.id().cast_signed();
    wait(process);
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SETOPTIONS, process, options);
    let (mut stops, mut signal) = (0, 0);
    loop {
        request(libc::PTRACE_SYSCALL, process, signal);
        let status = wait(process);
        if libc::WIFEXITED(status) {
            return End::Completed { stops };
        }
        if libc::WIFSIGNALED(status) {
            return End::Killed;
        }
        signal = match libc::WSTOPSIG(status) {
            stop if stop == libc::SIGTRAP | 0x80 => {
                stops += 1;
                if stops == stop_at {
                    // SAFETY: a plain system call; the process is ours, and was not waited for to its end.
                    unsafe { libc::kill(process, libc::SIGKILL) };
                    while !libc::WIFSIGNALED(wait(process)) {}
                    return End::Killed;
                }
                0
            }
            libc::SIGTRAP => 0,
            other => other,
        };
    }
}

fn request(request: libc::c_uint, process: libc::pid_t, data: libc::c_int) {
    // SAFETY: none of the requests that are made here reads or writes memory of this process.
    unsafe { libc::ptrace(request, process, ptr::null_mut::<u8>(), data as libc::c_long) };
}

fn wait(process: libc::pid_t) -> libc::c_int {
    let mut status = 0;
    // SAFETY: `status` lives longer than the call.
    let waited = unsafe { libc::waitpid(process, &mut status, libc::__WALL) };
    assert_eq!(waited, process, "waitpid: {}", std::io::Error::last_os_error());
    status
}
