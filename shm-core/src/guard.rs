//! Reading memory that may vanish: a `SIGBUS` handler, and a list of the ranges this thread is reading.
//!
//! A page of a shared mapping that lies behind the end of its file (because somebody truncated it), or that the kernel
//! cannot provide, raises `SIGBUS` in whoever touches it (`mmap(2)`). The handler looks whether the address is in a range
//! that this thread has armed. If so, it puts zero pages over the whole range, notes the fault, and the reader runs on and
//! finds out at the end. If not, the fault is somebody else's, and so is the decision: it goes to the handler that was
//! there before.
//!
//! Arming is two stores to thread-local memory, so it is always done, even where seals promise that nothing can happen.
//! Nothing but loads, stores and one `mmap` happens in the handler. The thread-local is const-initialised and has
//! no destructor, so that in a program (rather than in a library loaded by `dlopen`) touching it cannot allocate.
//!
//! What it cannot do: a thread that blocks `SIGBUS` is killed by the kernel before any handler runs, and a handler that
//! somebody installs later replaces this one, unless it chains.
//!
//! See `sigaction(2)`, `signal-safety(7)`.

use std::cell::Cell;
use std::io;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, compiler_fence, fence};

use rustix::mm::{MapFlags, ProtFlags};

/// A mapped range that may be read (or written) under the guard.
///
/// Once a fault has happened in it, its pages are private zeros and no longer the memory that was mapped: it stays
/// poisoned for good.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    /// In bytes; a multiple of the page size.
    len: usize,
    access: ProtFlags,
    /// Where the first fault was, in bytes from `start`, plus one; 0 as long as there was none.
    fault: AtomicUsize,
}

// SAFETY: the region only names a range of addresses. Threads meet in `fault`, which is atomic.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// What the replacement pages of a [`Region`] allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only: a write to them is a `SIGSEGV`, as it was to the memory.
    Read,
    /// Reading and writing.
    Write,
}

/// A `SIGBUS` was caught while a [`Region`] was in use, now or earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory vanished while it was read (SIGBUS at byte {offset})")]
pub struct Fault {
    /// Where the first fault was, in bytes from the start of the region.
    pub offset: usize,
}

/// One armed region: a link of this thread's list, on the stack of its reader.
struct Armed {
    region: *const Region,
    outer: *const Armed,
}

thread_local! {
    /// The innermost armed region of this thread.
    static INNERMOST: Cell<*const Armed> = const { Cell::new(ptr::null()) };
}

impl Region {
    /// Names the range of `len` bytes from `start`.
    ///
    /// # Safety
    ///
    /// `start` and `len` are multiples of the page size of that mapping. As long as the region lives, nothing but the region
    /// unmaps or replaces these pages, and no reference points into them (a fault replaces their content).
    pub unsafe fn new(start: NonNull<u8>, len: usize, access: Access) -> Region {
        let access = match access {
            Access::Read => ProtFlags::READ,
            Access::Write => ProtFlags::READ | ProtFlags::WRITE,
        };
        Region { start, len, access, fault: AtomicUsize::new(0) }
    }

    /// Marks it as if there had been a fault at its start.
    #[cfg(all(test, not(miri)))]
    pub(crate) fn poison_for_test(&self) {
        self.fault.store(1, Ordering::Release);
    }

    /// The first fault, if there was one.
    #[inline]
    pub fn fault(&self) -> Option<Fault> {
        self.fault.load(Ordering::Acquire).checked_sub(1).map(|offset| Fault { offset })
    }

    /// Runs `access` with this region armed on this thread. Regions nest in any order, the same one too.
    ///
    /// `access` may find zeros where a page has vanished; its result is dropped then, so it should not act on what it reads
    /// before it is known to be good. It may unwind.
    ///
    /// # Errors
    ///
    /// [`Fault`] if a fault happened in this region by the time `access` ended, on any thread: a page that another
    /// thread's fault replaced reads as zeros without a fault of its own. A region that is already poisoned is not
    /// accessed at all.
    #[inline]
    pub fn run<R>(&self, access: impl FnOnce() -> R) -> Result<R, Fault> {
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        let armed = Armed { region: self, outer: INNERMOST.get() };
        INNERMOST.set(&raw const armed);
        // The handler runs on this thread, so keeping the compiler from moving accesses out of the armed stretch is enough.
        compiler_fence(Ordering::SeqCst);
        let disarm = Disarm { outer: armed.outer };
        let result = access();
        drop(disarm);
        // Pairs with the handler, which marks the region before it replaces the pages: whoever has read a replaced page
        // sees the mark.
        fence(Ordering::Acquire);
        self.fault().map_or(Ok(result), Err)
    }
}

