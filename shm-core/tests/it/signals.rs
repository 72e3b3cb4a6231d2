//! Faults that are not ours go where they would have gone; each in a process of its own, which may die of it.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use shm_core::guard;
use shm_core::mapping::{Guarded, Mapping};
use shm_core::seals::Seals;

use crate::{memory, page, peer};

const PLAIN: i32 = 40;
const SIGINFO: i32 = 41;
const WRONG: i32 = 42;

/// Whether a role ends by a SIGBUS that nobody caught.
#[track_caller]
fn dies_of_sigbus(role: &str) {
    let status = peer::run(role);
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{role}: {status}");
}

#[track_caller]
fn exits(role: &str, code: i32) {
    let status = peer::run(role);
    assert_eq!(status.code(), Some(code), "{role}: {status}");
}

#[test]
fn by_default_a_foreign_fault_kills() {
    dies_of_sigbus("foreign fault, default action");
    dies_of_sigbus("foreign fault, the runtime's handler");
    dies_of_sigbus("foreign fault, ignored");
    dies_of_sigbus("foreign fault after a panic in a read");
    dies_of_sigbus("fault of an armed mapping on a thread that has not armed it");
}

#[test]
fn a_previous_handler_gets_foreign_faults() {
    exits("foreign fault, plain handler", PLAIN);
    exits("foreign fault, handler with siginfo", SIGINFO);
    exits("foreign fault in a read of something else", SIGINFO);
    exits("foreign fault, handler that repairs it", 0);
}

#[test]
fn a_signal_that_was_sent_is_no_fault() {
    dies_of_sigbus("sent, default action");
    exits("sent, ignored", 0);
    exits("sent, plain handler", PLAIN);
    exits("sent in a read", PLAIN);
}

#[test]
fn installing_twice_is_installing_once() {
    exits("installed twice", 0);
}

/// Runs one role; returns if it ends well.
pub fn role(role: &str) {
    match role {
        "foreign fault, default action" => {
            handle(libc::SIG_DFL, 0);
            touch_foreign();
        }
        "foreign fault, the runtime's handler" => touch_foreign(),
        "foreign fault, ignored" => {
            handle(libc::SIG_IGN, 0);
            touch_foreign();
        }
        "foreign fault after a panic in a read" => {
            let (_fd, mapping) = vanished();
            let start = mapping.read(0..1, |start, _| start.addr());
            let panicking = std::panic::AssertUnwindSafe(|| mapping.read(0..1, |_, _| panic!("on purpose")));
            assert!(std::panic::catch_unwind(panicking).is_err());
            touch(start.unwrap());
        }
        "fault of an armed mapping on a thread that has not armed it" => {
            let (_fd, mapping) = vanished();
            let (tell, address) = channel();
            std::thread::spawn(move || touch(address.recv().unwrap()));
            let forever = mapping.read(0..1, |start, _| {
                tell.send(start.addr()).unwrap();
                loop {
                    std::thread::park();
                }
            });
            let () = forever.unwrap();
        }
        "foreign fault, plain handler" => {
            handle(plain as *const () as usize, 0);
            touch_foreign();
        }
        "foreign fault, handler with siginfo" => {
            handle(with_siginfo as *const () as usize, libc::SA_SIGINFO);
            touch_foreign();
        }
        "foreign fault in a read of something else" => {
            handle(with_siginfo as *const () as usize, libc::SA_SIGINFO);
            let (_fd, mapping) = vanished();
            mapping.read(0..1, |_, _| touch_foreign()).unwrap();
        }
        "foreign fault, handler that repairs it" => {
            handle(repair as *const () as usize, libc::SA_SIGINFO);
            touch_foreign();
        }
        "sent, default action" => {
            handle(libc::SIG_DFL, 0);
            send_after_install();
        }
        "sent, ignored" => {
            handle(libc::SIG_IGN, 0);
            send_after_install();
        }
        "sent, plain handler" => {
            handle(plain as *const () as usize, 0);
            send_after_install();
        }
        "sent in a read" => {
            handle(plain as *const () as usize, 0);
            let (_fd, mapping) = vanished();
            mapping.read(0..1, |_, _| send_after_install()).unwrap();
        }
        "installed twice" => {
            guard::install().unwrap();
            let first = current();
            guard::install().unwrap();
            assert_eq!(current(), first);
        }
        other => panic!("what is {other}?"),
    }
}

/// The address of foreign memory that has vanished, for the handlers.
static FOREIGN: AtomicUsize = AtomicUsize::new(0);

/// A mapping, read by nobody yet, whose memory is gone.
fn vanished() -> (std::os::fd::OwnedFd, Mapping<Guarded>) {
    let fd = memory(page(), Seals::empty());
    let mapping = Mapping::<Guarded>::new(fd.as_fd(), page() as u64).unwrap();
    rustix::fs::ftruncate(&fd, 0).unwrap();
    (fd, mapping)
}

/// Touches memory that has vanished and that the guard knows nothing of.
fn touch_foreign() {
    guard::install().unwrap();
    let fd = memory(page(), Seals::empty());
    let flags = rustix::mm::MapFlags::SHARED;
    // SAFETY: a new mapping.
    let start = unsafe {
        rustix::mm::mmap(ptr::null_mut(), page(), rustix::mm::ProtFlags::READ, flags, &fd, 0).unwrap()
    };
    rustix::fs::ftruncate(&fd, 0).unwrap();
    FOREIGN.store(start.addr(), Ordering::SeqCst);
    touch(start.addr());
}

fn touch(address: usize) {
    // SAFETY: mapped; what happens then is the test.
    unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() };
}

fn send_after_install() {
    guard::install().unwrap();
    // SAFETY: no pointers.
    unsafe { libc::raise(libc::SIGBUS) };
}

/// What handles SIGBUS now.
fn current() -> usize {
    // SAFETY: all zeros is a valid sigaction, and the call only fills it in.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGBUS, ptr::null(), &mut action), 0);
        action.sa_sigaction
    }
}

fn handle(handler: usize, flags: i32) {
    // SAFETY: a valid action whose handler only does what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()), 0);
    }
}

extern "C" fn plain(_: i32) {
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(PLAIN) };
}

extern "C" fn with_siginfo(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: a handler's argument; _exit is async-signal-safe.
    unsafe {
        let right = (*info).si_addr().addr() == FOREIGN.load(Ordering::SeqCst) && !context.is_null();
        libc::_exit(if right && signal == libc::SIGBUS { SIGINFO } else { WRONG });
    }
}

extern "C" fn repair(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    // SAFETY: replaces the page that has vanished, which nothing refers to.
    unsafe {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        let repaired = mmap_anonymous((*info).si_addr(), page(), ProtFlags::READ, flags);
        if repaired.is_err() {
            libc::_exit(WRONG);
        }
    }
}
