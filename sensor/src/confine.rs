//! What the program may still do once its interfaces are open: read them, and write where it was told to.
//!
//! The main thread opens everything, then confines itself, and only then starts the threads, which inherit all of it.
//! Capabilities go (capabilities(7)), seccomp(2) refuses sockets, programs and whatever else reaches beyond the process,
//! also a write into a port that is listened to, and Landlock keeps writes inside the folders that were named. What the
//! kernel cannot do is said, never left out in silence.

use landlock::{ABI, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr};
use landlock::{RulesetCreatedAttr, RulesetStatus};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// Why this thread cannot be confined as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    /// The kernel refuses the filter of system calls.
    #[error("system calls cannot be filtered: {0}")]
    Seccomp(String),
    /// Capabilities stay.
    #[error("capabilities cannot be given up: {0}")]
    Capabilities(rustix::io::Errno),
}

/// Confines this thread and those that it starts: writes only below `writable`, nothing at all into `ports`. Tells what this
/// kernel cannot do, in words.
///
/// Fails when system calls cannot be filtered or capabilities not be given up.
pub(crate) fn confine(writable: &[PathBuf], ports: &[RawFd]) -> Result<Vec<String>, ConfineError> {
    set_no_new_privs(true).map_err(ConfineError::Capabilities)?;
    let mut missing = Vec::new();
    missing.extend(keep_inside(writable).err());
    give_up_capabilities()?;
    filter_calls(refused(), ports)?;
    Ok(missing)
}

/// What a thread that sends may reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// The port of its endpoint.
    pub(crate) port: u16,
    /// Whether the endpoint has a name, which a name server has to be asked for.
    pub(crate) is_named: bool,
}

/// Confines this thread, and those that it starts, as [`confine`] does, but that it may open connections to an endpoint: TCP
/// to its port, and datagrams where its name has to be asked for. What a kernel cannot do is told in words.
///
/// Fails when system calls cannot be filtered or capabilities not be given up.
pub(crate) fn confine_sender(writable: &[PathBuf], ports: &[RawFd], reach: Reach) -> Result<Vec<String>, ConfineError> {
    set_no_new_privs(true).map_err(ConfineError::Capabilities)?;
    let mut missing = Vec::new();
    missing.extend(keep_inside(writable).err());
    missing.extend(bind_connections(reach).err());
    give_up_capabilities()?;
    filter_calls(refused_to_senders(reach)?, ports)?;
    Ok(missing)
}

/// Connections to other ports. A name server may be asked over TCP too.
fn bind_connections(reach: Reach) -> Result<(), String> {
    let restrict = || -> Result<(), landlock::RulesetError> {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let mut ruleset = ruleset.handle_access(AccessNet::ConnectTcp | AccessNet::BindTcp)?.create()?;
        for port in std::iter::once(reach.port).chain(reach.is_named.then_some(DNS)) {
            ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
        }
        ruleset.restrict_self().map(drop)
    };
    restrict().map_err(|_| {
        "this kernel has no Landlock for connections: nothing but the settings says where it sends".to_owned()
    })
}

const DNS: u16 = 53;

/// All go but the one by which root writes into folders of others: where Landlock is, it keeps that inside.
fn give_up_capabilities() -> Result<(), ConfineError> {
    let held = rustix::thread::capabilities(None).map_err(ConfineError::Capabilities)?;
    let kept = held.permitted & CapabilitySet::DAC_OVERRIDE;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(ConfineError::Capabilities)
}

/// Writes, and programs, outside of some folders.
fn keep_inside(writable: &[PathBuf]) -> Result<(), String> {
    let folders = writable.iter().map(PathFd::new).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let writing = AccessFs::from_write(ABI::V5);
    let restrict = || -> Result<RulesetStatus, landlock::RulesetError> {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
        let mut ruleset = ruleset.handle_access(writing | AccessFs::Execute)?.create()?;
        for folder in folders {
            ruleset = ruleset.add_rule(PathBeneath::new(folder, writing))?;
        }
        Ok(ruleset.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => Ok(()),
        Ok(RulesetStatus::NotEnforced) => {
            Err("this kernel has no Landlock: writes are not kept inside folders".to_owned())
        }
        Err(error) => Err(format!("writes are not kept inside folders: {error}")),
    }
}

/// Calls that are refused whatever they ask for: new sockets and whoever speaks through one, programs, other processes,
/// mounts, modules, namespaces, keys, and the doors around all of these.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
];