/// Takes the innermost region off the list, also when its reader unwinds.
struct Disarm {
    outer: *const Armed,
}

impl Drop for Disarm {
    #[inline]
    fn drop(&mut self) {
        compiler_fence(Ordering::SeqCst);
        INNERMOST.set(self.outer);
    }
}

/// What handled `SIGBUS` before: null until the handler is installed, then a leaked box.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// Installs the handler, once for the whole process; later calls do nothing. Creating a mapping does this too.
///
/// Call it early to make a handler that is installed later the outer one.
///
/// # Errors
///
/// That of `sigaction(2)`; the kernel gives none for `SIGBUS`.
pub fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let errno = |error: io::Error| error.raw_os_error().unwrap_or(libc::EINVAL);
        // The previous handler must be known before the new one can run, so it is asked for first.
        remember(exchange(None).map_err(errno)?);
        // SAFETY: all zeros is a valid sigaction: SIG_DFL, no flags, an empty mask.
        let mut ours: libc::sigaction = unsafe { mem::zeroed() };
        ours.sa_sigaction = on_sigbus as *const () as libc::sighandler_t;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        remember(exchange(Some(&ours)).map_err(errno)?);
        Ok(())
    });
    installed.map_err(io::Error::from_raw_os_error)
}

/// Keeps what handled `SIGBUS` before where the handler finds it, for the rest of the process's life.
fn remember(previous: libc::sigaction) {
    PREVIOUS.store(Box::into_raw(Box::new(previous)), Ordering::Release);
}

/// Reads the handler of `SIGBUS`, and sets it if there is a new one.
fn exchange(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: all zeros is a valid sigaction.
    let mut old: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: `new` is null or a valid action, whose handler is async-signal-safe; `old` is writable.
    match unsafe { libc::sigaction(libc::SIGBUS, new, &mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The handler. Everything in it is async-signal-safe: loads, stores, `mmap` and `sigaction`.
unsafe extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo to an SA_SIGINFO handler.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    // A positive code comes from the kernel. "Action optional" reports broken memory that nobody is touching right now.
    let accessed = code > 0 && code != libc::BUS_MCEERR_AO;
    if accessed && absorb(address) {
        return;
    }
    // SAFETY: same signal, same arguments.
    unsafe { pass_on(signal, info, context, accessed) };
}

/// Puts zeros where `address` is, if this thread has armed it; says whether it did.
fn absorb(address: usize) -> bool {
    let mut link = INNERMOST.get();
    // SAFETY: every link of the list lives in a frame of this thread below the one that was interrupted, and so does,
    // borrowed by `run`, its region.
    while let Some(armed) = unsafe { link.as_ref() } {
        // SAFETY: as above.
        let region = unsafe { &*armed.region };
        if let Some(offset) =
            address.checked_sub(region.start.addr().get()).filter(|offset| *offset < region.len)
        {
            // Marked before the pages change, so that another thread cannot read the new zeros without seeing the mark.
            let _ = region.fault.compare_exchange(0, offset + 1, Ordering::AcqRel, Ordering::Acquire);
            let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
            // SAFETY: whoever made the region promised that these are its own pages, to which no reference points.
            let mapped = unsafe {
                rustix::mm::mmap_anonymous(region.start.as_ptr().cast(), region.len, region.access, flags)
            };
            return mapped.is_ok();
        }
        link = armed.outer;
    }
    false
}

/// Does with the signal what would have happened without us.
///
/// # Safety
///
/// Only from a handler, with its arguments.
unsafe fn pass_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    accessed: bool,
) {
    // SAFETY: null, or a box that is never freed.
    let previous = unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() };
    let (handler, flags) = previous.map_or((libc::SIG_DFL, 0), |p| (p.sa_sigaction, p.sa_flags));
    match handler {
        // An ignored signal that somebody sent is ignored. One that comes from an access cannot be: returning would only
        // repeat the access, so the kernel treats it as SIG_DFL, and so do we.
        libc::SIG_IGN if !accessed => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: all zeros is SIG_DFL, no flags, an empty mask.
            let default: libc::sigaction = unsafe { mem::zeroed() };
            // SAFETY: a valid action; sigaction and raise are async-signal-safe. The access happens again when this handler
            // returns and kills the process, with the right address in its core; a signal that was sent is sent again.
            unsafe {
                libc::sigaction(signal, &default, ptr::null_mut());
                if !accessed {
                    libc::raise(signal);
                }
            }
        }
        handler if flags & libc::SA_SIGINFO != 0 => {
            type Action = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            // SAFETY: neither SIG_DFL nor SIG_IGN, so a function, and SA_SIGINFO says of which type.
            unsafe { mem::transmute::<libc::sighandler_t, Action>(handler)(signal, info, context) };
        }
        handler => {
            type Action = unsafe extern "C" fn(libc::c_int);
            // SAFETY: neither SIG_DFL nor SIG_IGN, so a function, of the type without SA_SIGINFO.
            unsafe { mem::transmute::<libc::sighandler_t, Action>(handler)(signal) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// The regions that are armed on this thread, the innermost first.
    fn armed() -> Vec<*const Region> {
        let mut links = Vec::new();
        let mut link = INNERMOST.get();
        // SAFETY: as in `absorb`.
        while let Some(armed) = unsafe { link.as_ref() } {
            links.push(armed.region);
            link = armed.outer;
        }
        links
    }

    /// A region that is never touched.
    fn region() -> Region {
        // SAFETY: nothing faults in it, so nothing is replaced.
        unsafe { Region::new(NonNull::dangling(), 4096, Access::Read) }
    }

    #[test]
    fn regions_are_armed_while_they_run_and_no_longer() {
        let (outer, inner) = (region(), region());
        let seen = outer.run(|| {
            let nested = inner.run(|| outer.run(armed).unwrap()).unwrap();
            (nested, armed())
        });
        assert_eq!(
            seen,
            Ok((vec![&raw const outer, &raw const inner, &raw const outer], vec![&raw const outer]))
        );
        let unwound = catch_unwind(AssertUnwindSafe(|| outer.run(|| inner.run(|| panic!("on purpose")))));
        assert!(unwound.is_err());
        assert_eq!(armed(), Vec::<*const Region>::new());
    }

    #[test]
    fn a_poisoned_region_is_not_accessed() {
        let region = region();
        region.fault.store(8, Ordering::Relaxed);
        assert_eq!(region.run(|| panic!("must not be called")), Err(Fault { offset: 7 }));
    }

    #[test]
    fn a_fault_outside_of_what_is_armed_is_left_alone() {
        let region = region();
        let start = region.start.addr().get();
        region
            .run(|| {
                for address in [0, start - 1, start + region.len, usize::MAX] {
                    assert!(!absorb(address));
                }
            })
            .unwrap();
        assert!(!absorb(start));
        assert_eq!(region.fault(), None);
    }

    #[test]
    #[cfg(not(miri))] // system calls
    fn absorbing_replaces_the_whole_region_and_keeps_the_first_offset() {
        let page = rustix::param::page_size();
        for (access, protection) in
            [(Access::Read, ProtFlags::READ), (Access::Write, ProtFlags::READ | ProtFlags::WRITE)]
        {
            // SAFETY: a new mapping.
            let start = unsafe {
                let flags = MapFlags::PRIVATE;
                let start = rustix::mm::mmap_anonymous(
                    ptr::null_mut(),
                    2 * page,
                    protection | ProtFlags::WRITE,
                    flags,
                );
                NonNull::new(start.unwrap().cast::<u8>()).unwrap()
            };
            // SAFETY: two pages, writable.
            unsafe { ptr::write_bytes(start.as_ptr(), 0xff, 2 * page) };
            // SAFETY: whole pages of this test alone.
            let region = unsafe { Region::new(start, 2 * page, access) };
            let last = start.addr().get() + 2 * page - 1;
            let result = region.run(|| absorb(last) && absorb(start.addr().get()));
            assert_eq!(result, Err(Fault { offset: 2 * page - 1 }));
            // SAFETY: still mapped, and unmapped once.
            unsafe {
                assert_eq!((start.read_volatile(), start.add(2 * page - 1).read_volatile()), (0, 0));
                if access == Access::Write {
                    start.write_volatile(1);
                }
                rustix::mm::munmap(start.as_ptr().cast(), 2 * page).unwrap();
            }
        }
    }
}