/// Calls that write into what their first argument names: a port that is listened to would send it.
const WRITING: &[libc::c_long] = &[
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendfile,
    libc::SYS_splice,
];

/// Which argument of a call names what is written into.
fn target_of(call: libc::c_long) -> u8 {
    if call == libc::SYS_splice { 2 } else { 0 }
}

/// The calls that a thread without a network is refused, whatever they ask for.
fn refused() -> Rules {
    REFUSED.iter().map(|call| (*call, Vec::new())).collect()
}

/// The calls that a sender is refused: sockets of every other family and type than it needs.
fn refused_to_senders(reach: Reach) -> Result<Rules, ConfineError> {
    let mut rules = refused();
    for call in [libc::SYS_connect, libc::SYS_sendto, libc::SYS_sendmsg, libc::SYS_sendmmsg] {
        rules.remove(&call);
    }
    let condition = |argument: u8, comparison: SeccompCmpOp, value: libc::c_int| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, u64::from(value.cast_unsigned()))
    };
    let rule = |conditions: Vec<_>| -> Result<SeccompRule, seccompiler::BackendError> {
        SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
    };
    let other_family = [libc::AF_INET, libc::AF_INET6].map(|family| condition(0, SeccompCmpOp::Ne, family));
    let mut of_socket = vec![rule(other_family.into())];
    let is_needed = |kind: libc::c_int| kind == libc::SOCK_STREAM || reach.is_named && kind == libc::SOCK_DGRAM;
    let mask = u64::from(KINDS_OF_SOCKETS.cast_unsigned());
    for kind in (0..=KINDS_OF_SOCKETS).filter(|kind| !is_needed(*kind)) {
        of_socket.push(rule(vec![condition(1, SeccompCmpOp::MaskedEq(mask), kind)]));
    }
    let of_socket = of_socket.into_iter().collect::<Result<Vec<_>, _>>();
    rules.insert(libc::SYS_socket, of_socket.map_err(|error| ConfineError::Seccomp(error.to_string()))?);
    Ok(rules)
}

/// The bits of a socket's type that are its kind; the others are flags (socket(2)).
const KINDS_OF_SOCKETS: libc::c_int = 0xF;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn filter_calls(mut rules: Rules, ports: &[RawFd]) -> Result<(), ConfineError> {
    let failed = |error: &dyn std::fmt::Display| ConfineError::Seccomp(error.to_string());
    // Whatever is refused altogether needs no rule for a port.
    for call in WRITING.iter().filter(|call| !rules.contains_key(*call)).copied().collect::<Vec<_>>() {
        let of_port = |port: &RawFd| {
            let port = u64::from(port.cast_unsigned());
            let is_port = SeccompCondition::new(target_of(call), SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, port)?;
            SeccompRule::new(vec![is_port])
        };
        let of_call = ports.iter().map(of_port).collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
        if !of_call.is_empty() {
            rules.insert(call, of_call);
        }
    }
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let here = std::env::consts::ARCH.try_into().map_err(|error: seccompiler::BackendError| failed(&error))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, here).map_err(|error| failed(&error))?;
    let program = BpfProgram::try_from(filter).map_err(|error| failed(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::{ErrorKind, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixStream};
    use std::process::Command;

    /// A thread alone is confined: what it tried, and what became of it.
    fn confined<T: Send>(writable: &[PathBuf], ports: &[RawFd], attempt: impl FnOnce(&[String]) -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = || attempt(&confine(writable, ports).expect("this thread is confined"));
            scope.spawn(inside).join().expect("it ends")
        })
    }

    #[test]
    fn nothing_leaves_by_any_door() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (mut port, _other) = UnixStream::pair().expect("a pair");
        let number = port.as_raw_fd();
        let attempts = confined(&[folder.path().to_owned()], &[number], |_| {
            let is_denied =
                |result: std::io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
            vec![
                ("a connection", is_denied(TcpStream::connect(address).map(drop))),
                ("a server", is_denied(TcpListener::bind("127.0.0.1:0").map(drop))),
                ("a datagram", is_denied(UdpSocket::bind("127.0.0.1:0").map(drop))),
                ("a local socket", is_denied(UnixDatagram::unbound().map(drop))),
                ("an answer", is_denied(listener.accept().map(drop))),
                ("a program", is_denied(Command::new("/bin/true").status().map(drop))),
                ("a frame into a port", is_denied(port.write_all(b"frame"))),
                ("a new root", is_denied(std::os::unix::fs::chroot("/").map(drop))),
                ("another namespace", is_denied(call(libc::SYS_unshare, libc::CLONE_NEWNET.into()))),
                ("a look into others", is_denied(call(libc::SYS_ptrace, 16))),
                ("a program for the kernel", is_denied(call(libc::SYS_bpf, 0))),
                ("a ring around the filter", is_denied(call(libc::SYS_io_uring_setup, 1))),
                ("a module", is_denied(call(libc::SYS_delete_module, 0))),
                ("a clock", is_denied(call(libc::SYS_settimeofday, 0))),
                ("a key", is_denied(call(libc::SYS_keyctl, 0))),
            ]
        });
        assert!(attempts.len() >= 15);
        for (what, is_denied) in attempts {
            assert!(is_denied, "{what} was not refused");
        }
    }

    #[expect(unsafe_code, reason = "a call by its number, whose arguments are a number and zeros")]
    fn call(number: libc::c_long, first: libc::c_long) -> std::io::Result<()> {
        let result = unsafe { libc::syscall(number, first, 0, 0, 0, 0) };
        if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    }

    #[test]
    fn what_was_opened_and_the_folders_that_were_named_can_be_written() {
        let (inside, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mut open = File::create(outside.path().join("open")).expect("a file");
        let (is_inside, is_outside, missing) = confined(&[inside.path().to_owned()], &[], |missing| {
            open.write_all(b"x").expect("it is open");
            fs::read("/proc/self/status").expect("reading is free");
            let write = |folder: &std::path::Path| fs::write(folder.join("file"), "x").is_ok();
            (write(inside.path()), write(outside.path()), missing.to_vec())
        });
        assert!(is_inside, "the folder that was named");
        // Where there is no Landlock, that is said.
        assert_eq!(is_outside, !missing.is_empty(), "{missing:?}");
    }

    fn as_sender<T: Send>(reach: Reach, ports: &[RawFd], attempt: impl FnOnce(&[String]) -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = || attempt(&confine_sender(&[], ports, reach).expect("this thread is confined"));
            scope.spawn(inside).join().expect("it ends")
        })
    }

    #[test]
    fn a_sender_reaches_its_endpoint_and_nothing_else() {
        let (ours, other) =
            (TcpListener::bind("127.0.0.1:0").expect("a port"), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [ours, other] = [&ours, &other].map(|listener| listener.local_addr().expect("an address"));
        let (mut port, _far) = UnixStream::pair().expect("a pair");
        let number = port.as_raw_fd();
        let is_denied =
            |result: std::io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        as_sender(Reach { port: ours.port(), is_named: false }, &[number], |missing| {
            let mut stream = TcpStream::connect(ours).expect("its endpoint can be reached");
            stream.write_all(b"x").expect("and written to");
            assert!(is_denied(port.write_all(b"frame")), "a frame into a port");
            assert_eq!(is_denied(TcpStream::connect(other).map(drop)), missing.is_empty(), "another port: {missing:?}");
            let socket = |family, kind| is_denied(opened(family, kind));
            assert!(socket(libc::AF_PACKET, libc::SOCK_DGRAM), "a packet socket");
            assert!(socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC), "a raw socket");
            assert!(socket(libc::AF_INET, libc::SOCK_DGRAM), "a datagram where no name has to be asked for");
            assert!(socket(libc::AF_UNIX, libc::SOCK_STREAM), "a local socket");
            assert!(socket(libc::AF_NETLINK, libc::SOCK_RAW), "the kernel's own network");
            assert!(is_denied(TcpListener::bind("127.0.0.1:0").map(drop)), "a server");
            assert!(is_denied(Command::new("/bin/true").status().map(drop)), "a program");
            assert!(fs::write("/tmp/otoscope-sender", "x").is_err() || missing.len() > 1, "a file");
        });
        as_sender(Reach { port: ours.port(), is_named: true }, &[], |_| {
            UdpSocket::bind("127.0.0.1:0").expect_err("a server of datagrams");
            opened(libc::AF_INET, libc::SOCK_DGRAM).expect("a name server can be asked");
        });
    }

    #[expect(unsafe_code, reason = "a socket is asked for by numbers, and closed")]
    fn opened(family: libc::c_int, kind: libc::c_int) -> std::io::Result<()> {
        let socket = unsafe { libc::socket(family, kind, 0) };
        if socket < 0 {
            return Err(std::io::Error::last_os_error());
        }
        unsafe { libc::close(socket) };
        Ok(())
    }
}
